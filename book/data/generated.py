"""Write the generated clips that pages without code play: python book/data/generated.py

They go to the folder ``generated`` beside this file, as Ogg Vorbis, with their prompts, seeds and checkpoints in
``metadata.jsonl``. Each is the first of its seed. It takes less than a minute.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import AutoProcessor, MusicgenForConditionalGeneration
from transformers.utils.logging import set_verbosity_error

import musicwords.codec  # noqa: F401 (transformers then knows our codec)
from musicwords import checkpoint
from musicwords.checkpoints import REGISTRY
from musicwords.clips import load_clips
from musicwords.diffusion import TextToMusicPipeline

TARGET = Path(__file__).with_name("generated")
SECONDS = 10
PEAK = 0.9  # of full scale; a clip that is softer stays as it is
PIANO = "a slow and quiet piece for piano"  # of book/generation/intro.md
NOCTURNE = next(
    clip["captions"]["sentence"] for clip in load_clips() if clip["name"] == "piano-nocturne"
)  # of book/intro.md
CLIPS = {  # name of a clip -> checkpoint, prompt, seed
    "piano-a": ("musicgen", PIANO, 1),
    "piano-b": ("musicgen", PIANO, 2),
    "nocturne-musicgen": ("musicgen", NOCTURNE, 0),
    "nocturne-diffusion": ("diffusion", NOCTURNE, 0),
}
TITLES = {"musicgen": "MusicGen, mini", "diffusion": "diffusion, mini"}


@torch.inference_mode()
def by_musicgen(prompts: list[str], seed: int) -> tuple[np.ndarray, int]:
    """Return a clip of the shipped MusicGen for each prompt, shape (prompts, samples), and their sample rate."""
    model = MusicgenForConditionalGeneration.from_pretrained(**checkpoint("musicgen")).eval()
    processor = AutoProcessor.from_pretrained(**checkpoint("musicgen"))
    inputs = processor(text=prompts, padding=True, truncation=True, return_tensors="pt")
    torch.manual_seed(seed)
    codec = model.audio_encoder.config
    tokens = round(SECONDS * codec.frame_rate) + model.decoder.num_codebooks - 1
    return model.generate(**inputs, max_new_tokens=tokens)[:, 0].numpy(), codec.sampling_rate


def by_diffusion(prompts: list[str], seed: int, **settings) -> tuple[np.ndarray, int]:
    """Return a clip of the shipped pipeline for each prompt, from noise of ``seed``, ``seed + 1`` and so on."""
    pipeline = TextToMusicPipeline.from_pretrained(**checkpoint("diffusion"))
    pipeline.set_progress_bar_config(disable=True)
    noise = [torch.Generator().manual_seed(seed + k) for k in range(len(prompts))]
    made = pipeline(prompts, generator=noise, audio_end_in_s=SECONDS, **settings)
    return made.audios.mean(dim=1).numpy(), pipeline.codec.config.sampling_rate


GENERATORS = {"musicgen": by_musicgen, "diffusion": by_diffusion}


def main() -> None:
    """Write the folder anew."""
    set_verbosity_error()
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    rows = []
    for name, (kind, prompt, seed) in CLIPS.items():
        sounds, rate = GENERATORS[kind]([prompt], seed)
        sound = sounds[0] * min(1, PEAK / np.abs(sounds).max())
        soundfile.write(TARGET / f"{name}.ogg", sound, rate, format="OGG", subtype="VORBIS")
        title = f"{TITLES[kind]}: “{prompt.rstrip('.')}”, seed {seed}"
        weights = REGISTRY[kind]["mini"]["sha256"]
        rows.append({"file_name": f"{name}.ogg", "name": name, "title": title, "prompt": prompt, "seed": seed,
                     "checkpoint": kind, "sha256": weights, "licence": "CC-BY-4.0"})  # fmt: skip
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (TARGET / "metadata.jsonl").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
