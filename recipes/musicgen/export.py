"""Write the trained MusicGen as a folder that transformers loads, with weights in half precision."""

import shutil
from pathlib import Path

import torch
from transformers import BertTokenizer, EncodecFeatureExtractor, GenerationConfig, MusicgenProcessor
from transformers import MusicgenForConditionalGeneration as Musicgen

from recipes.common.registration import register

SECONDS = 10
GUIDANCE, TOP_K, TEMPERATURE = 10.0, 250, 1.0  # chosen by evaluate_generation.settings, on prompts of validation clips


def export(model: Musicgen, prompt_encoder: Path, curves: dict[str, Path], folder: Path) -> None:
    """Write weights (float16), configuration, processor, generation settings, and curves.

    Parameters
    ----------
    model : trained
    prompt_encoder : folder with its tokenizer
    curves : CSV files by the name that they get in ``folder``
    folder : where all is written
    """
    folder.mkdir(parents=True, exist_ok=True)
    decoder, codec = model.config.decoder, model.config.audio_encoder
    model.generation_config = GenerationConfig(
        do_sample=True,
        guidance_scale=GUIDANCE,
        top_k=TOP_K,
        temperature=TEMPERATURE,
        max_new_tokens=SECONDS * codec.frame_rate + decoder.num_codebooks - 1,  # the delay takes the rest
        bos_token_id=decoder.bos_token_id,
        pad_token_id=decoder.pad_token_id,
        decoder_start_token_id=decoder.bos_token_id,
    )
    model.eval().half().save_pretrained(folder)
    for config in (model.config, model.config.audio_encoder, model.config.text_encoder, model.config.decoder):
        config.dtype = torch.float32  # what from_pretrained makes of the weights: half is slow on a CPU
    model.config.save_pretrained(folder)
    extractor = EncodecFeatureExtractor(feature_size=codec.audio_channels, sampling_rate=codec.sampling_rate)
    MusicgenProcessor(extractor, BertTokenizer.from_pretrained(prompt_encoder)).save_pretrained(folder)
    for name, path in curves.items():
        shutil.copyfile(path, folder / name)
    for path in folder.iterdir():
        path.chmod(0o644)


def enter(folder: Path) -> None:
    register("musicgen", "pretrained_model_name_or_path", "MIT AND Apache-2.0", folder)
