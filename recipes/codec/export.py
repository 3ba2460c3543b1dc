"""Write the trained codec as a folder that transformers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch
from transformers import EncodecFeatureExtractor

from musicwords.codec import SpectralCodec
from recipes.common.registration import register


def export(model: SpectralCodec, curve: Path, folder: Path) -> None:
    """Write weights (float16), configuration, feature extractor and a copy of the curve; ``model`` becomes half."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval().half()
    model.save_pretrained(folder)
    model.config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
    model.config.save_pretrained(folder)
    EncodecFeatureExtractor(feature_size=1, sampling_rate=model.config.sampling_rate).save_pretrained(folder)
    shutil.copyfile(curve, folder / "curve.csv")
    for path in folder.iterdir():
        path.chmod(0o644)


def enter(folder: Path) -> None:
    register("codec", "pretrained_model_name_or_path", "MIT", folder)
