"""Audio of the generators for many prompts, made in parts that stay on disk."""

import json
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recipes.common.files import write_array, write_text
from recipes.common.inputs import Code, fingerprint, kept_file
from recipes.corpus.render import SAMPLE_RATE, SECONDS

GENERATORS = ("musicgen", "diffusion")
PART = 16  # prompts at a time
SAMPLES = round(SECONDS * SAMPLE_RATE)
PIPELINE = Code("musicwords.diffusion")  # has the settings that its checkpoint does not carry
Generate = Callable[[Path, list[str], int], np.ndarray]


def generate_of(name: str) -> Generate:
    """``generate(folder, prompts, seed)`` of a generator's recipe: audio of shape (prompts, 160000)."""
    return import_module(f"recipes.{name}.generate").generate


def produced(generate: Generate, checkpoint: Path, texts: Sequence[str], seed: int, folder: Path) -> tuple:
    """Audio for the texts, made where it is not in ``folder`` yet.

    Parameters
    ----------
    generate : see ``generate_of``
    checkpoint : folder of the model
    texts : the prompts; 16 at a time share a seed
    seed : another one gives other clips
    folder : where the parts are kept, with a hash of what they were made of, and how many seconds each took

    Returns
    -------
    audio : Path
        Of an array of shape (texts, 160000), float32.
    seconds : float
        Wall clock for one second of audio, loading the model for each part included.

    Raises
    ------
    ValueError
        If a generator returns another shape, or samples that are NaN or infinite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, len(texts), PART)
    how = fingerprint(getattr(generate, "func", generate), PIPELINE, checkpoint, seed)
    paths = [folder / f"{first:04d}-{fingerprint(how, list(texts[first : first + PART]))}.npy" for first in firsts]
    for number, (first, path) in enumerate(zip(tqdm(firsts, desc=folder.name, unit="part"), paths, strict=True)):
        if path.is_file():
            continue
        some, began = list(texts[first : first + PART]), time.monotonic()
        audio = np.asarray(generate(checkpoint, some, 1_000 * seed + number), np.float32)
        took = time.monotonic() - began
        if audio.shape != (len(some), SAMPLES):
            raise ValueError(f"{folder.name}: got audio of shape {audio.shape}, expected {(len(some), SAMPLES)}.")
        if not np.isfinite(audio).all():
            raise ValueError(f"{folder.name}: part {number} has samples that are NaN or infinite.")
        write_text(path.with_suffix(".json"), json.dumps({"seconds": took}))
        write_array(path, audio)
    made_of = fingerprint([path.name for path in paths])
    whole = kept_file(folder.with_suffix(".npy"), made_of, lambda: np.concatenate([np.load(path) for path in paths]))
    took = sum(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seconds"] for path in paths)
    return whole, took / (SECONDS * len(texts))
