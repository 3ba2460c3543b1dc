"""Music for prompts, with the pipeline's own settings."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from musicwords.diffusion import TextToMusicPipeline

BATCH = 16


def generate(folder: Path, prompts: list[str], seed: int, **settings) -> np.ndarray:
    """Ten seconds of audio for each prompt, shape (prompts, 160000), float32.

    The noise of each clip is drawn from its own seed: it does not depend on the other prompts.

    Parameters
    ----------
    folder : of the checkpoint
    prompts : texts; an empty one means no wish
    seed : another one gives other music
    settings : handed to the pipeline
    """
    pipeline = TextToMusicPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    found = []
    for at in tqdm(range(0, len(prompts), BATCH), desc="diffusion", unit="batch"):
        some = prompts[at : at + BATCH]
        generators = [torch.Generator().manual_seed(1_000_003 * seed + at + number) for number in range(len(some))]
        found.append(pipeline(some, generator=generators, output_type="np", **settings).audios[:, 0])
    return np.concatenate(found)
