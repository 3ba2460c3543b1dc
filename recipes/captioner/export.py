"""Write the trained captioner as a folder that transformers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel, GPT2Tokenizer

from musicwords.captioner import PrefixMapping
from recipes.common.registration import register


def export(model: GPT2LMHeadModel, mapping: PrefixMapping, tokenizer: GPT2Tokenizer, curve: Path, folder: Path) -> None:
    """Write GPT-2 (float16), its tokenizer, the mapping network (float16) and a copy of the curve."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval().half()
    model.save_pretrained(folder)
    model.config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    mapping.eval().half().save_pretrained(folder / "mapping")
    (folder / "mapping" / "README.md").unlink()  # the card is that of the whole
    shutil.copyfile(curve, folder / "curve.csv")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def load(folder: Path) -> tuple[GPT2LMHeadModel, GPT2Tokenizer, PrefixMapping]:
    """The captioner as it was exported, in evaluation mode and float32."""
    return (
        GPT2LMHeadModel.from_pretrained(folder),
        GPT2Tokenizer.from_pretrained(folder),
        PrefixMapping.from_pretrained(folder / "mapping"),
    )


def enter(folder: Path) -> None:
    register("captioner", "pretrained_model_name_or_path", "MIT", folder)
