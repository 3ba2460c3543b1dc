"""Instruments, and how a sketch is given to them."""

from dataclasses import dataclass

import numpy as np

from recipes.music.scores import Note


@dataclass(frozen=True)
class Instrument:
    """What a General MIDI program is called, where it plays, and whether it can play chords."""

    program: str  # a key of soundfont.PROGRAMS
    name: str  # the word of clips.toml
    family: str
    low: int
    high: int
    chords: bool = False
    rings: bool = False  # sounds on when the key is let go: articulation is not heard


INSTRUMENTS = [
    Instrument("piano", "piano", "keyboard", 28, 100, True),
    Instrument("electric piano", "electric piano", "keyboard", 33, 96, True),
    Instrument("harpsichord", "harpsichord", "keyboard", 33, 86, True),
    Instrument("church organ", "church organ", "keyboard", 36, 91, True),
    Instrument("accordion", "accordion", "free reed", 45, 89, True),
    Instrument("violin", "violin", "strings", 55, 96),
    Instrument("viola", "viola", "strings", 48, 84),
    Instrument("cello", "cello", "strings", 36, 76),
    Instrument("strings", "string ensemble", "strings", 36, 91, True),
    Instrument("nylon guitar", "nylon-string guitar", "plucked strings", 40, 81, True),
    Instrument("steel guitar", "acoustic guitar", "plucked strings", 40, 81, True),
    Instrument("clean guitar", "electric guitar", "plucked strings", 40, 84, True),
    Instrument("overdriven guitar", "electric guitar", "plucked strings", 40, 84, True),
    Instrument("banjo", "banjo", "plucked strings", 48, 84, True),
    Instrument("harp", "harp", "plucked strings", 36, 96, True, True),
    Instrument("trumpet", "trumpet", "brass", 53, 86),
    Instrument("trombone", "trombone", "brass", 38, 74),
    Instrument("french horn", "french horn", "brass", 38, 77),
    Instrument("tuba", "tuba", "brass", 26, 62),
    Instrument("flute", "flute", "woodwind", 59, 96),
    Instrument("oboe", "oboe", "woodwind", 58, 89),
    Instrument("clarinet", "clarinet", "woodwind", 50, 91),
    Instrument("bassoon", "bassoon", "woodwind", 34, 74),
    Instrument("tenor saxophone", "tenor saxophone", "woodwind", 44, 80),
    Instrument("choir", "choir", "voice", 41, 81, True),
    Instrument("marimba", "marimba", "mallets", 41, 96, True, True),
    Instrument("vibraphone", "vibraphone", "mallets", 50, 91, True, True),
    Instrument("music box", "music box", "mallets", 55, 100, True, True),
    Instrument("saw lead", "synthesizer lead", "electronic", 36, 96),
    Instrument("square lead", "synthesizer lead", "electronic", 36, 96),
    Instrument("warm pad", "synthesizer pad", "electronic", 36, 91, True),
]
BASSES = [
    Instrument("acoustic bass", "acoustic bass", "plucked strings", 28, 60),
    Instrument("fingered bass", "electric bass", "plucked strings", 28, 60),
    Instrument("synth bass", "synthesizer bass", "electronic", 28, 60),
]
FAMILIES = [
    "keyboard",
    "free reed",
    "strings",
    "plucked strings",
    "brass",
    "woodwind",
    "voice",
    "mallets",
    "electronic",
]
# Mean pitch of the lead. Each band is at least an octave wide, so that an octave shift reaches every band.
REGISTERS = {"low": (0, 57), "middle": (57, 71), "high": (71, 128)}
KITS = {"drums": ("drums", "power drums", "jazz drums"), "electronic drums": ("electronic drums", "808 drums")}


def register_of(notes: list[Note]) -> str:
    mean = np.mean([note.pitch for note in notes])
    return next(name for name, (low, high) in REGISTERS.items() if low <= mean < high)


def shifted(notes: list[Note], semitones: int) -> list[Note]:
    return [note._replace(pitch=note.pitch + semitones) for note in notes]


