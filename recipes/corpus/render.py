"""Make one clip of a plan: sketch, orchestrate, play, and write down what was done."""

import importlib.util
import io
import json
import math
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from musicwords.captions.lexicon import COLLECTIVE, tempo_class
from recipes.corpus.idioms import GROOVES, HAND_DRUMS, IDIOMS, Sketch, accompany, compose
from recipes.corpus.orchestration import (
    KITS,
    assign,
    draw_instrument,
    fit,
    placements,
    register_of,
    shifted,
    single_line,
)
from recipes.corpus.plan import UNHEARD_FONT, Plan
from recipes.corpus.works import BAR_LENGTHS, Work, best_key, final_tonic
from recipes.music import soundfont
from recipes.music.composition import Piece, Stem, perform
from recipes.music.pieces.from_scores import shape
from recipes.music.scores import Note
from recipes.music.synthesis import reverb

SECONDS = 10.0
SAMPLE_RATE = 16_000  # of the files; rendered at soundfont.SAMPLE_RATE
TEMPI = {"slow": (50, 76), "medium": (80, 116), "fast": (120, 176)}  # beats a minute
KEYS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
COMPOUND = ("6/8", "9/8", "12/8")  # the beat is a dotted quarter
# Pitched parts of a clip, and how often. With drums a solo is a duet, so solos are drawn more often.
PARTS = {"solo": 0.5, "duet": 0.2, "ensemble": 0.3}
VELOCITIES = {"soft": 46, "medium": 80, "strong": 112}
LEVELS = {"soft": -30.0, "medium": -25.0, "strong": -20.0}  # dBFS, root mean square, give or take LEVEL_RANGE
LEVEL_RANGE = 1.5
SHARES = {"legato": 1.0, "normal": 0.85, "staccato": 0.35}  # of its written length that a note sounds
ROOMS = {"dry": None, "room": (0.6, 0.2), "hall": (2.6, 0.45)}  # reverberation time in seconds, level
PEAK = 0.95
PAUSE = 2.0  # seconds that a lead may wait between two notes, where its source has a passage that is no sparser
# Degrees of the scale in semitones from a major key to the minor key on the same tonic, and back. The leading
# tone of a minor key stays, and a lowered seventh becomes one.
PARALLEL = {"minor": {4: 3, 9: 8}, "major": {3: 4, 8: 9, 10: 11}}


def register_unheard_font() -> None:
    """Tell soundfont.py of the font that comes inside the package pretty_midi; it is only looked for by its path."""
    if spec := importlib.util.find_spec("pretty_midi"):
        path = Path(spec.origin).with_name("TimGM6mb.sf2")
        soundfont.FONTS[UNHEARD_FONT] = (str(path), "none: pip install --no-deps pretty_midi")


def check_font(name: str) -> None:
    """Raise where a font is not to be found, before minutes of work depend on it."""
    if name not in soundfont.FONTS:
        raise FileNotFoundError(f"No sound font {name}. It comes with pretty_midi: pip install --no-deps pretty_midi")
    soundfont.find_font(name)


def quarters_per_beat(meter: str) -> float:
    return 1.5 if meter in COMPOUND else 1.0


def longest_gap(notes: list[Note], end: float) -> float:
    """Longest time between two onsets up to ``end``, in quarter notes."""
    onsets = sorted({0.0, end, *(note.onset for note in notes if note.onset < end)})
    return max(np.diff(onsets)) if any(note.onset < 1 for note in notes) else end


