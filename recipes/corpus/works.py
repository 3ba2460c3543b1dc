"""The scores that clips are made from, each parsed once and kept as compact JSON."""

import json
import re
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from music21.common import getCorpusFilePath

from recipes.common.files import write_text
from recipes.music.scores import Note, read_score

HELD_OUT_COLLECTIONS = ("Beethoven quartets", "Corelli")  # never trained on
BAR_LENGTHS = {"2/4": 2.0, "3/4": 3.0, "4/4": 4.0, "6/8": 3.0, "9/8": 4.5, "12/8": 6.0}  # in quarter notes
SHORTEST = 4  # bars of a passage
TUNE_TYPES = {"slipjig": "slip jig", "jig": "jig", "reel": "reel", "hornpipe": "hornpipe", "strathspey": "strathspey",
              "clog": "clog"}  # fmt: skip

# Krumhansl and Kessler (1982): how well each degree of the scale fits a key.
PROFILES = {
    "major": np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]),
    "minor": np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]),
}


@dataclass(frozen=True)
class Work:
    """A score as plain notes. Times are in quarter notes."""

    id: str  # its path in music21's corpus
    collection: str
    source_family: str  # "chorale", "quartet" or "dance tune"
    idiom: str
    meter: str
    bars: list[float]  # onsets of bar lines
    parts: list[list[Note]]  # highest first

    def regular_run(self, start: int) -> int:
        """Number of bars from ``start`` on that are as long as the meter says."""
        length, count = BAR_LENGTHS[self.meter], 1
        for first, second in pairwise(self.bars[start:]):
            if abs(second - first - length) > 0.01:
                break
            count += 1
        return count

    def passages(self) -> list[int]:
        """Bars from which on there are at least ``SHORTEST`` regular ones, with every part heard in the first two."""
        bar = BAR_LENGTHS[self.meter]
        length = SHORTEST * bar
        return [
            index
            for index, start in enumerate(self.bars)
            if self.regular_run(index) >= SHORTEST
            and all(any(start <= note.onset < start + 2 * bar for note in part) for part in self.parts)
            and self.bars[index] + length <= self.parts[0][-1].onset + self.parts[0][-1].duration + 0.01
        ]


def best_key(notes: list[Note]) -> tuple[int, str]:
    """Tonic and mode whose profile correlates best with the durations of the pitch classes."""
    weights = np.zeros(12)
    for note in notes:
        weights[note.pitch % 12] += note.duration
    fits = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), weights + np.arange(12) * 1e-9)[0, 1]
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=fits.get)


def final_tonic(work: Work) -> int:
    """Pitch class of the last note of the lowest part."""
    return work.parts[-1][-1].pitch % 12


def idiom_of_tune(title: str) -> str:
    """What the title of a tune calls it; "dance tune" where it says nothing."""
    return next((name for ending, name in TUNE_TYPES.items() if title.lower().endswith(ending)), "dance tune")


def catalog() -> list[tuple[str, str, str, str]]:
    """(path, collection, source family, idiom) of each score of music21's corpus that may be used."""
    root = Path(getCorpusFilePath())
    found = []
    for pattern, collection, family in (
        ("bach/*.mxl", "Bach chorales", "chorale"),
        ("haydn/opus*/movement*.mxl", "Haydn quartets", "quartet"),
        ("mozart/k155/*.mxl", "Mozart quartets", "quartet"),
        ("mozart/k156/*.mxl", "Mozart quartets", "quartet"),
        ("mozart/k458/*.mxl", "Mozart quartets", "quartet"),
        ("mozart/k80/*.mxl", "Mozart quartets", "quartet"),
        ("beethoven/opus*/movement*.mxl", "Beethoven quartets", "quartet"),
        ("corelli/opus3no1/*.xml", "Corelli", "quartet"),
        ("ryansMammoth/*.abc", "Ryan's Mammoth", "dance tune"),
    ):
        for path in sorted(root.glob(pattern)):
            idiom = {"chorale": "chorale", "quartet": "classical"}.get(family) or idiom_of_tune(path.stem)
            found.append((path.relative_to(root).as_posix(), collection, family, idiom))
    return found


def cache_path(folder: Path, work_id: str) -> Path:
    return folder / (re.sub(r"[^\w.]+", "-", work_id) + ".json")


def parse(entry: tuple[str, str, str, str], folder: Path) -> None:
    """Read one score and keep it in ``folder``: as JSON null where it cannot be used, so that it is not read again.

    A score is left out that music21 cannot read, whose meter is not in ``BAR_LENGTHS``, or that has empty parts or
    too few notes; so are chorales that are not in four parts, and tunes whose key is in doubt, since they could not
    be given chords.
    """
    work_id, collection, family, idiom = entry
    path = cache_path(folder, work_id)
    if path.exists():
        return
    try:
        score = read_score(work_id)
    except Exception as error:  # music21 raises many kinds on files that it cannot read
        print(f"left out {work_id}: {error!r}")
        score = None
    work = None
    if score and score.meter in BAR_LENGTHS and score.parts and all(len(part) > 15 for part in score.parts):
        count = {"chorale": 4, "dance tune": 1}.get(family)
        if count is None or len(score.parts) == count:
            work = Work(work_id, collection, family, idiom, score.meter, sorted(score.bars.values()), score.parts)
            if (family == "dance tune" and best_key(work.parts[0])[0] != final_tonic(work)) or not work.passages():
                work = None
    write_text(path, json.dumps(asdict(work) if work else None, separators=(",", ":")))


def load(folder: Path, work_id: str) -> Work | None:
    """A parsed work, or None where it was left out."""
    data = json.loads(cache_path(folder, work_id).read_text(encoding="utf-8"))
    if data is None:
        return None
    data["parts"] = [[Note(*note) for note in part] for part in data["parts"]]
    return Work(**data)
