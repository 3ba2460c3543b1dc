"""Clips composed for this book, one function a piece.

Every piece keeps to one key and one meter, so that what its entry in ``clips.toml`` says about it is true by
construction. Sketches rather than songs: a groove, a progression, and a lead with a phrase and an answer.
"""

import numpy as np

from recipes.music import synthesis
from recipes.music.composition import Piece, Stem, comp, drums, line, melody, progression
from recipes.music.scores import Note
from recipes.music.soundfont import SAMPLE_RATE


def swelled(notes: list[Note], velocities: list[int]) -> list[Note]:
    """Spread a run of velocities over the notes in order: a crescendo, an arch."""
    at = np.linspace(0, len(velocities) - 1, len(notes))
    return [
        note._replace(velocity=round(float(np.interp(place, range(len(velocities)), velocities))))
        for note, place in zip(notes, at, strict=True)
    ]


def sustained(notes: list[Note], bar: float) -> list[Note]:
    """Hold each note to the end of its bar, as a piano's pedal does."""
    return [note._replace(duration=bar - note.onset % bar) for note in notes]


def piano_nocturne() -> Piece:
    """A minor: broken chords under a song-like line that rises once and sinks back."""
    chords = progression("Am Dm E7 Am")
    left = sustained(line(chords, "1.5.8.2.9.2.8.5.", 40, velocity=44), 4)
    song = melody("r:1 E5:1.5 F5:.5 E5:1 | A5:2 F5:.75 E5:.25 D5:1 | C5:.5 B4:1 D5:.5 G#4:2 | A4:4")
    return Piece([Stem("piano", swelled(song, [64, 84, 62])), Stem("piano", left, -6)], jitter=0.012, room=(1.6, 0.16))


def guitar_fingerpicking() -> Piece:
    """G major, Travis picking: the thumb alternates on the beats, two fingers answer between them."""
    chords = progression("G Cadd9 Em7 D G")
    thumb = line(chords, "1...5...8...5...", 40, velocity=82)
    fingers = line(chords, "..2...9...2.8.9.", 45, velocity=70)
    song = melody(
        """B4:1.5 D5:.5 B4:1 A4:1 | G4:1.5 A4:.5 E4:2
                     | G4:1 B4:1 D5:1.5 B4:.5 | A4:1.5 G4:.5 F#4:2 | G4:4""",
        92,
    )
    return Piece(
        [
            Stem("steel guitar", sustained(thumb, 4), -2),
            Stem("steel guitar", sustained(fingers, 4), -5),
            Stem("steel guitar", song),
        ],
        room=(0.8, 0.12),
    )


def waltz_accordion() -> Piece:
    """A minor, a quick French waltz: bass on one, chords on two and three, eighths that circle the chord."""
    chords = progression("Am Am E7 E7 E7 E7 Am Am Dm Dm", bar=3)
    song = melody(
        """E5:.5 D#5 E5 C5 A4 C5 | E5 A5 G#5 A5 E5 C5 | D5 C#5 D5 B4 G#4 B4 | E5:1 r:.5 E5:.5 F5 E5
                     | D5 C#5 D5 B4 G#4 B4 | D5 F5 E5 D5 C5 B4 | C5 B4 C5 A4 E4 A4 | C5:1 r:.5 A4 B4 C5
                     | D5:2 F5:1 | A5:3""",
        92,
    )
    return Piece(
        [
            Stem("accordion", song),
            Stem("nylon guitar", comp(chords, "-...x.-.x.-.", 52), -6),
            Stem("acoustic bass", line(chords, "1.......--..", 33), -4),
        ],
        room=(0.7, 0.1),
    )


def techno() -> Piece:
    """A minor at a steady four to the floor; the bass filter opens and closes with each note's force."""
    bass = line(progression("Am Am Am Am F G Am Am"), "1.1811-11.8115-1", 33)
    bass = [note._replace(velocity=(58, 96, 70, 118, 64, 88)[index % 6]) for index, note in enumerate(bass)]
    stabs = comp(progression("Am7 Am7 Fmaj7 G Am7 Am7"), "---x--x---------", 57)
    groove = drums(6, kick="X...X...X...X...", clap="----X-------X---", hat="o.xoo.xoo.xoo.xo", open="--x---x---x---x-")
    fill = drums(1, snare="ooxxxxXX", step=0.125, start=15)
    return Piece(
        [
            Stem(synthesis.electronic_kit, groove + fill),
            Stem(synthesis.acid_bass, bass, -3),
            Stem(synthesis.stab, stabs, -5),
        ],
        jitter=0.001,
        room=(1.0, 0.12),
    )


def ambient() -> Piece:
    """D major with no beat: two chords that melt into each other, and a few bells."""
    chords = progression("Dmaj9:5 Bm9:6")
    bells = melody("r:1.3 F#5:1.9 A5:1.4 E5:2.3 D5:1.1 C#5:1.7 F#5:2", 80)
    return Piece(
        [
            Stem(synthesis.pad, comp(chords, "x" + "." * 23, 50)),
            Stem(synthesis.pad, line(chords, "1" + "." * 23, 33), -3),
            Stem(synthesis.bell, bells, -7),
        ],
        jitter=0,
        room=(3.5, 0.6),
    )