def placements(notes: list[Note], instrument: Instrument) -> dict[str, int]:
    """Octave shifts that keep all notes within the range of an instrument, by the register that they lead to."""
    low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
    result = {}
    for shift in range(-60, 61, 12):
        if low + shift >= instrument.low and high + shift <= instrument.high:
            result[register_of(shifted(notes, shift))] = shift
    return result


def fit(notes: list[Note], instrument: Instrument) -> list[Note]:
    """Move notes by octaves into the range of an instrument, as little as can be; fold those that still stick out."""
    center = np.mean([note.pitch for note in notes])
    middle = np.clip(center, instrument.low + 8, instrument.high - 8)
    moved = shifted(notes, 12 * round((middle - center) / 12))

    def folded(pitch: int) -> int:
        while pitch < instrument.low:
            pitch += 12
        while pitch > instrument.high:
            pitch -= 12
        return pitch

    return [note._replace(pitch=folded(note.pitch)) for note in moved]


def single_line(notes: list[Note]) -> list[Note]:
    """The highest of notes that start together, each cut where the next one starts."""
    by_onset: dict[float, Note] = {}
    for note in notes:
        if note.onset not in by_onset or note.pitch > by_onset[note.onset].pitch:
            by_onset[note.onset] = note
    ordered = [by_onset[onset] for onset in sorted(by_onset)]
    following = [note.onset for note in ordered[1:]] + [float("inf")]
    return [
        note._replace(duration=min(note.duration, after - note.onset))
        for note, after in zip(ordered, following, strict=True)
    ]


def draw_instrument(rng: np.random.Generator, family: str | None = None, taken: tuple[str, ...] = ()) -> Instrument:
    """Any instrument of a family, or of any family; none that sounds already."""
    family = family or str(rng.choice(FAMILIES))
    choice = [one for one in INSTRUMENTS if one.family == family and one.name not in taken]
    if not choice:
        return draw_instrument(rng, None, taken)
    name = str(rng.choice(sorted({one.name for one in choice})))  # by name: two programs of one name count once
    named = [one for one in choice if one.name == name]
    return named[rng.integers(len(named))]


def assign(sketch, lead: Instrument, texture: str, rng: np.random.Generator) -> list[tuple[Instrument, list[Note]]]:
    """Parts of a texture: who plays what, lead first. ``sketch.lead`` must be where the lead plays it.

    solo
        the lead alone; an instrument that plays chords adds accompaniment and bass half of the time
    duet
        a second instrument with chords and bass together, or, where it plays one note at a time, the bass or
        an inner part
    ensemble
        a second instrument for the chords or an inner part, a bass, and at times a fourth for an inner part
    """
    melody = single_line(sketch.lead)
    if texture == "solo":
        full = lead.chords and rng.random() < 0.5
        return [(lead, melody + (fit(sketch.chords + sketch.bass, lead) if full else []))]
    second = draw_instrument(rng, taken=(lead.name,))
    inner = sketch.inner[rng.integers(len(sketch.inner))] if sketch.inner else sketch.bass
    if texture == "duet":
        below = (
            sketch.chords + sketch.bass if second.chords else single_line(inner if rng.random() < 0.5 else sketch.bass)
        )
        return [(lead, melody), (second, fit(below, second))]
    bass = BASSES[rng.integers(len(BASSES))]
    if rng.random() < 0.5:
        low = [one for one in INSTRUMENTS if one.low <= 41 and one.name not in (lead.name, second.name)]
        bass = low[rng.integers(len(low))]
    parts = [
        (lead, melody),
        (second, fit(sketch.chords if second.chords else single_line(inner), second)),
        (bass, fit(single_line(sketch.bass), bass)),
    ]
    if rng.random() < 0.4 and sketch.inner:
        fourth = draw_instrument(rng, taken=(lead.name, second.name, bass.name))
        other = sketch.inner[rng.integers(len(sketch.inner))]
        parts.append((fourth, fit(single_line(other), fourth)))
    return parts
