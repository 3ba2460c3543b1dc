"""Make the clip set: 10 s clips with captions, and the metadata that ``load_dataset("audiofolder")`` reads.

    python -m recipes.music.clips --output FOLDER                      # make all clips and metadata.jsonl
    python -m recipes.music.clips --output FOLDER --only rock techno   # make some, leave metadata.jsonl alone
    python -m recipes.music.clips --check                              # make all again, compare with the committed ones

What people wrote about each clip stands in ``clips.toml``, the music in ``pieces/``. The tempo and meter that a
clip is rendered with are read from ``clips.toml``, so its description cannot drift from its sound.
"""

import argparse
import io
import json
import os
import sys
import tomllib
import zlib
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import soundfile

from recipes.music import soundfont, synthesis
from recipes.music.composition import Piece, perform
from recipes.music.pieces import composed, from_recordings, from_scores
from recipes.music.soundfont import SAMPLE_RATE

SECONDS = 10.0
LOUDNESS = -23.0  # LUFS (ITU-R BS.1770), the level of EBU R 128: the highest round one that all clips reach
PEAK = -1.0  # dBFS, after decoding
FADE_IN, FADE_OUT = 0.005, 0.35

ANNOTATIONS = Path(__file__).with_name("clips.toml")
COMMITTED = Path(__file__).parents[2] / "musicwords" / "data" / "clips"

# --check compares decoded audio: an Ogg stream carries a random serial number, and encoders and mathematical
# libraries differ a little between versions and processors. In one environment both differences are 0.00. Measured
# on this set: playing one stem 3 dB louder moves a clip by 0.7 dB of log-mel distance or more, a tempo 1 % higher
# by 2 dB or more, encoding a second time by 0.3 to 1.1 dB. So 0.5 dB lets small numerical differences pass, and
# stops changes of that size.
MEL_TOLERANCE = 0.5  # dB, mean over time and frequency
LEVEL_TOLERANCE = 0.1  # dB

PIECES = from_scores.PIECES | composed.PIECES
QUARTERS_PER_BEAT = {"4/4": 1.0, "3/4": 1.0, "2/4": 1.0, "6/8": 1.5}
LICENCE = "CC BY 4.0"  # of what is rendered here


def loudness(audio: np.ndarray) -> float:
    """Integrated loudness in LUFS."""
    return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio))


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-9)))


def render_piece(piece: Piece, bpm: float | None, meter: str | None, seed: int) -> np.ndarray:
    """Play a piece: each stem at its loudness, then the room around all of them."""
    quarter = 60 / (bpm or 60) / QUARTERS_PER_BEAT[meter or "4/4"]
    rng = np.random.default_rng(seed)
    mix = np.zeros(round(SECONDS * SAMPLE_RATE), np.float32)
    for stem in piece.stems:
        notes = perform(stem.notes, quarter, piece, rng)
        if callable(stem.instrument):
            audio = synthesis.render(notes, stem.instrument, SECONDS)
        else:
            audio = soundfont.render(notes, stem.instrument, SECONDS, piece.font)
        mix += audio * 10 ** ((LOUDNESS + stem.level - loudness(audio)) / 20)
    mix = synthesis.reverb(mix, *piece.room)
    for effect in piece.effects:
        mix = effect(mix)
    return mix


