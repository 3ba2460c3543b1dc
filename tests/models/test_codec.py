"""The codec: what its class computes, what it refuses, and what the shipped checkpoint is worth."""

import json
import math

import numpy as np
import pytest
import torch
from run_notebooks import ROOT
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, EncodecFeatureExtractor, EncodecModel

from musicwords.clips import load_audio, load_clips
from musicwords.codec import ConvNeXtBlock, SpectralCodec, SpectralCodecConfig, frames, overlap_add

SHIPPED = ROOT / "musicwords" / "data" / "checkpoints" / "codec"
MEGABYTES = 10
# What the shipped checkpoint reaches on the clips of the book with all codebooks, less a margin.
LOG_MEL, CHROMA, ONSETS = 0.33, 0.73, 0.90
HOP, BANDWIDTHS = 640, {1: 0.225, 2: 0.45, 4: 0.9, 8: 1.8}


@pytest.fixture(scope="module")
def tiny() -> SpectralCodec:
    """A small random codec with random codebooks."""
    torch.manual_seed(0)
    config = SpectralCodecConfig(width=24, encoder_blocks=1, decoder_blocks=2, expansion=2)
    codec = SpectralCodec(config).eval()
    with torch.no_grad():
        for number, layer in enumerate(codec.quantizer.layers):
            layer.codebook.embed.normal_(std=0.5**number)
    return codec


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    """Two sounds of 10 and a bit latents."""
    return 0.1 * torch.randn(2, 1, 10 * HOP + 100, generator=torch.Generator().manual_seed(1))


def test_shapes_follow_the_length_of_the_audio(tiny, noise):
    count = math.ceil(noise.shape[2] / HOP)
    assert (tiny.config.hop_length, tiny.config.frame_rate, tiny.config.num_quantizers) == (HOP, 25, 8)
    with torch.inference_mode():
        latents = tiny.encoder(noise)
        codes = tiny.encode(noise, bandwidth=1.8).audio_codes
        audio = tiny.decode(codes, [None]).audio_values
    assert latents.shape == (2, 64, count)
    assert codes.shape == (1, 2, 8, count) and codes.dtype == torch.int64
    assert codes.min() >= 0 and codes.max() < tiny.config.codebook_size
    assert audio.shape == (2, 1, count * HOP) and audio.isfinite().all()


@pytest.mark.parametrize("samples", [1, HOP - 1, HOP, HOP + 1])
def test_the_shortest_sounds_have_codes(tiny, samples):
    with torch.inference_mode():
        found = tiny(torch.full((1, 1, samples), 0.1), bandwidth=1.8)
    assert found.audio_codes.shape[-1] == math.ceil(samples / HOP)
    assert found.audio_values.shape == (1, 1, samples) and found.audio_values.isfinite().all()


def test_a_sound_has_the_same_codes_alone_and_in_a_batch(tiny, noise):
    with torch.inference_mode():
        together = tiny.encode(noise, bandwidth=1.8).audio_codes
        assert torch.equal(together[:, 1:], tiny.encode(noise[1:], bandwidth=1.8).audio_codes)


def test_a_smaller_bandwidth_uses_the_first_codebooks(tiny, noise):
    with torch.inference_mode():
        whole = tiny.encode(noise, bandwidth=1.8).audio_codes
        for count, bandwidth in BANDWIDTHS.items():
            codes = tiny.encode(noise, bandwidth=bandwidth).audio_codes
            assert torch.equal(codes, whole[:, :, :count])
            assert tiny.decode(codes, [None]).audio_values.shape[1:] == (1, 11 * HOP)
        assert torch.equal(tiny.encode(noise).audio_codes, whole[:, :, :1])  # as EncodecModel: the smallest
        with pytest.raises(ValueError, match=r"bandwidth 2.0.*0.225"):
            tiny.encode(noise, bandwidth=2.0)


def test_codes_are_the_nearest_entries_of_what_is_left(tiny, noise):
    with torch.inference_mode():
        left = tiny.encoder(noise)[0].T  # (frames, 64)
        for layer, codes in zip(
            tiny.quantizer.layers, tiny.encode(noise, bandwidth=1.8).audio_codes[0, 0], strict=True
        ):
            distance = (left[:, None] - layer.codebook.embed).square().sum(dim=2)  # (frames, entries)
            torch.testing.assert_close(distance.gather(1, codes[:, None])[:, 0], distance.amin(dim=1))
            left = left - layer.codebook.embed[codes]


def test_save_and_reload_keep_weights_and_codes(tiny, noise, tmp_path):
    tiny.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "spectral_codec"
    assert isinstance(AutoConfig.from_pretrained(tmp_path), SpectralCodecConfig)
    for load in (SpectralCodec, AutoModel):
        again = load.from_pretrained(tmp_path).eval()
        assert isinstance(again, SpectralCodec) and isinstance(again, EncodecModel)
        state = tiny.state_dict()
        assert set(again.state_dict()) == set(state)
        assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
        with torch.inference_mode():
            before, after = tiny(noise, bandwidth=1.8), again(noise, bandwidth=1.8)
        assert torch.equal(before.audio_codes, after.audio_codes)
        torch.testing.assert_close(before.audio_values, after.audio_values)


