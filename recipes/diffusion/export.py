"""Write the trained pipeline as a folder that diffusers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch

from musicwords.diffusion import TextToMusicPipeline
from recipes.common.registration import register


def export(pipeline: TextToMusicPipeline, curves: dict[str, Path], folder: Path) -> None:
    """Write all components (float16) and copies of the curves.

    Parameters
    ----------
    pipeline : trained
    curves : CSV files by the name that they get in ``folder``
    folder : where all is written
    """
    folder.mkdir(parents=True, exist_ok=True)
    pipeline.to(torch.float16).save_pretrained(folder)
    for part in (pipeline.text_encoder, pipeline.codec):
        part.config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
        part.config.save_pretrained(folder / ("codec" if part is pipeline.codec else "text_encoder"))
    for name, path in curves.items():
        shutil.copyfile(path, folder / name)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def enter(folder: Path) -> None:
    register("diffusion", "pretrained_model_name_or_path", "MIT AND Apache-2.0", folder)
