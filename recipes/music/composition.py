"""A small vocabulary for writing music as text: chords, bass lines, melodies and drum patterns.

Times are in quarter notes. A pattern is read one character a step:

=======  =================================================================================
x X o    play, with an accent, softly
1 3 5 7  root, third, fifth, seventh of the chord
8 2 9    root, third, fifth an octave higher
6        fifth below the root
.        let the last note sound on
-        rest
=======  =================================================================================
"""

import re
from dataclasses import dataclass, field

import numpy as np

from recipes.music.scores import Note
from recipes.music.synthesis import Voice

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUALITIES = {
    "": (0, 4, 7), "m": (0, 3, 7), "5": (0, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14), "add9": (0, 4, 7, 14),
}  # fmt: skip
DRUMS = {
    "kick": 36, "stick": 37, "snare": 38, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "tom1": 50, "tom2": 47,
    "tom3": 43, "crash": 49, "ride": 51, "tambourine": 54, "bongo": 60, "conga": 63, "shaker": 70,
}  # fmt: skip
VELOCITIES = {"o": 48, "x": 84, "X": 112}


def pitch(name: str) -> int:
    """MIDI number of a note name such as ``"C4"`` (60), ``"F#3"`` or ``"Bb2"``."""
    step, accidental, octave = re.fullmatch(r"([A-G])([#b]?)(-?\d)", name).groups()
    return STEPS[step] + {"": 0, "#": 1, "b": -1}[accidental] + 12 * (int(octave) + 1)


def chord(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Root as pitch class and intervals above it, of a symbol such as ``"F#m7"``."""
    root, quality = re.fullmatch(r"([A-G][#b]?)(.*)", symbol).groups()
    return pitch(root + "0") % 12, QUALITIES[quality]


def voicing(symbol: str, low: int) -> list[int]:
    """Pitches of a chord, each tone at its first place from ``low`` up.

    One window for all chords of a progression keeps common tones where they are and moves the others little.
    """
    root, intervals = chord(symbol)
    return sorted(low + (root + interval - low) % 12 for interval in intervals)


def progression(text: str, bar: float = 4) -> list[tuple[float, float, str]]:
    """``"Dm7:2 G7:2 C"`` as (onset, duration, symbol); a chord without a number fills a bar."""
    result, onset = [], 0.0
    for token in text.split():
        symbol, _, length = token.partition(":")
        result.append((onset, float(length or bar), symbol))
        onset += result[-1][1]
    return result


def melody(text: str, velocity: int = 84, start: float = 0.0) -> list[Note]:
    """``"A4:1.5 C5:.5 r:1 E5"`` as notes; without a number a note is as long as the one before."""
    notes, onset, duration = [], start, 1.0
    for token in text.replace("|", " ").split():
        name, _, length = token.partition(":")
        duration = float(length) if length else duration
        if name != "r":
            notes.append(Note(onset, duration, pitch(name), velocity))
        onset += duration
    return notes


def _hits(pattern: str, step: float) -> list[tuple[float, float, str]]:
    """(onset, duration, character) of each sounding character; ``.`` prolongs it."""
    return [
        (match.start() * step, len(match.group()) * step, match.group()[0])
        for match in re.finditer(r"[^.\-]\.*", pattern)
    ]


def comp(
    chords: list[tuple[float, float, str]],
    pattern: str,
    low: int,
    step: float = 0.25,
    strum: float = 0.0,
    softer: int = 0,
) -> list[Note]:
    """Chords in a rhythm. ``strum`` delays each tone by so many quarter notes; ``softer`` lowers velocities."""
    notes = []
    for start, length, symbol in chords:
        for onset, duration, character in _hits(pattern, step):
            if onset < length:
                notes += [
                    Note(
                        start + onset + strum * index,
                        min(duration, length - onset) - strum * index,
                        tone,
                        VELOCITIES[character] - softer,
                    )
                    for index, tone in enumerate(voicing(symbol, low))
                ]
    return notes


def line(
    chords: list[tuple[float, float, str]], pattern: str, low: int, step: float = 0.25, velocity: int = 92
) -> list[Note]:
    """Chord degrees in a rhythm: bass lines and arpeggios. ``low`` is the lowest root."""
    notes = []
    for start, length, symbol in chords:
        root, intervals = chord(symbol)
        base = low + (root - low) % 12
        degrees = {"1": 0, "3": intervals[1], "5": intervals[2], "7": intervals[-1], "8": 12, "6": -5,
                   "2": 12 + intervals[1], "9": 12 + intervals[2]}  # fmt: skip
        notes += [
            Note(start + onset, min(duration, length - onset), base + degrees[character], velocity)
            for onset, duration, character in _hits(pattern, step)
            if onset < length
        ]
    return notes


def drums(bars: int, step: float = 0.25, start: float = 0.0, **patterns: str) -> list[Note]:
    """A groove: one pattern a drum (names in ``DRUMS``), repeated for so many bars."""
    notes = []
    for name, pattern in patterns.items():
        for bar in range(bars):
            notes += [
                Note(start + bar * len(pattern) * step + onset, step, DRUMS[name], VELOCITIES[character])
                for onset, _, character in _hits(pattern, step)
            ]
    return notes


@dataclass
class Stem:
    """One instrument of a piece. ``level`` is its loudness in dB in relation to the other stems."""

    instrument: str | Voice
    notes: list[Note]
    level: float = 0.0


@dataclass
class Piece:
    """What a clip is rendered from; tempo and meter come from its entry in ``clips.toml``."""

    stems: list[Stem]
    font: str = "FluidR3Mono"
    swing: float = 0.5  # share of a pulse that its first half takes: 0.5 even, 0.67 triplets
    pulse: float = 1.0  # length in quarter notes that swings
    jitter: float = 0.006  # seconds: standard deviation of onsets
    room: tuple[float, float] = (0.9, 0.12)  # reverberation time in seconds, level
    effects: list = field(default_factory=list)  # functions of the whole mix


def perform(notes: list[Note], quarter: float, piece: Piece, rng: np.random.Generator) -> list[Note]:
    """Notes with times in seconds, as a player would place them: swung, a little early or late, uneven in force.

    ``quarter`` is the length of a quarter note in seconds.
    """

    def seconds(position: float) -> float:
        pulses, phase = divmod(position / piece.pulse, 1)
        swung = phase * 2 * piece.swing if phase < 0.5 else 1 - (1 - phase) * 2 * (1 - piece.swing)
        return (pulses + swung) * piece.pulse * quarter

    played = []
    for note in sorted(notes):
        onset, end = seconds(note.onset), seconds(note.onset + note.duration)
        velocity = int(np.clip(note.velocity + rng.normal(0, 4), 1, 127))
        played.append(Note(max(0.0, onset + rng.normal(0, piece.jitter)), end - onset, note.pitch, velocity))
    return played
