"""Clips made from real recordings: CC0 samples that Debian's package sonic-pi-samples carries.

A loop is repeated at its own length, and cut at 10 s. Single sounds are struck again before they die away.
"""

import os
from pathlib import Path

import librosa
import numpy as np

from recipes.music.composition import drums
from recipes.music.soundfont import SAMPLE_RATE

SAMPLES = "/usr/share/sonic-pi/samples"
KIT = {36: "drum_bass_hard", 38: "drum_snare_hard", 42: "drum_cymbal_closed", 46: "drum_cymbal_open",
       49: "drum_splash_hard", 50: "drum_tom_hi_hard", 47: "drum_tom_mid_hard", 43: "drum_tom_lo_hard"}  # fmt: skip


def sample(name: str) -> np.ndarray:
    """Read a sample as mono float32 at 32 kHz."""
    path = Path(os.environ.get("MUSICWORDS_SAMPLES", SAMPLES), f"{name}.flac")
    if not path.is_file():
        raise FileNotFoundError(
            f"No sample {path}. Install the Debian package sonic-pi-samples, or give the folder of its FLAC "
            f"files with --samples (or the variable MUSICWORDS_SAMPLES)."
        )
    return librosa.load(path, sr=SAMPLE_RATE, mono=True)[0]


def place(sounds: list[tuple[float, np.ndarray]], seconds: float) -> np.ndarray:
    """Lay sounds on a tape, each at its time in seconds."""
    audio = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for time, sound in sounds:
        start = round(time * SAMPLE_RATE)
        heard = sound[: max(0, len(audio) - start)]
        audio[start : start + len(heard)] += heard
    return audio


def loop(name: str, seconds: float) -> np.ndarray:
    recording = sample(name)
    length = len(recording) / SAMPLE_RATE
    return place([(time, recording) for time in np.arange(0, seconds, length)], seconds)


def faded_in(sound: np.ndarray, seconds: float) -> np.ndarray:
    return sound * np.clip(np.arange(len(sound)) / (seconds * SAMPLE_RATE), 0, 1)


def recorded_electronica(seconds: float, bpm: float | None) -> np.ndarray:
    return loop("loop_garzul", seconds)


def recorded_tabla(seconds: float, bpm: float | None) -> np.ndarray:
    return loop("loop_tabla", seconds)


def recorded_beat(seconds: float, bpm: float | None) -> np.ndarray:
    return loop("loop_mika", seconds)


def recorded_guitar(seconds: float, bpm: float | None) -> np.ndarray:
    """A chord, then bare fifths, then the chord again: each rings on under the next."""
    chord, fifths = sample("guit_em9"), sample("guit_e_fifths")
    return place([(0, chord), (4.0, fifths), (6.8, chord)], seconds)


def recorded_glass(seconds: float, bpm: float | None) -> np.ndarray:
    """Two overlapping copies, so that the sound does not die away; the second a fourth lower."""
    hum = sample("ambi_glass_hum")
    lower = librosa.resample(hum, orig_sr=3, target_sr=4)
    return place([(0, hum[SAMPLE_RATE:]), (3.0, faded_in(lower[SAMPLE_RATE:], 2.0))], seconds)


def recorded_drum_kit(seconds: float, bpm: float | None) -> np.ndarray:
    """Single recorded strokes of one drum kit, put together to a groove with a fill."""
    quarter = 60 / bpm
    beat = {"kick": "X--x--x-X-x---x-", "snare": "----X--o-o--X---", "hat": "x.x.x.x.x.x.x.x."}
    fill = {"kick": "X-------X-------", "snare": "X-xxX-x---------", "tom1": "-------xXx------",
            "tom2": "----------Xx----", "tom3": "------------XxXx"}  # fmt: skip
    notes = drums(3, **beat) + drums(1, start=12, **fill) + drums(1, start=16, **beat)
    notes += drums(1, crash="X") + drums(1, crash="X", start=16)
    rng = np.random.default_rng(11)
    strokes = [
        (
            max(0.0, note.onset * quarter + rng.normal(0, 0.004)),
            sample(KIT[note.pitch]) * (note.velocity / 112 * rng.uniform(0.9, 1.05)) ** 1.5,
        )
        for note in notes
    ]
    return place(strokes, seconds)


RECORDINGS = {function.__name__.replace("_", "-"): function for function in (
    recorded_electronica, recorded_tabla, recorded_beat, recorded_guitar, recorded_glass, recorded_drum_kit,
)}  # fmt: skip