def excerpt(work: Work, quarters: float, gap: float, rng: np.random.Generator) -> list[list[Note]]:
    """Parts of some bars from a bar line on, at time 0; a passage too short for ``quarters`` is repeated.

    Of at most thirty places drawn, the first one whose melody never pauses longer than ``gap``, or the one with the
    shortest pause.
    """
    bar, best = BAR_LENGTHS[work.meter], (math.inf, [])
    end = work.parts[0][-1].onset + work.parts[0][-1].duration
    for start in rng.permutation(work.passages())[:30]:
        first = work.bars[start]
        count = min(work.regular_run(start), math.ceil(quarters / bar), int((end - first + 0.01) // bar))
        last = first + count * bar
        parts = [
            [
                Note(note.onset - first + turn * count * bar, min(note.duration, last - note.onset), note.pitch)
                for turn in range(math.ceil(quarters / (count * bar)))
                for note in part
                if first <= note.onset < last
            ]
            for part in work.parts
        ]
        pause = longest_gap(parts[0], quarters)
        if pause < best[0]:
            best = (pause, parts)
        if pause <= gap:
            break
    return best[1]


def in_mode(notes: list[Note], mode: str) -> list[Note]:
    """Notes in C, in the parallel mode."""
    moves = {degree: new - degree for degree, new in PARALLEL[mode].items()}
    return [note._replace(pitch=note.pitch + moves.get(note.pitch % 12, 0)) for note in notes]


def sketch_score(work: Work, quarters: float, gap: float, rng: np.random.Generator) -> Sketch:
    """A passage of a score in C, in a mode that is drawn where its key is certain.

    It is certain where the work ends on the tonic of the key whose profile the passage fits best.
    """
    parts = excerpt(work, quarters, gap, rng)
    tonic, mode = best_key([note for part in parts for note in part])
    certain = tonic == final_tonic(work)
    if work.source_family == "dance tune" and not certain:
        tonic, mode = best_key(work.parts[0])
    parts = [shifted(part, -tonic) for part in parts]
    wanted = str(rng.choice(["major", "minor"]))
    if certain and wanted != mode:
        turned = [in_mode(part, wanted) for part in parts]
        if best_key([note for part in turned for note in part]) == (0, wanted):
            parts, mode = turned, wanted
    bar = BAR_LENGTHS[work.meter]
    if len(parts) == 1:
        sketch = accompany(parts[0], work.meter, bar, mode, rng)
    else:
        inner = parts[1:-1]
        sketch = Sketch(
            work.meter, bar, mode, "", parts[0], inner, sorted(note for part in inner for note in part), parts[-1]
        )
    sketch.idiom, sketch.mode = work.idiom, mode if certain else None
    sketch.groove = GROOVES[work.meter][rng.integers(len(GROOVES[work.meter]))]
    return sketch


def active_rms(audio: np.ndarray) -> float:
    """Root mean square of the 50 ms frames within 40 dB of the loudest: rests do not count."""
    power = (audio[: len(audio) // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() * 1e-4].mean()))


def texture_of(names: list[str]) -> str:
    """Texture of the instruments of a clip. Drums count as a player; a choir is an ensemble."""
    if len(names) > 2 or COLLECTIVE.intersection(names):
        return "ensemble"
    return "duet" if len(names) == 2 else "solo"


def played(notes: list[Note], velocity: int, share: float) -> list[Note]:
    """Accompaniment and drums: accents stay, half as large; notes as long as the articulation says."""
    return [
        note._replace(velocity=round(velocity + (note.velocity - 84) / 2), duration=note.duration * share)
        for note in notes
    ]


class FontBand:
    """Plays all stems of a clip with one sound font, in rooms that are always the same."""

    def __init__(self, font: str):
        self.font = font

    def play(self, notes: list[Note], instrument: str) -> np.ndarray:
        """A stem, notes in seconds: mono at ``soundfont.SAMPLE_RATE``, at any level."""
        return soundfont.render(notes, instrument, SECONDS, self.font)

    def room(self, mix: np.ndarray, kind: str) -> np.ndarray:
        """The mix in a room of ``ROOMS``."""
        return reverb(mix, *ROOMS[kind]) if ROOMS[kind] else mix


def make_clip(plan: Plan, work: Work | None, band=None) -> tuple[np.ndarray, dict]:
    """Samples at 16 kHz and the record of a clip; the same for the same plan.

    Parameters
    ----------
    plan : what it is to be
    work : the score; None where the clip is procedural
    band : who plays it, with the methods of ``FontBand``; by default all is played with the font of the plan
    """
    band = band or FontBand(plan.font)
    rng = np.random.default_rng([plan.seed, 1])
    bpm = round(float(rng.uniform(*TEMPI[plan.tempo_class])), 1)
    if work is None:
        idiom = str(rng.choice([name for name, style in IDIOMS.items() if plan.tempo_class in style.tempi]))
        meter = IDIOMS[idiom].meter
    else:
        meter = work.meter
    quarter = 60 / bpm / quarters_per_beat(meter)
    quarters, bars = SECONDS / quarter, math.ceil(SECONDS / quarter / BAR_LENGTHS[meter])
    if work is None:
        sketch = compose(idiom, str(rng.choice(["major", "minor"])), bars, PAUSE / quarter, rng)
    else:
        sketch = sketch_score(work, quarters, PAUSE / quarter, rng)

    transposition = int(rng.integers(-5, 7))
    sketch.chords, sketch.bass = shifted(sketch.chords, transposition), shifted(sketch.bass, transposition)
    sketch.inner = [shifted(part, transposition) for part in sketch.inner]
    melody = [note for note in single_line(shifted(sketch.lead, transposition)) if note.onset < quarters]
    lead = draw_instrument(rng, plan.family)
    places = placements(melody, lead)
    if places:
        sketch.lead = shifted(melody, places[str(rng.choice(sorted(places)))])
    else:
        sketch.lead = fit(melody, lead)
    register = register_of(sketch.lead)

    pitched = str(rng.choice(list(PARTS), p=list(PARTS.values())))
    dynamics = str(rng.choice(list(VELOCITIES)))
    articulation = str(rng.choice(list(SHARES)))
    room = str(rng.choice(list(ROOMS)))
    velocity, share = VELOCITIES[dynamics], SHARES[articulation]
    parts = assign(sketch, lead, pitched, rng)
    stems = []
    for index, (instrument, notes) in enumerate(parts):
        notes = played(notes, velocity, share)
        if index == 0:
            notes = shape(notes, sketch.bar, quarters_per_beat(meter), velocity)
        stems.append(Stem(instrument.program, notes, 0.0 if index == 0 else float(rng.uniform(-7, -3))))
    names = list(dict.fromkeys(instrument.name for instrument, _ in parts))
    families = list(dict.fromkeys(instrument.family for instrument, _ in parts))
    if plan.percussion:
        kit = str(rng.choice(list(KITS)))
        beaten = played(sketch.drums(bars), velocity, 1.0)
        stems.append(Stem(str(rng.choice(KITS[kit])), beaten, float(rng.uniform(-4, 2))))
        names.append("hand drums" if set(sketch.groove) <= HAND_DRUMS else kit)
        families.append("drums")

    piece = Piece(stems, plan.font, sketch.swing, sketch.pulse)
    mix = np.zeros(round(SECONDS * soundfont.SAMPLE_RATE), np.float32)
    for stem in stems:
        audio = band.play(perform(stem.notes, quarter, piece, rng), stem.instrument)
        if (level := active_rms(audio)) < 1e-6:
            raise ValueError(f"{plan.id}: {stem.instrument} is silent in {plan.font}")
        mix += audio / level * 10 ** (stem.level / 20)
    mix = band.room(mix, room)
    level = LEVELS[dynamics] + float(rng.uniform(-LEVEL_RANGE, LEVEL_RANGE))

    # What is left of an idiom when one instrument plays a bare line? Of a dance tune, the tune; of others, nothing.
    bare = pitched == "solo" and not plan.percussion and len(parts[0][1]) == len(sketch.lead)
    record = {
        "id": plan.id,
        "file_name": f"clips/{plan.id}.flac",
        "split": plan.split,
        "source_family": plan.source_family,
        "collection": work.collection if work else "procedural",
        "work": plan.work,
        "soundfont": plan.font,
        "attributes": {
            "instruments": names,
            "families": families,
            "percussion": plan.percussion,
            "tempo_bpm": bpm,
            "tempo_class": tempo_class(bpm),
            "meter": meter,
            "key": KEYS[transposition % 12] if sketch.mode else None,
            "mode": sketch.mode,
            "texture": texture_of(names),
            "idiom": None if bare and plan.source_family != "dance tune" else sketch.idiom.removeprefix("six-eight "),
            "dynamics": dynamics,
            "articulation": None if lead.rings else articulation,
            "register": register,
            "room": room,
        },
    }
    return finished(mix, level), record


def finished(mix: np.ndarray, level: float) -> np.ndarray:
    """Bring to 16 kHz and to a level in dBFS (root mean square), lowered as a whole where a peak would clip."""
    audio = resample_poly(mix, SAMPLE_RATE, soundfont.SAMPLE_RATE)
    audio *= 10 ** (level / 20) / np.sqrt((audio**2).mean())
    return (audio * min(1.0, PEAK / np.abs(audio).max())).astype(np.float32)


def encode(audio: np.ndarray, record: dict) -> bytes:
    """A FLAC file with its record as comment: one file, there as a whole or not at all."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", SAMPLE_RATE, 1, format="FLAC", subtype="PCM_16") as file:
        file.comment = json.dumps(record)
        file.write(audio)
    return buffer.getvalue()


def read_record(path: Path) -> dict:
    with soundfile.SoundFile(path) as file:
        return json.loads(file.comment)
