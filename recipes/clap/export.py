"""Write the trained CLAP as a folder that transformers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch
from transformers import BertTokenizer, ClapModel, ClapProcessor

from recipes.clap.features import feature_extractor
from recipes.clap.text_tower import LONGEST
from recipes.clap.tuning import whole_curve
from recipes.common.files import write_rows
from recipes.common.registration import register


def export(model: ClapModel, work: Path, folder: Path) -> None:
    """Write weights (float16), configuration, feature extractor, tokenizer, and the curves of the run in ``work``."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval().half()
    model.save_pretrained(folder)
    model.config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
    model.config.save_pretrained(folder)
    # A new tokenizer: one that has been used keeps its last cut-off, which the processor would then apply to the audio.
    # Without token types, since ClapModel would hand them on to the audio tower as well.
    tokenizer = BertTokenizer(
        vocab=BertTokenizer.from_pretrained(work / "text-tower").get_vocab(),
        do_lower_case=True,
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
    )
    ClapProcessor(feature_extractor(), tokenizer).save_pretrained(folder)
    write_rows(folder / "audio-tuning.csv", whole_curve(work))
    for name in ("text-tower.csv", "audio-tower.csv", "alignment.csv"):
        shutil.copyfile(work / name, folder / name)
    for path in folder.iterdir():
        path.chmod(0o644)


def enter(folder: Path) -> None:
    register("clap", "pretrained_model_name_or_path", "Apache-2.0", folder)
