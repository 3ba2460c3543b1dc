"""The shipped MusicGen: what it makes of prompts, of other settings, and of what it cannot make sense of."""

import numpy as np
import pytest
import torch
from transformers import AutoProcessor, MusicgenForConditionalGeneration

import musicwords.codec  # noqa: F401, so that the codec inside is known
from musicwords.checkpoints import SHIPPED, checkpoint
from musicwords.clips import load_audio, load_clips
from musicwords.health import FEWEST_ONSETS, MOST_SIMILAR, health
from musicwords.probe import Probe

FOLDER = SHIPPED / "musicgen"
SECONDS = 10
# In wording of their own, and none of them tried before the floor was set.
PROMPTS = {
    "a slow piece for solo piano without drums": {"family": "keyboard", "percussion": False, "tempo_class": "slow"},
    "a fast techno track with a lead synth and drums": {"family": "electronic", "percussion": True},
    "a choir sings a hymn, no percussion": {"family": "voice", "percussion": False},
    "a brass band plays a march with drums": {"family": "brass", "percussion": True},
    "a solo flute": {"family": "woodwind", "percussion": False},
    "a string quartet": {"family": "strings", "percussion": False},
    "an acoustic guitar with drums, medium tempo": {"family": "plucked strings", "percussion": True},
    "a fast violin tune with percussion": {"family": "strings", "percussion": True, "tempo_class": "fast"},
}


@pytest.fixture(scope="module")
def model() -> MusicgenForConditionalGeneration:
    return MusicgenForConditionalGeneration.from_pretrained(**checkpoint("musicgen")).eval()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(**checkpoint("musicgen"))


@torch.inference_mode()
def generate(model, processor, texts: list[str], **settings) -> np.ndarray:
    inputs = processor(text=texts, padding=True, truncation=True, return_tensors="pt")
    torch.manual_seed(0)
    return model.generate(**inputs, **settings)[:, 0].numpy()


def test_files_are_within_their_limit_and_no_pickles():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 32e6  # with the characters of Chinese
    assert {path.suffix for path in files} == {".safetensors", ".json", ".csv", ".md"}


def check_floor(made: np.ndarray) -> None:
    """Family and percussion of eight fixed prompts, of which chance is about .11 and .5; and that there is sound."""
    probe = Probe.load()
    heard = [probe(audio) for audio in made]

    def share(name: str, wanted: list[dict]) -> float:
        return np.mean([said[name] == one[name] for said, one in zip(heard, wanted, strict=True)])

    wanted = list(PROMPTS.values())
    assert share("family", wanted) >= 0.5
    assert share("percussion", wanted) >= 0.75
    assert share("family", wanted[3:] + wanted[:3]) < 0.5  # wrong labels would not pass
    assert made.shape == (len(PROMPTS), SECONDS * 16_000)
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 2
    found = [health(audio) for audio in made]
    assert np.mean([one["onsets"] >= FEWEST_ONSETS for one in found]) >= 0.75
    assert np.mean([one["self_similarity"] <= MOST_SIMILAR for one in found]) >= 0.75
    assert np.mean([one["silence"] < 0.5 for one in found]) >= 0.75


@pytest.mark.weekly
def test_floor_of_prompts_and_health(model, processor):
    """Ten seconds for each of the prompts, with the checkpoint's own settings."""
    check_floor(generate(model, processor, list(PROMPTS)))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "flibber wozzle grumpf",
        "安静的钢琴曲",
        "🎹🎵",
        "<b>slow</b> *piano* &amp; {flute}",
        ("a slow piano, " * 143)[:2_000],
    ],
    ids=["empty", "nonsense", "chinese", "emoji", "markup", "2,000 characters"],
)
def test_odd_prompts_give_sound(model, processor, prompt):
    audio = generate(model, processor, [prompt], max_new_tokens=32)
    assert audio.shape == (1, 25 * 640)
    assert np.isfinite(audio).all()


@pytest.mark.parametrize("guidance", [1.0, 100.0])
def test_any_guidance_gives_sound(model, processor, guidance):
    audio = generate(model, processor, ["a slow piano"], max_new_tokens=32, guidance_scale=guidance)
    assert np.isfinite(audio).all()


def test_guidance_that_is_left_out_is_the_checkpoints_own(model, processor):
    """And None is none: what ``check_guidance`` refuses it for."""
    own, off = (
        generate(model, processor, ["a slow piano"], max_new_tokens=16, **settings)
        for settings in ({}, {"guidance_scale": None})
    )
    scale = model.generation_config.guidance_scale
    assert np.array_equal(own, generate(model, processor, ["a slow piano"], max_new_tokens=16, guidance_scale=scale))
    assert np.array_equal(off, generate(model, processor, ["a slow piano"], max_new_tokens=16, guidance_scale=1.0))
    assert not np.array_equal(own, off)


def test_it_continues_what_it_is_given(model, processor):
    rate = processor.feature_extractor.sampling_rate
    beginning = load_audio(load_clips()[0]["audio"]["path"], rate)[: 2 * rate]
    inputs = processor(audio=beginning, sampling_rate=rate, text=["ambient"], return_tensors="pt")
    torch.manual_seed(0)
    with torch.inference_mode():
        audio = model.generate(**inputs, max_new_tokens=25)[0, 0]
        codes = model.audio_encoder.encode(torch.from_numpy(beginning)[None, None]).audio_codes
        again = model.audio_encoder.decode(codes, [None]).audio_values[0, 0]
    assert len(audio) > len(beginning)
    safe = rate  # before what comes later can be heard in the decoder's windows
    assert torch.allclose(audio[:safe], again[:safe], atol=1e-4)


RATE = 16_000
TONE = np.sin(np.arange(RATE, dtype=np.float32) / 20) / 4


def continued(model, processor, audio: np.ndarray) -> np.ndarray:
    inputs = processor(audio=audio, sampling_rate=RATE, text=["piano"], return_tensors="pt")
    with torch.inference_mode():
        return model.generate(**inputs, max_new_tokens=16)[0, 0].numpy()


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (np.stack([TONE, TONE]), "Expected mono audio but example has 2 channels"),
        (np.stack([TONE, TONE], axis=1), "Expected mono audio"),
        (np.where(np.arange(RATE) == 5, np.float32(np.nan), TONE), "1 samples that are NaN or infinite"),
        (TONE[:0], "0 samples and expects at least one"),
    ],
    ids=["channels first", "channels last", "NaN", "empty"],
)
def test_a_beginning_that_is_no_music_is_refused(model, processor, audio, words):
    with pytest.raises(ValueError, match=words):
        continued(model, processor, audio)


def test_silence_is_continued(model, processor):
    audio = continued(model, processor, 0 * TONE)
    assert len(audio) > RATE and np.isfinite(audio).all()


def test_audio_of_another_rate_is_refused(processor):
    with pytest.raises(ValueError, match="16000"):
        processor(audio=np.zeros(32_000, np.float32), sampling_rate=32_000, text=["piano"], return_tensors="pt")
