"""Procedural music in modern idioms, and accompaniments for tunes: everything in C, to be transposed later.

What an idiom fixes is its meter, groove, chords and rhythms; instruments, drums, tempo and mode are drawn
independently of it, as far as the idiom allows (a drum and bass is fast).
"""

from dataclasses import dataclass, field

import numpy as np

from recipes.music.composition import chord, comp, drums, line, progression
from recipes.music.scores import Note

Chords = list[tuple[float, float, str]]


@dataclass(frozen=True)
class Idiom:
    """Patterns in the notation of ``composition``, for one bar each."""

    meter: str
    tempi: tuple[str, ...]  # tempo classes in which it is still itself
    comps: tuple[str, ...]
    basses: tuple[str, ...]
    rhythms: tuple[str, ...]  # of the lead
    grooves: tuple[dict[str, str], ...]
    color: str = ""  # of the chords: "", "jazz", "five" (bare fifths)
    swing: float = 0.5
    pulse: float = 1.0


ANY = ("slow", "medium", "fast")
IDIOMS = {
    "rock": Idiom(
        "4/4",
        ANY,
        ("X.xxX.x.X.xxx.x.", "X.......X.x.x...", "x.x.x.x.x.x.x.x."),
        ("1.1.1.1.1.1.1.5.", "1..11.1.1..11.5."),
        ("x...x.x.x...x...", "x.....x.x.x.x.x.", "x.x.x...x......."),
        (
            {"kick": "X.--..x.X-x-..--", "snare": "----X-------X--o", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "X-----X-X-------", "snare": "----X-------X---", "ride": "x.x.x.x.x.x.x.x."},
        ),
        "five",
    ),
    "techno": Idiom(
        "4/4",
        ("medium", "fast"),
        ("--x---x---x---x-", "---x--x---------", "x--x--x---x--x--"),
        ("1.1811-11.8115-1", "--1.--1.--1.--1."),
        ("x-x-x-x-x-x-x-x-", "x--x--x--x--x-x-", "x---x-----x-x---"),
        (
            {"kick": "X...X...X...X...", "clap": "----X-------X---", "open": "--x---x---x---x-"},
            {"kick": "X...X...X...X...", "hat": "o.xoo.xoo.xoo.xo", "clap": "----X-------X--x"},
        ),
    ),
    "ambient": Idiom(
        "4/4",
        ("slow", "medium"),
        ("x...............",),
        ("1...............",),
        ("x...............", "----x...........", "x.......x......."),
        (
            {"kick": "x---------------", "shaker": "o-------o-------"},
            {"ride": "o-------o-------", "kick": "x---------x-----"},
        ),
        "jazz",
    ),
    "funk": Idiom(
        "4/4",
        ("medium", "fast"),
        ("--x---xx--x--x--", "X--x--x---x--x-x"),
        ("1--1--8-1-1-7-8-", "1-11--1---8-5-7-"),
        ("x-xx--x-x--x----", "----x-x-xx--x---", "x--x--x-----xx--"),
        (
            {"kick": "X--x--x---x--x--", "snare": "----X--o-o--X--o", "hat": "x.x.x.x.x.x.x.xx"},
            {"kick": "X-x---x---x-----", "snare": "----X--o----X-oo", "hat": "xxxxxxxxxxxxxxxx"},
        ),
        "jazz",
    ),
    "waltz": Idiom(
        "3/4",
        ANY,
        ("-...x.-.x.-.", "-...x...x..."),
        ("1...........", "1.......5..."),
        ("x.......x...", "x...x...x...", "x.....x.x...", "x..........."),
        (
            {"kick": "X-----------", "snare": "----o---o---", "hat": "----x---x---"},
            {"kick": "X-----------", "tambourine": "----x---x---"},
        ),
    ),
    "bossa nova": Idiom(
        "4/4",
        ANY,
        ("x--x--x---x--x--", "x-----x---x-----"),
        ("1.....5.5.....1.", "1.....551.....55"),
        ("x.....x.x.......", "--x...x...x.....", "x.x.x.....x....."),
        ({"kick": "x--xx--xx--xx--x", "stick": "x--x--x---x--x--", "shaker": "xoxoxoxoxoxoxoxo"},),
        "jazz",
    ),
    "lo-fi": Idiom(
        "4/4",
        ("slow", "medium"),
        ("x.......--x.....", "x.....x........."),
        ("1.......--1.5...",),
        ("--x.x...x.......", "x...--x.x.......", "----x.x.x......."),
        ({"kick": "X------x--x-----", "snare": "----X-------X---", "hat": "x-x-x-x-x-x-x-xo"},),
        "jazz",
        0.6,
        0.5,
    ),
    "drum and bass": Idiom(
        "4/4",
        ("fast",),
        ("x...............", "x.........x....."),
        ("1.......--1...5.", "1...........8..."),
        ("x.......x.......", "x.....x.....x...", "x-x---x-x---x---"),
        (
            {"kick": "X---------X-----", "snare": "----X-------X---", "hat": "x-x-x-xox-x-x-xo"},
            {"kick": "X-x-------X-----", "snare": "----X--o-o--X---", "ride": "x-x-x-x-x-x-x-x-"},
        ),
    ),
    "synth-pop": Idiom(
        "4/4",
        ("medium", "fast"),
        ("x.x.x.x.x.x.x.x.", "x..x..x.x..x..x."),
        ("1.8.1.8.1.8.1.8.",),
        ("x..x..x.x...x...", "x.x.x...x.x.x...", "x.......x.x.x.x."),
        (
            {"kick": "X-------X-------", "snare": "----X-------X---", "hat": "x-x-x-x-x-x-x-x-"},
            {"kick": "X---X---X---X---", "clap": "----X-------X---", "hat": "--x---x---x---x-"},
        ),
    ),
    "swing": Idiom(
        "4/4",
        ANY,
        ("--x-----x-------", "----x-------x-x-"),
        ("1...3...5...7...", "1...5...8...5..."),
        ("x...x.x.x...x...", "--x.x.x.x.......", "x.x...x.x.x.----"),
        ({"ride": "x---x-x-x---x-x-", "pedal": "----x-------x---", "kick": "o---o---o---o---"},),
        "jazz",
        0.66,
        1.0,
    ),
    "ballad": Idiom(
        "4/4",
        ("slow", "medium"),
        ("x...x...x...x...", "x.......x......."),
        ("1.......5.......", "1..............."),
        ("x...x...x.......", "x.....x.x...x...", "x.......--x.x.x."),
        ({"kick": "X-------X-x-----", "snare": "----x-------x---", "hat": "x-x-x-x-x-x-x-x-"},),
    ),
    "march": Idiom(
        "2/4",
        ("medium", "fast"),
        ("--x---x-", "x-x-x-x-"),
        ("1...5...", "1-..5-.."),
        ("x...x.x.", "x..xx...", "x.x.x.x.", "x......."),
        ({"kick": "X---x---", "snare": "x-xxx-x-", "crash": "x-------"}, {"kick": "X---X---", "snare": "--x---xx"}),
    ),
    "six-eight ballad": Idiom(
        "6/8",
        ANY,
        ("x..x..", "x.x.x."),
        ("1..5..", "1....."),
        ("x..x.x", "x..x..", "x.xx..", "x....."),
        ({"kick": "X-----", "snare": "---X--", "hat": "xxxxxx"},),
    ),
}
STEPS = {"6/8": 0.5, "9/8": 0.5, "12/8": 0.5}  # length of a character in quarter notes; a sixteenth elsewhere

