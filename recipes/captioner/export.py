"""Write the trained captioner as a folder that transformers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch

from musicwords.captioner import Captioner
from recipes.common.registration import register


def export(captioner: Captioner, curve: Path, folder: Path) -> None:
    """Write GPT-2 (float16), its tokenizer, the mapping network (float16) and a copy of the curve."""
    folder.mkdir(parents=True, exist_ok=True)
    model = captioner.language_model.eval().half()
    model.save_pretrained(folder)
    model.config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
    model.config.save_pretrained(folder)
    captioner.tokenizer.save_pretrained(folder)
    captioner.mapping.eval().half().save_pretrained(folder / "mapping")
    (folder / "mapping" / "README.md").unlink()  # the card is that of the whole
    shutil.copyfile(curve, folder / "curve.csv")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def enter(folder: Path) -> None:
    register("captioner", "pretrained_model_name_or_path", "MIT", folder)