def encode(audio: np.ndarray) -> bytes:
    """Ogg Vorbis at libsndfile's default quality."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", SAMPLE_RATE, 1, format="OGG", subtype="VORBIS") as file:
        for start in range(0, len(audio), 4096):  # libsndfile overflows its stack on one long write of Vorbis
            file.write(audio[start : start + 4096])
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(data), dtype="float32")[0]


def master(audio: np.ndarray) -> bytes:
    """Take out DC and rumble, fade the ends, bring to the loudness of the set, encode.

    A clip whose peaks would then pass ``PEAK`` is lowered as a whole: limiting would change how it sounds.
    """
    audio = synthesis.high_pass(audio, 25)
    ends = np.ones(len(audio))
    fade_in, fade_out = round(FADE_IN * SAMPLE_RATE), round(FADE_OUT * SAMPLE_RATE)
    ends[:fade_in] = np.linspace(0, 1, fade_in)
    ends[-fade_out:] = np.cos(np.linspace(0, np.pi / 2, fade_out)) ** 2
    audio = audio * ends
    audio = (audio * 10 ** ((LOUDNESS - loudness(audio)) / 20)).astype(np.float32)
    data = encode(audio)
    over = decibels(np.abs(decode(data)).max()) - PEAK
    return encode(audio * np.float32(10 ** ((-over - 0.1) / 20))) if over > 0 else data


def make_clip(name: str, attributes: dict) -> tuple[bytes, str | None]:
    """Make one clip: an Ogg Vorbis file, and the name of the sound font that it was rendered with, if any."""
    bpm = attributes.get("tempo_bpm")
    if name in from_recordings.RECORDINGS:
        return master(from_recordings.RECORDINGS[name](SECONDS, bpm)), None
    piece = PIECES[name]()
    audio = render_piece(piece, bpm, attributes.get("meter"), seed=zlib.crc32(name.encode()))
    uses_font = any(isinstance(stem.instrument, str) for stem in piece.stems)
    return master(audio), piece.font if uses_font else None


def describe(name: str, entry: dict, audio: np.ndarray, font: str | None) -> dict:
    """One line of metadata.jsonl: what ``clips.toml`` says, and what is measured on the decoded clip."""
    attributes = {"tempo_bpm": None, "meter": None, "key": None, "mode": None} | entry["attributes"]
    centroid = librosa.feature.spectral_centroid(y=audio, sr=SAMPLE_RATE).mean()
    production = (
        "rendered from a score"
        if name in from_scores.PIECES
        else "composed and rendered by a recipe"
        if name in composed.PIECES
        else "recording"
    )
    return {
        "file_name": f"{name}.ogg",
        "name": name,
        "title": entry["title"],
        "creator": entry["creator"],
        "source": entry["source"],
        "licence": entry.get("licence", LICENCE),
        "production": production,
        "soundfont": f"{font} (MIT)" if font else None,
        "attributes": attributes
        | {"loudness_lufs": round(loudness(audio), 1), "brightness_hz": round(float(centroid))},
        "captions": entry["captions"],
        "qa": entry["qa"],
    }


def log_mel(audio: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(y=audio, sr=SAMPLE_RATE, n_fft=2048, hop_length=512, n_mels=64)
    return librosa.power_to_db(mel, ref=1.0, amin=1e-6, top_db=None)  # a floor of -60 dB: silence is no difference


def differences(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Mean log-mel distance in dB and difference of level in dB between two clips of equal length."""
    mel = float(np.abs(log_mel(first) - log_mel(second)).mean())
    return mel, abs(decibels(np.sqrt(np.mean(first**2))) - decibels(np.sqrt(np.mean(second**2))))


def check_clip(name: str, entry: dict, folder: Path) -> str | None:
    """Make a clip again and compare it with the one in ``folder``; return what is wrong, if anything."""
    path = folder / f"{name}.ogg"
    if not path.is_file():
        return f"{name}: {path} is missing"
    old, new = decode(path.read_bytes()), decode(make_clip(name, entry["attributes"])[0])
    if len(old) != len(new):
        return f"{name}: {len(old)} samples in {path}, {len(new)} rendered"
    mel, level = differences(old, new)
    if mel > MEL_TOLERANCE or level > LEVEL_TOLERANCE:
        return (
            f"{name}: log-mel distance {mel:.2f} dB (tolerance {MEL_TOLERANCE}), "
            f"level difference {level:.2f} dB (tolerance {LEVEL_TOLERANCE})"
        )
    return None


def read_annotations() -> dict[str, dict]:
    return dict(sorted(tomllib.loads(ANNOTATIONS.read_text(encoding="utf-8")).items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=COMMITTED, help="folder of clips (default: the package's)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make or check these clips alone")
    parser.add_argument("--check", action="store_true", help="compare with the clips in the folder, write nothing")
    parser.add_argument("--soundfonts", help="folder with the sound fonts, where not Debian's")
    parser.add_argument("--samples", help="folder with sonic-pi-samples, where not Debian's")
    options = parser.parse_args()
    for variable, folder in {
        "MUSICWORDS_SOUNDFONTS": options.soundfonts,
        "MUSICWORDS_SAMPLES": options.samples,
    }.items():
        if folder:
            os.environ[variable] = folder

    annotations = read_annotations()
    if unknown := set(options.only or ()) - set(annotations):
        parser.error(f"no clip named {', '.join(sorted(unknown))}; clips.toml has {', '.join(annotations)}")
    chosen = {name: annotations[name] for name in options.only or annotations}

    if options.check:
        wrong = [message for name, entry in chosen.items() if (message := check_clip(name, entry, options.output))]
        print(*wrong, f"{len(chosen) - len(wrong)} of {len(chosen)} clips agree with {options.output}", sep="\n")
        return 1 if wrong else 0

    options.output.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, entry in chosen.items():
        data, font = make_clip(name, entry["attributes"])
        path = options.output / f"{name}.ogg"
        if not (path.is_file() and np.array_equal(decode(path.read_bytes()), decode(data))):
            path.write_bytes(data)  # where only the stream's random serial number is new, git sees no change
        lines.append(json.dumps(describe(name, entry, decode(data), font), ensure_ascii=False))
        print(f"{name}.ogg  {len(data) / 1000:.0f} kB")
    if not options.only:
        (options.output / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