PROGRESSIONS = {
    "major": ("C G Am F", "C Am F G", "C F C G", "F G C C", "C Em F G", "C Dm G C", "C F Am G", "C Am Dm G"),
    "minor": ("Cm Ab Eb Bb", "Cm Fm Cm G", "Cm Bb Ab G", "Cm Ab Fm G", "Cm Eb Bb Fm", "Cm Fm Bb Eb", "Cm Cm Ab Bb"),
}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

# Grooves for scores, by meter: the drummer of no idiom in particular.
GROOVES = {
    "2/4": ({"kick": "x---x---", "snare": "--x---x-", "hat": "x-o-x-o-"}, {"bongo": "x-oxx-xo", "shaker": "xoxoxoxo"},
            {"kick": "X-------", "snare": "----X---", "hat": "x-x-x-x-"}),
    "3/4": ({"kick": "X-----------", "snare": "----o---o---", "hat": "----x---x---"},
            {"conga": "x---o---x-x-", "shaker": "xoxoxoxoxoxo"},
            {"kick": "X-------x---", "snare": "--------X---", "ride": "x---x---x-x-"}),
    "4/4": ({"kick": "X-----x-X-------", "snare": "----X-------X---", "hat": "x-x-x-x-x-x-x-x-"},
            {"kick": "X---X---X---X---", "clap": "----X-------X---", "open": "--x---x---x---x-"},
            {"conga": "x---o-x---x-o-xx", "shaker": "xoxoxoxoxoxoxoxo"}),
    "6/8": ({"kick": "X-----", "snare": "---X--", "hat": "x-xx-x"}, {"bongo": "x-ox-o", "tambourine": "X--X--"}),
    "9/8": ({"kick": "X--x--x--", "hat": "x-xx-xx-x"}, {"tambourine": "X--x--x--", "bongo": "x-ox-ox-o"}),
    "12/8": ({"kick": "X-----X-----", "snare": "---X-----X--", "hat": "x-xx-xx-xx-x"},
             {"conga": "x-ox--x-ox-o", "shaker": "x-xx-xx-xx-x"}),
}  # fmt: skip
HAND_DRUMS = {"bongo", "conga", "shaker", "tambourine"}


