"""The clips of the book for live pages: what a player shows, and the embedding by the mini CLAP."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import torch
from files import write
from transformers import ClapModel, ClapProcessor

from musicwords.checkpoints import SHIPPED
from musicwords.clips import load_audio, load_clips
from musicwords.listen import Sound, describe, mel_spectrogram, mp3, webp

FILE = "clips.json.gzip"
RATE = 32_000  # samples a second of the players


def write_media(folder: Path, data: bytes, ending: str) -> str:
    """Write a sound or a picture under the name that ``self_contained.py`` would give it, and return that name."""
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
    write(folder / name, data)
    return name


def clip_entries(model: ClapModel, processor: ClapProcessor, media: Path) -> list[dict]:
    """Return of each clip what a page shows, and its embedding, a unit vector; write its sound and spectrogram."""
    entries = []
    for clip in load_clips():
        sound = Sound(load_audio(clip["audio"]["path"], RATE), RATE, clip["title"])
        mel = mel_spectrogram(sound)
        rate = processor.feature_extractor.sampling_rate
        inputs = processor(audio=[load_audio(clip["audio"]["path"], rate)], sampling_rate=rate, return_tensors="pt")
        with torch.no_grad():
            (embedding,) = model.get_audio_features(**inputs).pooler_output.tolist()
        entries.append(
            {name: clip[name] for name in ("name", "title", "creator", "source", "licence")}
            | {"sound": write_media(media, mp3(sound), "mp3"), "picture": write_media(media, webp(mel), "webp")}
            | {"alt": describe(sound, mel), "embedding": [round(number, 8) for number in embedding]}
        )
    return entries


def write_group(target: Path, made: Path, groups: dict[str, Path]) -> dict:
    """Write the clips to ``target``, and their sounds and spectrograms beside; there is nothing to say of them."""
    media = made / "media"
    shutil.rmtree(media, ignore_errors=True)
    clap = SHIPPED / "clap"  # the mini one, whatever the tier: the published one is too large for a page
    entries = clip_entries(ClapModel.from_pretrained(clap).eval(), ClapProcessor.from_pretrained(clap), media)
    write(target / FILE, json.dumps(entries, ensure_ascii=False).encode())
    return {}


def read_entries(folder: Path) -> list[dict]:
    """Return the clips that ``write_group`` has written to a folder."""
    return json.loads(gzip.decompress((folder / FILE).read_bytes()))
