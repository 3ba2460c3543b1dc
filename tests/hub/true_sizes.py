"""What the published checkpoints need of a machine: ``python tests/hub/true_sizes.py`` writes bench_published.csv.

Each is made in its published size with random weights, and does once what a page asks of it, in a process of its own.
Sizes come from the published settings, as far as they were seen (see layouts.py); the number of parameters is compared
with the size of the published files. Time and memory do not depend on what the weights are.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "appendices"))

import torch
from bench import measure, write
from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from transformers import (
    ClapConfig,
    ClapModel,
    EncodecConfig,
    EncodecModel,
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from hub.layouts import ENCODEC, T5
from musicwords.checkpoints import published

T5_BASE = T5 | {"d_ff": 3072, "d_kv": 64, "d_model": 768, "num_heads": 12, "num_layers": 12, "num_decoder_layers": 12}
T5_BASE |= {"vocab_size": 32128}
ENCODEC_32KHZ = ENCODEC | {"num_filters": 64, "num_lstm_layers": 2}


def clap() -> ClapModel:
    audio = {"depths": [2, 2, 12, 2], "hidden_size": 1024, "patch_embeds_hidden_size": 128}
    audio |= {"num_attention_heads": [4, 8, 16, 32]}
    return ClapModel(ClapConfig(audio_config=audio, text_config={"vocab_size": 50265}, projection_dim=512))


def codec() -> EncodecModel:
    return EncodecModel(EncodecConfig(**ENCODEC_32KHZ))


def musicgen() -> MusicgenForConditionalGeneration:
    decoder = {"model_type": "musicgen_decoder", "ffn_dim": 4096, "hidden_size": 1024, "num_attention_heads": 16}
    decoder |= {"num_hidden_layers": 24, "num_codebooks": 4, "vocab_size": 2048, "bos_token_id": 2048}
    decoder |= {"pad_token_id": 2048}
    audio = ENCODEC_32KHZ | {"model_type": "encodec"}
    model = MusicgenForConditionalGeneration(MusicgenConfig(text_encoder=T5_BASE, audio_encoder=audio, decoder=decoder))
    model.generation_config.update(decoder_start_token_id=2048, bos_token_id=2048, pad_token_id=2048)
    return model


def diffusion() -> torch.nn.ModuleDict:
    return torch.nn.ModuleDict(
        {
            "text_encoder": T5EncoderModel(T5Config(**T5_BASE)),
            "projection_model": StableAudioProjectionModel(768, 768, 0, 512),
            "transformer": StableAudioDiTModel(),  # the published one has the sizes of the class
            "vae": AutoencoderOobleck(),
        }
    )


def qwen2_audio() -> Qwen2AudioForConditionalGeneration:
    audio = {"model_type": "qwen2_audio_encoder", "num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32}
    audio |= {"encoder_attention_heads": 20, "encoder_ffn_dim": 5120}
    text = {"model_type": "qwen2", "vocab_size": 156032, "hidden_size": 4096, "num_hidden_layers": 32}
    text |= {"intermediate_size": 11008, "num_attention_heads": 32, "num_key_value_heads": 32}
    text |= {"tie_word_embeddings": False}
    config = Qwen2AudioConfig(audio_config=audio, text_config=text)
    return Qwen2AudioForConditionalGeneration(config)


@torch.inference_mode()
def hear(model: ClapModel) -> None:
    """31 clips of ten seconds, one after the other, as spectrograms of 64 bands."""
    for _ in range(31):
        model.get_audio_features(input_features=torch.randn(1, 1, 1001, 64), is_longer=torch.zeros(1, 1).bool())


@torch.inference_mode()
def encode(model: EncodecModel) -> None:
    """Ten seconds to codes and back."""
    codes = model.encode(torch.randn(1, 1, 320_000), bandwidth=2.2).audio_codes
    model.decode(codes, [None])


@torch.inference_mode()
def generate(model: MusicgenForConditionalGeneration) -> None:
    """One second with guidance: 50 steps and the delay of the codebooks."""
    ids = torch.randint(1, 32_000, (1, 12))
    model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), guidance_scale=3.0, max_new_tokens=53)


@torch.inference_mode()
def denoise(parts: torch.nn.ModuleDict) -> None:
    """Ten seconds of stereo by two steps with guidance; the published setting is a hundred."""
    pipeline = StableAudioPipeline(tokenizer=None, scheduler=CosineDPMSolverMultistepScheduler(), **parts)
    states = torch.randn(1, 128, 768)
    given = {"prompt_embeds": states, "negative_prompt_embeds": states}
    mask = torch.ones(1, 128, dtype=torch.long)
    given |= {"attention_mask": mask, "negative_attention_mask": mask}
    pipeline(**given, audio_end_in_s=10.0, num_inference_steps=2)


WORK = {
    "clap": (clap, hear, "31 clips of 10 s heard"),
    "codec": (codec, encode, "10 s encoded and decoded"),
    "musicgen": (musicgen, generate, "1 s made"),
    "diffusion": (diffusion, denoise, "2 of 100 steps for 10 s"),
    "qwen2-audio": (qwen2_audio, None, ""),
}


def work(name: str) -> None:
    """Make one checkpoint, and write the seconds that its work took to a file of this folder."""
    make, do, _ = WORK[name]
    torch.manual_seed(0)
    model = make().eval()
    begin = time.perf_counter()
    do(model)
    Path(f"{name}.seconds").write_text(f"{time.perf_counter() - begin:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", choices=list(WORK), help="do the work of one checkpoint, and nothing else")
    if name := parser.parse_args().work:
        return work(name)
    rows = []
    for name, (make, do, what) in WORK.items():
        with torch.device("meta"):
            parameters = sum(one.numel() for one in make().parameters())
        row = {"checkpoint": name, "parameters (millions)": round(parameters / 1e6)}
        row["download (GB)"] = published()[name]["gigabytes"]
        row |= {"memory (GB)": "", "work": what, "seconds on two cores": ""}
        if do:
            with tempfile.TemporaryDirectory() as folder:
                _, megabytes = measure([sys.executable, __file__, "--work", name], Path(folder))
                row["seconds on two cores"] = (Path(folder) / f"{name}.seconds").read_text()
            row["memory (GB)"] = round(megabytes / 1e3, 1)
        rows.append(row)
        print(row, flush=True)
    write("bench_published.csv", rows)


if __name__ == "__main__":
    main()