def rock() -> Piece:
    """E minor: power chords, a driving bass in eighths, and a lead that circles the fifth."""
    chords = progression("E5 C5 G5 D5 E5 E5")
    riff = comp(chords, "X.xxX.x.X.xxx.x.", 40)
    bass = line(progression("Em C G D Em Em"), "1.1.1.1.1.1.1.5.", 28, velocity=104)
    lead = melody(
        """r:2 B4:1 D5:1 | E5:2.5 D5:.5 C5:1 | B4:1.5 A4:.5 G4:1 B4:1
                     | A4:2 F#4:.5 A4:.5 D5:1 | E5:.5 G5 E5 D5 B4 D5 E5:1 | B4:4""",
        108,
    )
    groove = drums(4, kick="X.--..x.X-x-..--", snare="----X-------X--o", hat="x.x.x.x.x.x.x.x.")
    fill = drums(1, snare="X.xxX.xx--------", tom1="--------X.x.----", tom3="------------X.x.", start=16)
    last = drums(1, kick="X.--..x.X-x-..--", snare="----X-------X---", ride="x.x.x.x.x.x.x.x.", start=20)
    crash = drums(1, crash="X", start=0) + drums(1, crash="X", start=20)
    return Piece(
        [
            Stem("overdriven guitar", lead),
            Stem("distorted guitar", riff, -2),
            Stem("picked bass", bass, -3),
            Stem("power drums", groove + fill + last + crash, -1),
        ],
        room=(0.7, 0.1),
    )


def funk() -> Piece:
    """E minor: slapped bass around the root, scratched guitar, clavinet, and brass that answers."""
    chords = progression("Em7 Em7 Am7 Bm7 Em7")
    bass = line(chords, "1..-8-1-..17-5-8", 28, velocity=100)
    scratch = comp(chords, "--x-xxo-x-o-xxo-", 59)
    clavinet = comp(chords, "x--x--x---xx--x-", 50, softer=6)
    brass = melody(
        """r:2 r:.5 G5:.25 A5:.25 B5:.5 r:.5 | r:4
                     | r:2 r:.5 C6:.25 A5:.25 G5:.5 r:.5 | F#5:.5 r:.25 A5:.25 B5:1 r:2 | E5:.5 r:3.5""",
        110,
    )
    brass += [note._replace(pitch=note.pitch - 12) for note in brass]
    groove = drums(
        5, kick="X-x---x--xx---x-", snare="----X--o-o--X--o", hat="x.xox.xox.xox.--", open="--------------x-"
    )
    return Piece(
        [
            Stem("slap bass", bass, 0),
            Stem("muted guitar", scratch, -7),
            Stem("clavinet", clavinet, -6),
            Stem("brass section", brass, -1),
            Stem("drums", groove, -1),
        ],
        jitter=0.004,
        swing=0.54,
        pulse=0.5,
        room=(0.5, 0.08),
    )


def vinyl(audio: np.ndarray) -> np.ndarray:
    """Dull the highs and add the crackle of a record."""
    rng = np.random.default_rng(7)
    crackle = np.where(rng.random(len(audio)) < 25 / SAMPLE_RATE, rng.standard_normal(len(audio)), 0)
    hiss = rng.standard_normal(len(audio)) * 0.02
    level = np.sqrt(np.mean(audio**2))
    return synthesis.low_pass(audio, 3_600) + level * synthesis.low_pass(0.8 * crackle + hiss, 6_000)


def lofi() -> Piece:
    """F major, laid back: electric piano chords with sevenths and ninths over a lazy beat, as if from a record."""
    chords = progression("Fmaj9 Dm9 Gm9 C9")
    keys = comp(chords, "x.....o...x.....", 53, strum=0.03, softer=14)
    bass = line(chords, "1.....15..1.8...", 29, velocity=80)
    song = melody("r:1 C5:.5 D5 E5:1 C5:1 | A4:2.5 r:.5 F4 A4 | Bb4:1 D5:.5 C5:1 A4:.5 G4:1 | E4:4", 72)
    groove = drums(4, kick="X--x---x-xx-----", snare="----x-------x---", hat="x.o.x.o.x.o.x.oo")
    return Piece(
        [
            Stem("electric piano", keys),
            Stem("vibraphone", song, -1),
            Stem("fingered bass", bass, -2),
            Stem("jazz drums", groove, -2),
        ],
        swing=0.6,
        pulse=0.5,
        jitter=0.009,
        room=(0.8, 0.1),
        effects=[vinyl],
    )


