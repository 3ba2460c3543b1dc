"""Latent diffusion: the pipeline on tiny random components, and on a denoiser whose answer is known."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableAudioDiTModel,
)
from transformers import BertConfig, BertModel, BertTokenizer

from musicwords import diffusion
from musicwords.codec import SpectralCodec, SpectralCodecConfig
from musicwords.diffusion import LONGEST, TextToMusicPipeline, guided, text_states, velocity

FRAMES, SAMPLES = 250, 160_000
CHANNELS = 64
STEPS = 4


@pytest.fixture(scope="module")
def pipeline() -> TextToMusicPipeline:
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "slow", "fast", "piano", "flute", "a", "piece"]
    codec = SpectralCodec(
        SpectralCodecConfig(
            width=8,
            encoder_blocks=1,
            decoder_blocks=1,
            latents_mean=[0.5] * CHANNELS,
            latents_std=[0.25] * CHANNELS,
        )
    )
    text_encoder = BertModel(
        BertConfig(vocab_size=len(words), hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
                   intermediate_size=12, max_position_embeddings=LONGEST)
    )  # fmt: skip
    transformer = StableAudioDiTModel(
        sample_size=125, in_channels=2 * CHANNELS, out_channels=2 * CHANNELS, num_layers=1, attention_head_dim=16,
        num_attention_heads=1, num_key_value_attention_heads=1, cross_attention_dim=12, cross_attention_input_dim=12,
        global_states_input_dim=12, time_proj_dim=8,
    )  # fmt: skip
    for part in (codec, text_encoder, transformer):
        part.eval()
    made = TextToMusicPipeline(
        tokenizer=BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=LONGEST),
        text_encoder=text_encoder,
        transformer=transformer,
        codec=codec,
        scheduler=DDIMScheduler(
            beta_schedule="squaredcos_cap_v2",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            clip_sample=False,
        ),
    )
    made.set_progress_bar_config(disable=True)
    return made


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(pipeline, prompt="slow piano", seed=0, **settings) -> torch.Tensor:
    settings = {"num_inference_steps": STEPS, "output_type": "latent", "generator": seeded(seed)} | settings
    return pipeline(prompt, **settings).audios


def test_audio_has_a_shape_and_a_length(pipeline):
    audio = made(pipeline, output_type="pt")
    assert audio.shape == (1, 1, SAMPLES) and audio.dtype == torch.float32 and audio.isfinite().all()
    short = made(pipeline, output_type="np", audio_end_in_s=2.5)
    assert isinstance(short, np.ndarray)
    np.testing.assert_allclose(short, audio[..., :40_000].numpy(), atol=1e-5)
    assert made(pipeline).shape == (1, CHANNELS, FRAMES)


def test_latents_are_standardized(pipeline):
    audio = torch.randn(2, 1, SAMPLES, generator=seeded(0)) / 10
    with torch.inference_mode():
        raw, standardized = pipeline.codec.encoder(audio), pipeline.encode(audio)
        torch.testing.assert_close(standardized, (raw - 0.5) / 0.25)
        torch.testing.assert_close(pipeline.decode(standardized), pipeline.codec.decoder(raw), atol=1e-3, rtol=1e-3)


def test_a_token_is_two_neighboring_latents(pipeline, monkeypatch):
    seen = {}

    def forward(hidden_states, timestep, **arguments):
        seen.update(arguments, hidden_states=hidden_states)
        return (hidden_states,)

    monkeypatch.setattr(pipeline.transformer, "forward", forward)
    latents = torch.arange(3 * 6.0).view(1, 3, 6)
    states, mean = torch.zeros(1, LONGEST, 12), torch.zeros(1, 1, 12)
    assert torch.equal(velocity(pipeline.transformer, latents, torch.zeros(1), states, mean), latents)
    assert seen["hidden_states"][0, :, 1].tolist() == [2, 8, 14, 3, 9, 15]
    assert seen["rotary_embedding"][0].shape == (4, 8)  # a place for each token and one for level and text


def test_text_states_end_with_the_text(pipeline):
    states, mean = text_states(pipeline.tokenizer, pipeline.text_encoder, ["slow piano", "a fast piece", "", "  "])
    assert states.shape == (4, LONGEST, 12) and mean.shape == (4, 1, 12)
    assert states[0, :4].abs().sum(dim=1).min() > 0  # with the start and the end
    assert not states[0, 4:].any() and not states[2:].any() and not mean[2:].any()
    torch.testing.assert_close(mean[1, 0], states[1, :5].mean(dim=0))
    alone = text_states(pipeline.tokenizer, pipeline.text_encoder, ["slow piano"])
    torch.testing.assert_close(alone[0], states[:1])
    torch.testing.assert_close(alone[1], mean[:1])


def test_what_is_cut_of_a_prompt_is_said(pipeline):
    prompt = "slow piano " * 182  # 2,002 characters
    with pytest.warns(UserWarning, match="the last 302 of 364 tokens of the text 'slow piano .* are cut off"):
        found = made(pipeline, ["fast", prompt])
    torch.testing.assert_close(made(pipeline, ["fast", "slow piano " * 31]), found)
    with pytest.warns(UserWarning, match="the last 302 of 364 tokens"):
        made(pipeline, "fast", negative_prompt=prompt)


@pytest.mark.parametrize("prompt", ["缓慢的钢琴曲", "🎹🎵", "xq zzgh 77 ~~", "<b>&nbsp;</b>"])
def test_prompts_without_a_known_word_are_refused(pipeline, prompt):
    for settings in ({"prompt": ["slow", prompt]}, {"negative_prompt": prompt}):
        with pytest.raises(ValueError, match=f"of the text {prompt!r} are unknown"):
            made(pipeline, **settings)


def test_unknown_words_are_said(pipeline):
    with pytest.warns(UserWarning, match="1 of 3 tokens of the text 'slow piano 🎹' are unknown"):
        assert made(pipeline, "slow piano 🎹").isfinite().all()


@pytest.mark.parametrize("prompt", ["", " \n", ["", "slow"]], ids=repr)
def test_an_empty_prompt_is_no_condition(pipeline, recwarn, prompt):
    found = made(pipeline, prompt)
    torch.testing.assert_close(found[:1], made(pipeline, "slow", guidance_scale=0, guidance_rescale=0,
                                               num_waveforms_per_prompt=len(found))[:1])  # fmt: skip
    assert not recwarn.list


def test_the_same_seed_gives_the_same_music(pipeline):
    torch.testing.assert_close(made(pipeline), made(pipeline))
    assert not torch.allclose(made(pipeline), made(pipeline, seed=1))
    assert not torch.allclose(made(pipeline), made(pipeline, "fast flute"))
    noise = torch.randn(1, CHANNELS, FRAMES, generator=seeded(0))
    torch.testing.assert_close(made(pipeline, latents=noise), made(pipeline))


def test_a_clip_with_its_own_generator_does_not_depend_on_the_others(pipeline):
    generators = [seeded(number) for number in range(3)]
    together = made(pipeline, ["slow piano", "fast flute", ""], generator=generators)
    torch.testing.assert_close(together[1:2], made(pipeline, "fast flute", seed=1), atol=1e-4, rtol=1e-4)
    several = made(pipeline, ["slow piano", ""], num_waveforms_per_prompt=2, generator=[seeded(0) for _ in range(4)])
    torch.testing.assert_close(several[0], several[1])
    torch.testing.assert_close(several[2], several[3])
    assert not torch.allclose(several[0], several[2])


def test_guidance_moves_from_the_negative_prompt(pipeline):
    plain, empty = made(pipeline, guidance_scale=1), made(pipeline, "", guidance_scale=1)
    torch.testing.assert_close(made(pipeline, guidance_scale=0, guidance_rescale=0), empty)
    torch.testing.assert_close(made(pipeline, negative_prompt="slow piano", guidance_scale=5), plain)
    torch.testing.assert_close(made(pipeline, negative_prompt="", guidance_scale=5), made(pipeline, guidance_scale=5))
    torch.testing.assert_close(made(pipeline, negative_prompt="fast", guidance_scale=1), plain)
    assert not torch.allclose(made(pipeline, guidance_scale=5), plain)
    assert not torch.allclose(made(pipeline, negative_prompt="fast", guidance_scale=5), made(pipeline))
    assert made(pipeline, guidance_scale=100, output_type="pt").isfinite().all()


def test_rescaled_guidance_has_the_spread_of_no_guidance():
    unconditional, conditional = torch.randn(2, 3, 4, 50, generator=seeded(0)).unbind()
    dims = (1, 2)
    found = guided(unconditional, conditional, 8.0, 1.0)
    torch.testing.assert_close(found.std(dim=dims), conditional.std(dim=dims))
    torch.testing.assert_close(guided(unconditional, conditional, 8.0, 0.0), 8 * conditional - 7 * unconditional)


@pytest.fixture
def answered(pipeline, monkeypatch):
    """The pipeline with the ideal denoiser of latents that are all 0.8 times a wave, plus a little spread."""
    wave = 0.8 * torch.sin(torch.arange(CHANNELS * FRAMES).view(CHANNELS, FRAMES) / 7)
    spread = 0.1
    alphas = pipeline.scheduler.alphas_cumprod

    def ideal(transformer, latents, level, states, mean):
        count = len(alphas)
        # Solvers of ODEs have levels between the steps of training.
        alpha = torch.from_numpy(np.interp(level.numpy() * count, np.arange(count), alphas.numpy())).float()
        signal, noise = alpha.sqrt()[:, None, None], (1 - alpha).sqrt()[:, None, None]
        residual = latents - signal * wave
        clean = wave + signal * spread**2 / ((signal * spread) ** 2 + noise**2) * residual
        epsilon = (latents - signal * clean) / noise
        return signal * epsilon - noise * clean

    monkeypatch.setattr(diffusion, "velocity", ideal)
    return pipeline, wave


@pytest.fixture
def scheduled(pipeline, monkeypatch):
    def change(scheduler):
        monkeypatch.setattr(pipeline, "scheduler", scheduler.from_config(pipeline.scheduler.config))

    return change


SCHEDULERS = [DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_finds_what_the_denoiser_knows(answered, scheduled, scheduler):
    pipeline, wave = answered
    scheduled(scheduler)
    found = made(pipeline, num_inference_steps=25, guidance_scale=1)
    assert found.isfinite().all()
    error = found[0] - wave
    assert error.square().mean().sqrt() < 0.15
    again = made(pipeline, num_inference_steps=25, guidance_scale=1)
    torch.testing.assert_close(found, again)


def test_solvers_of_the_same_equation_agree(answered, scheduled):
    pipeline, _ = answered
    found = []
    for scheduler in SCHEDULERS:
        scheduled(scheduler)
        found.append(made(pipeline, num_inference_steps=100, guidance_scale=1))
    for other in found[1:]:
        assert (other - found[0]).abs().mean() < 0.02


def test_eta_adds_noise_to_ddim_alone(answered, scheduled):
    pipeline, _ = answered
    settings = {"num_inference_steps": 25, "guidance_scale": 1}
    assert not torch.allclose(made(pipeline, eta=1.0, **settings), made(pipeline, **settings))
    scheduled(DPMSolverMultistepScheduler)
    torch.testing.assert_close(made(pipeline, eta=1.0, **settings), made(pipeline, **settings))


@pytest.fixture(scope="module")
def heard() -> torch.Tensor:
    return torch.sin(torch.arange(SAMPLES) / 20)[None, None] / 4


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_less_strength_the_more_of_the_audio_is_left(pipeline, scheduled, heard, scheduler):
    scheduled(scheduler)
    given = {"initial_audio_waveforms": heard, "initial_audio_sampling_rate": 16_000}
    with torch.inference_mode():
        known = pipeline.encode(heard)
    near, far = (made(pipeline, strength=strength, num_inference_steps=20, guidance_scale=1, **given)
                 for strength in (0.1, 0.8))  # fmt: skip
    distances = [(one - known).square().mean() for one in (near, far)]
    assert distances[0] < 0.3 * distances[1]
    fresh = scheduler.from_config(pipeline.scheduler.config)  # nothing stays in the scheduler
    after, pipeline.scheduler = made(pipeline), fresh
    torch.testing.assert_close(after, made(pipeline))
    if scheduler is DDIMScheduler:  # all noise: exactly nothing is left
        torch.testing.assert_close(made(pipeline, strength=1.0, **given), made(pipeline), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("length", [SAMPLES, FRAMES])
def test_audio_outside_of_the_mask_stays(pipeline, scheduled, heard, scheduler, length):
    scheduled(scheduler)
    mask = torch.zeros(length, dtype=torch.bool)
    mask[length // 2 :] = True
    found = made(pipeline, ["slow", "fast"], initial_audio_waveforms=heard, initial_audio_sampling_rate=16_000,
                 mask=mask)  # fmt: skip
    with torch.inference_mode():
        known = pipeline.encode(heard)[0]
    for one in found:
        torch.testing.assert_close(one[:, : FRAMES // 2], known[:, : FRAMES // 2])
        assert not torch.allclose(one[:, FRAMES // 2 :], known[:, FRAMES // 2 :], atol=0.1)


def test_a_latent_is_made_anew_with_any_of_its_samples(pipeline, heard):
    mask = torch.zeros(SAMPLES, dtype=torch.bool)
    mask[640 * 10 + 639 : 640 * 12 + 1] = True
    with torch.inference_mode():
        frames = pipeline.frame_mask(mask, pipeline.encode(heard))
    assert frames.nonzero().flatten().tolist() == [10, 11, 12]


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_a_mask_may_be_of_zeros_and_ones(pipeline, heard, kind):
    mask = torch.zeros(FRAMES, dtype=torch.bool)
    mask[20:50] = True
    with torch.inference_mode():
        known = pipeline.encode(heard)
        assert torch.equal(pipeline.frame_mask(mask.to(kind), known), mask)
        assert torch.equal(pipeline.frame_mask(mask.numpy(), known), mask)


def test_two_rows_of_audio_are_two_clips(pipeline, heard):
    rows = torch.cat([heard[0], heard[0] / 2])
    given = {"initial_audio_sampling_rate": 16_000, "strength": 0.25, "guidance_scale": 1}
    both = made(pipeline, ["slow", "fast"], generator=[seeded(0), seeded(1)], initial_audio_waveforms=rows, **given)
    second = made(pipeline, "fast", seed=1, initial_audio_waveforms=heard / 2, **given)
    torch.testing.assert_close(both[1:], second, atol=1e-4, rtol=1e-4)


def test_silence_is_changed(pipeline, heard):
    found = made(pipeline, initial_audio_waveforms=0 * heard, initial_audio_sampling_rate=16_000, output_type="pt")
    assert found.isfinite().all() and found.any()


def test_shorter_audio_is_filled_up(pipeline, heard):
    with torch.inference_mode():
        known = pipeline.known_latents(heard[0, :, :32_000], 16_000, 2)
        padded = pipeline.encode(torch.nn.functional.pad(heard[:, :, :32_000], (0, SAMPLES - 32_000)))
    torch.testing.assert_close(known, padded.expand(2, -1, -1))


AUDIO = {"initial_audio_waveforms": torch.zeros(1, 1, SAMPLES), "initial_audio_sampling_rate": 16_000}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompt": []}, "prompt is .*a text or a list of at least one text"),
        ({"prompt": ["slow", None]}, "prompt is .*expected"),
        ({"prompt": ["slow", "fast"], "negative_prompt": ["a"]}, "1 negative prompts and 2 prompts"),
        ({"prompt": None}, "prompt is None; a text or a list"),
        ({"prompt": 5}, "prompt is 5; a text or a list"),
        ({"negative_prompt": 5}, "negative_prompt is 5; a text or a list"),
        ({"negative_prompt": []}, r"negative_prompt is \[\]; a text or a list"),
        ({"num_waveforms_per_prompt": 0}, "num_waveforms_per_prompt is 0"),
        ({"num_waveforms_per_prompt": 1.5}, "num_waveforms_per_prompt is 1.5; a whole number is expected"),
        ({"audio_end_in_s": 0}, "audio_end_in_s is 0; seconds from 6.25e-05 to 10 are expected"),
        ({"audio_end_in_s": 1e-6}, "audio_end_in_s is 1e-06; seconds from 6.25e-05"),
        ({"audio_end_in_s": 600}, "audio_end_in_s is 600; seconds from 6.25e-05 to 10"),
        ({"audio_end_in_s": float("nan")}, "audio_end_in_s is nan"),
        ({"audio_end_in_s": None}, "audio_end_in_s is None; a number"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0; at least 1"),
        ({"num_inference_steps": 2.5}, "num_inference_steps is 2.5; a whole number is expected"),
        ({"guidance_scale": -1}, "guidance_scale is -1; a number from 0 to 100"),
        ({"guidance_scale": 1e6}, "guidance_scale is 1000000.0; a number from 0 to 100"),
        ({"guidance_scale": float("inf")}, "guidance_scale is inf"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"guidance_scale": "4"}, "guidance_scale is '4'; a number is expected"),
        ({"guidance_rescale": 2}, "guidance_rescale is 2"),
        ({"eta": -0.1}, "eta is -0.1"),
        ({"output_type": "wav"}, 'output_type is \'wav\'; "pt", "np" or "latent"'),
        ({"generator": 3}, r"generator is 3; a torch.Generator.*torch.Generator\(\).manual_seed"),
        ({"generator": [3]}, r"generator is \[3\]; a torch.Generator"),
        ({"generator": [seeded(0), seeded(1)]}, "2 generators and 1 clips"),
        ({"latents": torch.zeros(1, 128, 125)}, r"latents has shape \(1, 128, 125\); .*\(1, 64, 250\)"),
        ({"latents": torch.full((1, 64, 250), torch.nan)}, "latents has 16000 numbers that are NaN"),
        ({"latents": "noise"}, "latents is a str; a tensor or an array"),
        ({"strength": 0.5}, "strength is given without initial_audio_waveforms"),
        (AUDIO | {"strength": 0}, "strength is 0; a number above 0 and at most 1"),
        (AUDIO | {"strength": 1.5}, "strength is 1.5"),
        (AUDIO | {"strength": "1"}, "strength is '1'; a number is expected"),
        (AUDIO | {"initial_audio_sampling_rate": 44_100}, "is 44100; this pipeline expects 16000 Hz.*librosa.resample"),
        (AUDIO | {"initial_audio_sampling_rate": None}, "is None; this pipeline expects 16000 Hz"),
        (AUDIO | {"initial_audio_waveforms": torch.zeros(1, 2, 900)}, r"shape \(1, 2, 900\).*Average the channels"),
        (AUDIO | {"initial_audio_waveforms": torch.zeros(2, 900)}, r"shape \(2, 900\); .* counts clips.*Average"),
        (AUDIO | {"initial_audio_waveforms": torch.zeros(900)}, r"shape \(900,\); .*given as audio\[None\]"),
        (AUDIO | {"initial_audio_waveforms": "music.ogg"}, "initial_audio_waveforms is a str; a tensor or an array"),
        (AUDIO | {"initial_audio_waveforms": torch.zeros(1, 1, 0)}, "has 0 samples; 1 to 160000"),
        (AUDIO | {"initial_audio_waveforms": torch.zeros(1, 1, SAMPLES + 1)}, "has 160001 samples; 1 to 160000"),
        (AUDIO | {"initial_audio_waveforms": torch.full((1, 1, 900), torch.nan)}, "900 samples that are NaN"),
        (AUDIO | {"mask": torch.ones(251, dtype=torch.bool)}, r"mask has shape \(251,\); \(160000,\) .*\(250,\)"),
        (AUDIO | {"mask": torch.tensor([4, 6])}, r"mask has shape \(2,\)"),
        (AUDIO | {"mask": torch.zeros(250, dtype=torch.bool)}, "mask has values from False to False; True .* once"),
        (AUDIO | {"mask": torch.full((250,), torch.nan)}, "mask has values from nan to nan; True or 1 is expected"),
        (AUDIO | {"mask": torch.full((250,), 0.5)}, "mask has values from 0.5 to 0.5"),
        (AUDIO | {"mask": "the end"}, "mask is a str; a tensor or an array"),
        ({"mask": torch.ones(250, dtype=torch.bool)}, "mask is given without initial_audio_waveforms"),
    ],
)
def test_what_does_not_fit_is_refused(pipeline, settings, words):
    with pytest.raises(ValueError, match=words):
        pipeline(**({"prompt": "slow"} | settings))


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        (DDIMScheduler(), r"a DDIMScheduler with the prediction_type 'epsilon'; .* = DDIMScheduler.from_config\("),
        (EulerDiscreteScheduler(prediction_type="sample"), "'sample'; .* = EulerDiscreteScheduler.from_config"),
        (FlowMatchEulerDiscreteScheduler(), "prediction_type None; .* = DDIMScheduler.from_config"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_scheduler_for_another_prediction_is_refused(pipeline, monkeypatch, scheduler, words):
    monkeypatch.setattr(pipeline, "scheduler", scheduler)
    with pytest.raises(ValueError, match=words):
        made(pipeline)


def test_a_codec_without_statistics_is_refused(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.codec.config, "latents_std", None)
    with pytest.raises(ValueError, match="latents_mean and latents_std"):
        pipeline("slow", num_inference_steps=1)


def test_a_saved_pipeline_is_the_same_when_loaded(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".txt"}  # no pickles
    again = TextToMusicPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    assert type(again.codec) is SpectralCodec and not again.codec.training
    settings = {"negative_prompt": "flute", "num_inference_steps": 2, "output_type": "pt"}
    one, other = (each("a slow piano", generator=seeded(0), **settings).audios for each in (pipeline, again))
    torch.testing.assert_close(one, other)
    assert one.std() > 1e-3  # far above the tolerance
