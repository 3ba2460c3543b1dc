"""Music for prompts, with the settings that the checkpoint carries."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoTokenizer
from transformers import MusicgenForConditionalGeneration as Musicgen

import musicwords.codec  # noqa: F401, so that the codec inside is known

BATCH = 16


def generate(folder: Path, prompts: list[str], seed: int, **settings) -> np.ndarray:
    """Ten seconds of audio for each prompt, shape (prompts, 160000), float32.

    Each batch of 16 prompts has its own seed, so that the first clips do not depend on how many there are.

    Parameters
    ----------
    folder : of the checkpoint
    prompts : texts; an empty one means no wish
    seed : another one gives other music
    settings : handed to ``Musicgen.generate``; by default those of the checkpoint's ``generation_config.json``
    """
    model = Musicgen.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for at in tqdm(range(0, len(prompts), BATCH), desc="musicgen", unit="batch"):
        torch.manual_seed(1_000 * seed + at)
        inputs = tokenizer(prompts[at : at + BATCH], padding=True, truncation=True, return_tensors="pt")
        found.append(model.generate(**inputs, **settings)[:, 0].numpy())
    return np.concatenate(found)