@dataclass
class Sketch:
    """Music before it is given to instruments: in C where ``mode`` is known, times in quarter notes from 0 on."""

    meter: str
    bar: float
    mode: str | None
    idiom: str
    lead: list[Note]
    inner: list[list[Note]] = field(default_factory=list)  # one note at a time each
    chords: list[Note] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    groove: dict[str, str] = field(default_factory=dict)
    swing: float = 0.5
    pulse: float = 1.0

    @property
    def step(self) -> float:
        return STEPS.get(self.meter, 0.25)

    def drums(self, bars: int) -> list[Note]:
        return drums(bars, step=self.step, **self.groove)


def sevenths(symbols: str) -> str:
    """Triads as the seventh chords on the same roots."""
    return " ".join(s + ("7" if s.endswith("m") or s == "G" else "maj7") for s in symbols.split())


def fifths(symbols: str) -> str:
    """Triads as bare fifths, but for the first: it keeps its third, so that the mode is heard."""
    first, *others = symbols.split()
    return " ".join([first, *(s.rstrip("m") + "5" for s in others)])


def improvise(chords: Chords, rhythms: list[str], step: float, mode: str, rng: np.random.Generator) -> list[Note]:
    """A lead: chord tones on the first note of each chord, otherwise steps and small leaps in the scale."""
    ladder = [12 * octave + degree for octave in range(5, 8) for degree in SCALES[mode]]
    at, notes = len(SCALES[mode]) + int(rng.integers(3)), []
    for index, (start, length, symbol) in enumerate(chords):
        root, intervals = chord(symbol)
        tones = {(root + interval) % 12 for interval in (intervals)}
        hits = line([(0.0, length, "C")], rhythms[index % len(rhythms)].replace("x", "1"), 60, step)
        for position, hit in enumerate(hits):
            if position == 0:
                near = [place for place, tone in enumerate(ladder) if tone % 12 in tones]
                at = min(near, key=lambda place: abs(place - at))
            else:
                at += int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))
            at = int(np.clip(at, 3, len(ladder) - 4))
            notes.append(hit._replace(onset=start + hit.onset, pitch=ladder[at]))
    return notes


def longest_pause(rhythm: str) -> int:
    """Longest way from one note to the next in steps, where a bar of rhythm is repeated."""
    onsets = [index for index, character in enumerate(rhythm) if character == "x"]
    return max(np.diff([*onsets, onsets[0] + len(rhythm)]))


