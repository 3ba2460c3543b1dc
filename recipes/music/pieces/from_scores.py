"""Clips that play a published score.

A function here picks a passage, gives its parts to instruments and, for dance tunes, adds an accompaniment of
our own. Where a tune has one, the chords are written by ear, a bar a symbol.
"""

import math

from recipes.music.composition import Piece, Stem, comp, drums, line, progression
from recipes.music.scores import Note, read_score

CHURCH = (2.6, 0.35)
CHAMBER = (1.3, 0.18)


def shape(notes: list[Note], bar: float, beat: float, velocity: int = 80, phrase: float = 4) -> list[Note]:
    """Give the notes of a score the accents of its meter, and a swell over every ``phrase`` bars."""
    shaped = []
    for note in notes:
        accent = 8 if note.onset % bar < 0.01 else 3 if note.onset % beat < 0.01 else -3
        swell = 7 * math.sin(math.pi * (note.onset / (phrase * bar) % 1))
        shaped.append(note._replace(velocity=round(velocity + accent + swell)))
    return shaped


def legato(notes: list[Note], share: float) -> list[Note]:
    """Let each note sound for ``share`` of its written length."""
    return [note._replace(duration=note.duration * share) for note in notes]


def ensemble(
    path: str,
    measure: int,
    instruments: list[str],
    bar: float,
    beat: float,
    velocity: int = 80,
    share: float = 0.97,
    levels: tuple[float, ...] = (0, -2, -2, -1),
) -> list[Stem]:
    """One instrument a part, the first a little in front."""
    parts = read_score(path).excerpt(measure)
    return [
        Stem(instrument, legato(shape(part, bar, beat, velocity), share), level)
        for instrument, part, level in zip(instruments, parts, levels, strict=False)
    ]


def tune(name: str) -> tuple[list[Note], float]:
    """Melody of a tune in Ryan's Mammoth Collection, and the length of its upbeat in quarter notes."""
    score = read_score(f"ryansMammoth/{name}.abc")
    return score.parts[0], score.bars[1]


def delayed(notes: list[Note], quarters: float) -> list[Note]:
    return [note._replace(onset=note.onset + quarters) for note in notes]


def chorale_choir() -> Piece:
    return Piece(ensemble("bach/bwv350.mxl", 0, ["choir"] * 4, 4, 1, velocity=66), room=CHURCH, jitter=0.012)


def chorale_brass() -> Piece:
    instruments = ["trumpet", "french horn", "trombone", "tuba"]
    return Piece(ensemble("bach/bwv377.mxl", 0, instruments, 4, 1, velocity=100, share=0.9), room=CHURCH)


def chorale_organ() -> Piece:
    return Piece(ensemble("bach/bwv269.mxl", 0, ["church organ"] * 4, 3, 1, share=0.95), room=(3.2, 0.4))


def quartet_hunt() -> Piece:
    instruments = ["violin", "violin", "viola", "cello"]
    return Piece(ensemble("mozart/k458/movement1.mxl", 0, instruments, 3, 1.5, velocity=98, share=0.88), room=CHAMBER)


def quartet_adagio() -> Piece:
    instruments = ["violin", "violin", "viola", "cello"]
    return Piece(
        ensemble("mozart/k156/movement2.mxl", 1, instruments, 4, 1, velocity=62, share=1.0), room=CHAMBER, jitter=0.012
    )


def woodwind_minuet() -> Piece:
    instruments = ["flute", "oboe", "clarinet", "bassoon"]
    return Piece(ensemble("haydn/opus1no1/movement2.mxl", 1, instruments, 3, 1, velocity=86, share=0.85), room=CHAMBER)


def trio_sonata() -> Piece:
    """Two violins over cello and harpsichord, which fills in the notes that sound above each bass note."""
    stems = ensemble("corelli/opus3no1/1grave.xml", 1, ["violin", "violin", "cello"], 4, 1, velocity=78, share=1.0)
    bass, upper = stems[2].notes, stems[0].notes + stems[1].notes
    continuo = []
    for note in bass:
        sounding = {
            53 + (other.pitch - 53) % 12 for other in upper if other.onset <= note.onset < other.onset + other.duration
        }
        continuo += [note] + [note._replace(pitch=tone) for tone in sounding]
    return Piece([*stems, Stem("harpsichord", continuo, -1)], room=(1.8, 0.25))