def bossa_nova() -> Piece:
    """D minor: the thumb walks root and fifth, the fingers play the syncopated batida, a flute sings above."""
    chords = progression("Dm9 Dm9 Gm7 Gm7 A7 Dm9")
    guitar = comp(chords, "x.--x.x.--x.x.--", 53, softer=8)
    bass = line(chords, "1.....5.5.....1.", 33, velocity=84)
    song = melody(
        """r:.5 A4:.5 C5 E5 F5:1.5 E5:.5 | D5:1 C5:.5 A4:2 r:.5 | r:.5 Bb4:.5 D5 F5 A5:1.5 G5:.5
                     | F5:1 D5:.5 Bb4:1.5 A4:1
                     | C#5:1.5 E5:.5 G5:1 E5:1 | F5:1 E5:.5 D5:2.5""",
        84,
    )
    groove = drums(6, stick="x--x---x--x--x--", shaker="xoxoxoxoxoxoxoxo", kick="o.....x.o.....x.")
    return Piece(
        [
            Stem("flute", song),
            Stem("nylon guitar", guitar, -2),
            Stem("acoustic bass", bass, -3),
            Stem("drums", groove, -8),
        ],
        room=(1.0, 0.14),
    )


def drum_and_bass() -> Piece:
    """F minor: a broken beat in double time under slow pads, with a bass that growls in long notes."""
    chords = progression("Fm9:8 Dbmaj9:8 Ebadd9:8 Fm9:8")
    bass = line(progression("F:8 Db:8 Eb:8 F:8"), "1.......--1...5.1.....1.8...--..", 29)
    air = comp(chords, "x" + "." * 31, 53)
    song = melody("r:2 C5:1 Eb5:1 F5:3 G5:1 | Ab5:3 G5:1 Eb5:2 C5:2 | Bb4:3 C5:1 Eb5:4 | C5:4", 84)
    groove = drums(
        6, kick="X---------x-----", snare="----X--o-o--X--o", hat="x.x.x.x.x.x.x.x.", open="--------------x-"
    )
    fill = drums(1, snare="----X--o-ooxxxXX", kick="X---------X-----", start=24)
    return Piece(
        [
            Stem(synthesis.electronic_kit, groove + fill),
            Stem(synthesis.reese_bass, bass, -3),
            Stem(synthesis.pad, air, -6),
            Stem(synthesis.bell, song, -6),
        ],
        jitter=0.002,
        room=(1.6, 0.18),
    )


def synth_pop() -> Piece:
    """C major: the four chords of half of pop, an arpeggio in sixteenths, a bright lead and a machine beat."""
    chords = progression("C G Am F C")
    arpeggio = line(chords, "1582852815828528", 60, velocity=70)
    bass = line(chords, "1-1-1-1-1-1-1-8-", 29, velocity=96)
    lead = melody(
        """E5:1.5 G5:.5 C6:1 B5:1 | D5:1.5 G5:.5 B5:1 A5:1
                     | C5:1.5 E5:.5 A5:1 G5:.5 E5:.5 | F5:2 A5:1 G5:1 | E5:4""",
        88,
    )
    groove = drums(
        5, kick="X---X---X---X---", snare="----X-------X---", hat="--x---x---x---x-", tambourine="o-o-o-o-o-o-o-o-"
    )
    fill = drums(1, tom1="X-x-----", tom2="----X-x-", start=14)
    return Piece(
        [
            Stem("saw lead", lead),
            Stem("square lead", arpeggio, -9),
            Stem("synth bass", bass, -2),
            Stem("warm pad", comp(chords, "x" + "." * 15, 55), -7),
            Stem("electronic drums", groove + fill, -1),
        ],
        jitter=0.001,
        room=(1.2, 0.15),
    )


def swing_quartet() -> Piece:
    """F major: saxophone over a walking bass, piano chords off the beat, and the ride cymbal's long-short-short."""
    chords = progression("Gm7 C7 Fmaj7 Dm7 Gm7 C7 Fmaj7")
    bass = melody(
        """G2:1 A2 Bb2 B2 | C3 Bb2 G2 E2 | F2 A2 C3 C#3 | D3 C3 A2 Ab2 | G2 Bb2 D3 Db3
                     | C3 E3 G2 E2 | F2 C3 A2 F2""",
        96,
    )
    song = melody(
        """r:.5 D5:.5 F5 A5 G5 F5 D5 Bb4 | E5:1 C5:.5 D5 E5:.5 G5:1 Bb4:.5 | A4:1.5 C5:.5 E5 C5 A4:1
                     | r:.5 F5:1 E5:.5 D5 C5 A4:1
                     | r:.5 Bb4 D5 F5 A5:1 G5:.5 F5 | E5 G5 Bb5 A5 G5 E5 Db5 C5 | A4:2 r:2""",
        96,
    )
    piano = comp(chords, "x..x----", 53, step=0.5, softer=6)
    groove = drums(7, ride="X-xxX-xx", pedal="--x---x-", kick="o-------", snare="---o---o", step=0.5)
    return Piece(
        [
            Stem("tenor saxophone", song),
            Stem("acoustic bass", bass, -2),
            Stem("piano", piano, -6),
            Stem("jazz drums", groove, -5),
        ],
        font="MuseScore General Lite",
        swing=0.64,
        jitter=0.008,
        room=(0.9, 0.12),
    )


PIECES = {function.__name__.replace("_", "-"): function for function in (
    piano_nocturne, guitar_fingerpicking, waltz_accordion, techno, ambient, rock, funk, lofi, bossa_nova, drum_and_bass,
    synth_pop, swing_quartet,
)}  # fmt: skip
