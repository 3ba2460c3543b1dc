"""Make what the live search loads into a browser: ``python book/live/parts.py``, which ``make book`` runs.

In ``_build/live`` stand afterwards

- ``parts.json``: the key of what the parts were made from, their bytes, and what rounding the weights changes;
- ``parts/<key>/``: the text tower of the mini CLAP, its tokenizer, the clips with their embeddings, and the two
  libraries from npm that run them;
- ``media/``: the sounds and the spectrograms of the clips, under the names that they have on other pages;
- ``packages/``: what was taken from npm, so that later builds need no network.

What is large is compressed here and not by the web server, since not every server does it. Nothing is made again unless
something that it is made from has changed. Without npm there is no live search, and the book is built without it; in
CI that is a failure.
"""

import argparse
import copy
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA = ROOT / "musicwords" / "data"
CLAP = DATA / "checkpoints" / "clap"  # the mini one, whatever the tier: the published one is too large for a page
MADE = Path("_build") / "live"  # in the root of the book
RATE = 32_000  # samples a second of the players
# Name of a file for the browser -> where npm puts it. Not every server knows the type of .mjs.
FROM_NPM = {
    "onnxruntime.js": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "onnxruntime.wasm.gzip": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "tokenizers.js": "@huggingface/tokenizers/dist/tokenizers.min.mjs",
    "LICENSE-tokenizers.txt": "@huggingface/tokenizers/LICENSE",
}
INSTALL = "Install Node.js, which brings npm (on Debian and Ubuntu: apt install npm), and run make book again."


class NoPackages(Exception):
    """The packages from npm are not to be had; the message says why, and what to do."""


def key_of(*paths: Path) -> str:
    """Return a short hash of files, and of the files in folders."""
    state = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                state.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()[:12]


def write_packages(target: Path) -> None:
    """Install what ``package-lock.json`` names, and keep the files that a browser loads in ``target``.

    Raises
    ------
    NoPackages
        If npm is missing, or cannot install them.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NoPackages(f"The book is built without its live search, because npm is missing. {INSTALL}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = " ".join((done.stdout + done.stderr).split())[-300:]
            raise NoPackages(f"The book is built without its live search, because npm ci failed: {said}")
        kept = Path(folder) / "kept"
        for name, place in FROM_NPM.items():
            write(kept / name, (Path(folder) / "node_modules" / place).read_bytes())
        shutil.copytree(kept, target)


def write(path: Path, data: bytes) -> None:
    """Write a file, compressed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gzip" else data)


def write_media(folder: Path, data: bytes, ending: str) -> str:
    """Write a sound or a picture under the name that ``self_contained.py`` would give it, and return that name."""
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
    write(folder / name, data)
    return name


def clip_entries(model, processor, media: Path) -> list[dict]:
    """Return of each clip what a page shows, and its embedding, a unit vector; write its sound and spectrogram."""
    import torch

    from musicwords.clips import load_audio, load_clips
    from musicwords.listen import Sound, describe, mel_spectrogram, mp3, webp

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


def largest_difference(tower, rounded, tokenizer, entries: list[dict]) -> float:
    """Return by how much rounding the weights changes a cosine of a clip and a caption of the clips, at most."""
    import torch

    from musicwords.clips import load_clips

    embeddings = torch.tensor([entry["embedding"] for entry in entries])  # (clips, dimensions)
    largest = 0.0
    for caption in sorted({text for clip in load_clips() for text in clip["captions"].values()}):
        pieces = tokenizer(caption, truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            change = (tower(pieces) - rounded(pieces)) @ embeddings.T  # (1, clips)
        largest = max(largest, change.abs().max().item())
    return largest


def write_model(target: Path, media: Path) -> float:
    """Write the text tower, the tokenizer and the clips, and return what rounding the weights changes at most."""
    # Imported here, since it takes seconds, and most builds have nothing to make.
    from text_tower import TextTower, export, round_weights
    from transformers import ClapModel, ClapProcessor

    model, processor = ClapModel.from_pretrained(CLAP).eval(), ClapProcessor.from_pretrained(CLAP)
    entries = clip_entries(model, processor, media)
    tower = TextTower(model).eval()
    rounded = copy.deepcopy(tower)
    round_weights(rounded)
    write(target / "text_tower.onnx.gzip", export(rounded))
    data = {
        "tokenizer": json.loads((CLAP / "tokenizer.json").read_text(encoding="utf-8")),
        "config": json.loads((CLAP / "tokenizer_config.json").read_text(encoding="utf-8")),
        "clips": entries,
    }
    write(target / "clips.json.gzip", json.dumps(data, ensure_ascii=False).encode())
    return largest_difference(tower, rounded, processor.tokenizer, entries)


def make(root: Path = ROOT) -> dict:
    """Make the parts in the book of ``root`` unless they are there, and return what ``parts.json`` holds.

    Raises
    ------
    NoPackages
        If the packages from npm are not to be had; then there are no parts, not even old ones.
    """
    made, lock = root / MADE, HERE / "package-lock.json"
    key = key_of(CLAP, DATA / "clips", lock, HERE / "parts.py", HERE / "text_tower.py")
    index = made / "parts.json"
    if index.exists() and (found := json.loads(index.read_text(encoding="utf-8")))["key"] == key:
        return found
    index.unlink(missing_ok=True)
    packages = made / "packages" / key_of(lock, HERE / "parts.py")
    if not packages.exists():
        write_packages(packages)
    for folder in (made / "parts", made / "media"):
        shutil.rmtree(folder, ignore_errors=True)
    target = made / "parts" / key
    shutil.copytree(packages, target)
    difference = write_model(target, made / "media")
    files = {path.name: path.stat().st_size for path in sorted(target.iterdir())}
    found = {"key": key, "files": files, "difference": difference}
    index.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def main() -> int:
    """Make the parts of this book, and say so. Without npm, return 1 in CI and 0 elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="of the book (default: this one)")
    try:
        found = make(parser.parse_args().root)
    except NoPackages as error:
        print(error, file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    print(f"The live search loads {sum(found['files'].values()) / 1e6:.1f} MB: {MADE / 'parts' / found['key']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
