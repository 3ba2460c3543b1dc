"""The shipped diffusion pipeline: what it makes of prompts, and that it loads by the name that the book uses."""

import numpy as np
import pytest
import torch
from test_musicgen import PROMPTS, check_floor

from musicwords.checkpoints import SHIPPED, checkpoint
from musicwords.clips import load_audio, load_clips
from musicwords.diffusion import TextToMusicPipeline

FOLDER = SHIPPED / "diffusion"


@pytest.fixture(scope="module")
def pipeline() -> TextToMusicPipeline:
    loaded = TextToMusicPipeline.from_pretrained(**checkpoint("diffusion"))
    loaded.set_progress_bar_config(disable=True)
    return loaded


def seeded(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def test_files_are_within_their_limit_and_no_pickles():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30e6
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".csv", ".md", ".txt"}


@pytest.mark.weekly
def test_floor_of_prompts_and_health(pipeline):
    """Ten seconds for each of the prompts, with the pipeline's own settings."""
    check_floor(pipeline(list(PROMPTS), generator=seeded(len(PROMPTS)), output_type="np").audios[:, 0])


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "flibber wozzle grumpf",
        "安静的钢琴曲",
        "<b>slow</b> *piano* &amp; {flute}",
        ("a slow piano, " * 143)[:2_000],
    ],
    ids=["empty", "nonsense", "chinese", "markup", "2,000 characters"],
)
def test_odd_prompts_give_sound(pipeline, prompt):
    audio = pipeline(prompt, num_inference_steps=4, generator=seeded(1), output_type="np").audios[0, 0]
    assert audio.shape == (160_000,)
    assert np.isfinite(audio).all()


@pytest.mark.parametrize("prompt", ["조용한 피아노 곡", "🎹🎵"], ids=["korean", "emoji"])
def test_what_the_tokenizer_does_not_know_is_refused(pipeline, prompt):
    with pytest.raises(ValueError, match="are unknown: this model does not read its language"):
        pipeline(prompt, num_inference_steps=2)


@pytest.mark.parametrize("guidance", [0.0, 100.0])
def test_extreme_guidance_gives_sound(pipeline, guidance):
    audio = pipeline(
        "a slow piano", num_inference_steps=4, guidance_scale=guidance, generator=seeded(1), output_type="np"
    ).audios[0, 0]
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() < 10


def test_a_real_clip_survives_a_weak_change_and_not_a_strong_one(pipeline):
    audio = torch.from_numpy(load_audio(load_clips()[0]["audio"]["path"], 16_000))[None]
    found = [
        pipeline(
            "a techno track with drums",
            initial_audio_waveforms=audio,
            initial_audio_sampling_rate=16_000,
            strength=strength,
            num_inference_steps=10,
            generator=seeded(1),
            output_type="latent",
        ).audios
        for strength in (0.2, 1.0)
    ]
    known = pipeline.encode(torch.nn.functional.pad(audio, (0, 160_000 - audio.shape[1]))[:, None])
    near, far = (torch.nn.functional.mse_loss(one, known).item() for one in found)
    assert near < 0.5 * far