def compose(idiom: str, mode: str, bars: int, gap: float, rng: np.random.Generator) -> Sketch:
    """A piece of at least ``bars`` bars in an idiom: a four-bar progression, over and over, with a lead over it.

    The lead takes rhythms that do not pause longer than ``gap`` quarter notes, or the one with the shortest pause.
    """
    style = IDIOMS[idiom]
    sketch = Sketch(style.meter, {"3/4": 3.0, "2/4": 2.0, "6/8": 3.0}.get(style.meter, 4.0), mode, idiom, [],
                    swing=style.swing, pulse=style.pulse)  # fmt: skip
    symbols = str(rng.choice(PROGRESSIONS[mode]))
    if style.color == "jazz":
        symbols = sevenths(symbols)

    def repeated(text: str) -> Chords:
        return progression(" ".join([text] * (bars // 4 + 1)), sketch.bar)

    chords = repeated(symbols)
    # Four bars of rhythm in the shape a a' a b: what comes back is what makes it a tune.
    flowing = [rhythm for rhythm in style.rhythms if longest_pause(rhythm) * sketch.step <= gap]
    flowing = flowing or [min(style.rhythms, key=longest_pause)]
    first, second, last = (str(rng.choice(flowing)) for _ in range(3))
    sketch.lead = improvise(chords, [first, second, first, last], sketch.step, mode, rng)
    if rng.random() < 0.7:  # the first phrase comes back, note for note
        phrase = 4 * sketch.bar
        opening = [note for note in sketch.lead if note.onset < phrase]
        sketch.lead = [
            note._replace(onset=note.onset + repeat * phrase) for repeat in range(bars // 4 + 1) for note in opening
        ]
    pattern = str(rng.choice(style.comps))
    strummed = repeated(fifths(symbols)) if style.color == "five" else chords
    sketch.chords = comp(strummed, pattern, 52, sketch.step, softer=8)
    sketch.inner = [line(chords, arpeggio(sketch.bar, sketch.step, rng), 52, sketch.step, velocity=76)]
    sketch.bass = line(chords, str(rng.choice(style.basses)), 36, sketch.step)
    sketch.groove = style.grooves[rng.integers(len(style.grooves))]
    return sketch


def arpeggio(bar: float, step: float, rng: np.random.Generator) -> str:
    """A bar of broken chord in eighth notes."""
    figure = str(rng.choice(["1538", "1358", "1535", "8531"]))
    eighths = round(bar / 0.5)
    return "".join(figure[index % 4] + "." * (round(0.5 / step) - 1) for index in range(eighths))


def accompany(melody: list[Note], meter: str, bar: float, mode: str, rng: np.random.Generator) -> Sketch:
    """Give a tune in C a chord a bar, chosen by the notes it covers, and accompanying rhythms."""
    symbols = {"major": {"C": 0.3, "F": 0.15, "G": 0.2, "Am": 0.0, "Dm": 0.0},
               "minor": {"Cm": 0.3, "Fm": 0.15, "G": 0.15, "Bb": 0.05, "Eb": 0.05, "Ab": 0.0}}[mode]  # fmt: skip
    chords = []
    for index in range(int(max(note.onset for note in melody) // bar) + 1):
        inside = [note for note in melody if index * bar <= note.onset < (index + 1) * bar]
        total = sum(note.duration for note in inside) or 1

        def fit(symbol: str, inside: list[Note] = inside, total: float = total) -> float:
            root, intervals = chord(symbol)
            tones = {(root + interval) % 12 for interval in intervals}
            return symbols[symbol] + sum(n.duration for n in inside if n.pitch % 12 in tones) / total

        chords.append((index * bar, bar, max(symbols, key=fit)))
    step = STEPS.get(meter, 0.25)
    beat = round((1.5 if meter in STEPS else 1.0) / step)
    beats = round(bar / step / beat)
    half = beat // 2
    pattern = ("-" * half + "x" + "." * (beat - half - 1)) if rng.random() < 0.5 else "x" + "." * (beat - 1)
    bass = "".join(("1" if index % 2 == 0 else "5") + "." * (beat - 1) for index in range(beats))
    return Sketch(
        meter, bar, mode, "", melody,
        inner=[line(chords, arpeggio(bar, step, rng), 52, step, velocity=76)],
        chords=comp(chords, pattern * beats, 52, step, softer=8),
        bass=line(chords, bass, 36, step),
    )  # fmt: skip