def test_a_configuration_keeps_what_is_its_own(tmp_path):
    SpectralCodecConfig(width=24, codebook_size=16, target_bandwidths=[0.1, 0.2]).save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert (again.width, again.codebook_size, again.num_quantizers) == (24, 16, 2)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (torch.zeros(1, 2, 1000), "expects one channel"),
        (torch.zeros(2, 0, 1000), "expects one channel"),
        (torch.zeros(1, 1, 0), "got 0 samples"),
        (torch.full((1, 1, 1000), torch.nan), "NaN or infinite"),
        (torch.full((1, 1, 1000), torch.inf), "NaN or infinite"),
    ],
    ids=["stereo", "no channel", "empty", "NaN", "infinite"],
)
def test_what_is_no_mono_sound_is_refused(tiny, audio, message):
    with pytest.raises(ValueError, match=message):
        tiny.encode(audio, bandwidth=1.8)
    with pytest.raises(ValueError, match=message):
        tiny.encoder(audio)


def test_the_feature_extractor_refuses_another_rate_and_stereo(tiny, noise):
    extractor = EncodecFeatureExtractor(feature_size=1, sampling_rate=tiny.config.sampling_rate)
    audio = noise[0, 0].numpy()
    inputs = extractor(audio, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        codes = tiny.encode(**inputs, bandwidth=1.8).audio_codes
        assert torch.equal(codes, tiny.encode(noise[:1], bandwidth=1.8).audio_codes)
    with pytest.raises(ValueError, match="16000 and not 44100"):
        extractor(audio, sampling_rate=44_100)
    with pytest.raises(ValueError, match="mono"):
        extractor(np.stack([audio, audio]), sampling_rate=16_000)


def test_frames_are_put_together_again():
    signal = torch.randn(2, 24, generator=torch.Generator().manual_seed(0))
    pieces = frames(signal, length=8, hop=2)
    assert torch.equal(pieces, signal.unfold(1, 8, 2))
    weight = overlap_add(torch.ones_like(pieces), hop=2)
    torch.testing.assert_close(overlap_add(pieces, hop=2) / weight, signal)


def test_a_block_mixes_as_a_depthwise_convolution():
    torch.manual_seed(0)
    block, hidden = ConvNeXtBlock(6, 2, scale=1.0), torch.randn(2, 11, 6)
    weight = block.kernel.T[:, None]  # (channels, 1, frames)
    mixed = torch.nn.functional.conv1d(hidden.transpose(1, 2), weight, block.bias, padding="same", groups=6)
    inside = torch.nn.functional.gelu(block.expand(block.norm(mixed.transpose(1, 2))))
    torch.testing.assert_close(block(hidden), hidden + block.contract(inside))


@pytest.fixture(scope="module")
def shipped() -> SpectralCodec:
    return AutoModel.from_pretrained(SHIPPED).eval()


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    """The clips of the book, which training never had, shape (clips, 1, 160000)."""
    sounds = [load_audio(clip["audio"]["path"], sample_rate=16_000) for clip in load_clips()]
    length = min(map(len, sounds))
    return torch.from_numpy(np.stack([audio[:length] for audio in sounds]))[:, None]


def test_shipped_codec_is_small_and_describes_itself(shipped):
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MEGABYTES * 1e6
    assert isinstance(shipped, SpectralCodec) and shipped.dtype == torch.float32
    assert len(shipped.config.latents_mean) == len(shipped.config.latents_std) == shipped.config.hidden_size
    assert AutoFeatureExtractor.from_pretrained(SHIPPED).sampling_rate == shipped.config.sampling_rate == 16_000
    assert shipped.config.target_bandwidths == list(BANDWIDTHS.values())


def test_shipped_latents_are_standardized_by_the_configuration(shipped, clips):
    with torch.inference_mode():
        latents = torch.cat([shipped.encoder(audio[None])[0].T for audio in clips])
    scaled = (latents - torch.tensor(shipped.config.latents_mean)) / torch.tensor(shipped.config.latents_std)
    assert scaled.mean(dim=0).abs().mean() < 0.3
    assert 0.7 < scaled.std(dim=0).mean() < 1.3


@pytest.mark.weekly
def test_shipped_codec_keeps_what_is_heard_in_the_clips_of_the_book(shipped, clips):
    from recipes.codec.metrics import chroma_correlation, log_mel_distance, onset_correlation

    distance = {}
    for count, bandwidth in BANDWIDTHS.items():
        with torch.inference_mode():
            codes = torch.cat([shipped.encode(one[None], bandwidth=bandwidth).audio_codes for one in clips], dim=1)
            made = torch.cat([shipped.decode(codes[:, [clip]], [None]).audio_values for clip in range(len(clips))])
        pairs = list(zip(made[:, 0, : clips.shape[2]].numpy(), clips[:, 0].numpy(), strict=True))
        distance[count] = np.mean([log_mel_distance(*pair) for pair in pairs])
    chroma = np.nanmean([chroma_correlation(*pair) for pair in pairs])  # with all codebooks
    onsets = np.nanmean([onset_correlation(*pair) for pair in pairs])
    print(distance, chroma, onsets)
    assert distance[8] <= LOG_MEL
    assert chroma >= CHROMA
    assert onsets >= ONSETS
    assert distance[8] < distance[4] < distance[2] < distance[1]
    for book in codes[0].transpose(0, 1):  # (clips, frames) of each codebook
        assert len(book.unique()) >= 100