def clarinet_concertino() -> Piece:
    parts = read_score("weber/concertino_clarinet.mxl").excerpt(14)
    piano = shape(parts[1] + parts[2], 3, 1, velocity=64)
    return Piece(
        [Stem("clarinet", legato(shape(parts[0], 3, 1, velocity=84), 1.0)), Stem("piano", piano, -5)],
        room=CHAMBER,
        jitter=0.008,
    )


def jig_fiddle() -> Piece:
    notes, upbeat = tune("IrishWashWomanJig")
    chords = progression("G G Am Am G G D G G G D D", bar=3)
    guitar = comp(chords, "X.ox.o", 50, step=0.5, strum=0.03)
    bass = line(chords, "1..5..", 38, step=0.5, velocity=80)
    return Piece(
        [
            Stem("fiddle", legato(shape(notes, 3, 1.5, 100), 0.9)),
            Stem("steel guitar", delayed(guitar, upbeat), -6),
            Stem("steel guitar", delayed(bass, upbeat), -7),
        ],
        room=(0.7, 0.1),
    )


def reel_string_band() -> Piece:
    notes, upbeat = tune("SoldiersJoy")
    chords = progression("D D D A D D D:1 A:1 D D A D A", bar=2)
    roll = line(chords, "15831583", 50, velocity=80)
    bass = line(chords, "1...6...", 33, velocity=92)
    groove = drums(10, kick="x...x...", snare="..x...x.", hat="x.o.x.o.")
    return Piece(
        [
            Stem("fiddle", legato(shape(notes, 2, 1, 102), 0.88)),
            Stem("banjo", delayed(roll, upbeat), -5),
            Stem("acoustic bass", delayed(bass, upbeat), -4),
            Stem("drums", delayed(groove, upbeat), -5),
        ],
        room=(0.6, 0.08),
    )


def hornpipe_flute() -> Piece:
    notes, _ = tune("FishersHornpipe")
    return Piece([Stem("flute", legato(shape(notes, 2, 1, 92), 0.9))], swing=0.62, pulse=0.5, room=(1.6, 0.22))


def reel_marimba() -> Piece:
    notes, upbeat = tune("DevilsDreamReel")
    chords = progression("A A Bm E A A E:1 A:1 A A A Bm E", bar=2)
    low = comp(chords, "x.o.x.o.", 52, softer=10)
    bass = line(chords, "1..15.1.", 33, velocity=88)
    groove = drums(12, bongo="x.ox.xo.", conga="..x...xx", shaker="xoxoxoxo")
    return Piece(
        [
            Stem("marimba", shape(notes, 2, 1, 104)),
            Stem("marimba", delayed(low, upbeat), -8),
            Stem("acoustic bass", delayed(bass, upbeat), -5),
            Stem("drums", delayed(groove, upbeat), -8),
        ],
        room=(0.8, 0.12),
    )


def music_box() -> Piece:
    notes, upbeat = tune("GreenSleevesJig")
    chords = progression("Am G Am Em Am G Am:1.5 E:1.5 Am", bar=3)
    comb = line(chords, "1.5.8.", 57, velocity=60, step=0.5)
    melody = [note._replace(pitch=note.pitch + 12) for note in shape(notes, 3, 1.5, 88)]
    return Piece([Stem("music box", melody), Stem("music box", delayed(comb, upbeat), -6)], room=(1.2, 0.15))


PIECES = {function.__name__.replace("_", "-"): function for function in (
    chorale_choir, chorale_brass, chorale_organ, quartet_hunt, quartet_adagio, woodwind_minuet, trio_sonata,
    clarinet_concertino, jig_fiddle, reel_string_band, hornpipe_flute, reel_marimba, music_box,
)}  # fmt: skip
