"""Read a score of music21's corpus as plain notes.

music21's corpus has a licence for each collection, not one for all of it. The recipes read only Bach chorales
(``bach/*.mxl``), the quartets of Haydn, Mozart and Beethoven, Ryan's Mammoth Collection, Corelli's opus 3
no. 1 (CC BY) and Weber's Concertino (public domain).
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

from music21 import corpus, harmony, stream


class Note(NamedTuple):
    """One note. Times are in quarter notes in a score, and in seconds once it is performed."""

    onset: float
    duration: float
    pitch: int  # MIDI number, 60 is middle C
    velocity: int = 80  # 1 to 127


@dataclass(frozen=True)
class Score:
    """Notes of each part, and what the score itself says about meter and key."""

    parts: list[list[Note]]
    bars: dict[int, float]  # measure number -> onset in quarter notes; 0 is an upbeat
    meter: str | None
    key: str | None
    mode: str | None

    def excerpt(self, measure: int) -> list[list[Note]]:
        """Notes of each part from ``measure`` on, with its bar line at time 0."""
        start = self.bars[measure]
        return [
            [note._replace(onset=note.onset - start) for note in part if note.onset >= start] for part in self.parts
        ]


def _notes(part: stream.Stream) -> list[Note]:
    notes = []
    for element in part.stripTies().flatten().notes:
        if element.duration.isGrace or isinstance(element, harmony.ChordSymbol):
            continue
        notes += [Note(float(element.offset), float(element.quarterLength), pitch.midi) for pitch in element.pitches]
    return sorted(notes)


def read_score(path: str) -> Score:
    """Read one work of music21's corpus.

    Repeats are not expanded: a passage sounds as it stands on the page. Grace notes and chord symbols are
    left out. Transposing instruments come at sounding pitch.

    Parameters
    ----------
    path : str
        Path inside the corpus with its suffix, such as ``"bach/bwv272.mxl"``.

    Returns
    -------
    Score
        ``key`` and ``mode`` are what the key signature declares. Many scores of minor-mode tunes declare
        none, or the relative major: compare with the final cadence before believing it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # music21 mends a wrong measure length and says so
        work = corpus.parse(path)
        # Before transposing, which forgets the mode, and of a part that is written as it sounds.
        concert = next(part for part in list(work.parts) or [work] if not part.getInstrument().transposition)
        keys = concert.flatten().getElementsByClass("Key")
        work = work.toSoundingPitch()
    parts = list(work.parts) or [work]
    measures = {measure.number: float(measure.offset) for measure in parts[0].getElementsByClass("Measure")}
    meters = work.flatten().getElementsByClass("TimeSignature")
    return Score(
        parts=[_notes(part) for part in parts],
        bars=measures,
        meter=meters[0].ratioString if meters else None,
        key=keys[0].tonic.name.replace("-", "b") if keys else None,
        mode=keys[0].mode if keys else None,
    )
