"""The mini diffusion pipeline as three ONNX graphs, and what its sampler needs: what generates music in a browser.

The prompt encoder runs once for a text, the denoiser once for a step, with and without the prompt in one batch, and the
decoder once for a sound or for a picture of what it will be. Between them stand a few sums, the sampler, which
``book/_static/live_sampler.js`` does.
"""

import json
from inspect import signature
from pathlib import Path

import librosa
import matplotlib
import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from eight_bits import export, round_weights
from files import write
from packages import take
from torch import nn

from musicwords.checkpoints import SHIPPED
from musicwords.codec import LOUDEST, overlap_add
from musicwords.diffusion import LONGEST, PATCH, TextToMusicPipeline
from musicwords.inputs import MOST_UNKNOWN
from musicwords.listen import DYNAMIC_RANGE, PICTURE_SIZE, SOFTEST

CHECKPOINT = SHIPPED / "diffusion"  # the mini one, whatever the tier: the published one is too large for a page

EXACT = ("transformer.preprocess_conv.weight", "transformer.postprocess_conv.weight")  # not rounded


class PromptEncoder(nn.Module):
    """What ``musicwords.diffusion.text_states`` computes, for one text that is not blank."""

    def __init__(self, pipeline: TextToMusicPipeline):
        super().__init__()
        self.encoder = pipeline.text_encoder

    def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states (1, LONGEST, width) and their mean (1, 1, width) of word pieces (1, pieces)."""
        states = self.encoder(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state
        return nn.functional.pad(states, (0, 0, 0, LONGEST))[:, :LONGEST], states.mean(dim=1, keepdim=True)


class Denoiser(nn.Module):
    """One step, ``musicwords.diffusion.velocity``, of the same latents under each condition of a batch.

    Where the tokens stand is a constant here: as the function computes it, it cannot be exported.
    """

    def __init__(self, pipeline: TextToMusicPipeline):
        super().__init__()
        self.transformer = pipeline.transformer
        places = torch.arange(pipeline.frames // PATCH + 1)  # one token more: level and mean
        width = self.transformer.config.attention_head_dim // 2
        self.rotary = get_1d_rotary_pos_embed(width, places, use_real=True, repeat_interleave_real=False)

    def forward(
        self, latents: torch.Tensor, level: torch.Tensor, states: torch.Tensor, mean: torch.Tensor
    ) -> torch.Tensor:
        """Return velocities (conditions, channels, frames) of latents (1, channels, frames) at a level (1,).

        ``states`` is (conditions, LONGEST, width), and ``mean`` (conditions, 1, width).
        """
        count, channels = states.shape[0], latents.shape[1]
        # (1, channels, frames) -> (conditions, PATCH * channels, tokens)
        patches = latents.unflatten(2, (-1, PATCH)).permute(0, 3, 1, 2).flatten(1, 2).expand(count, -1, -1)
        found = self.transformer(
            patches,
            level.expand(count),
            encoder_hidden_states=states,
            global_hidden_states=mean,
            rotary_embedding=self.rotary,
            return_dict=False,
        )[0]
        return found.unflatten(1, (PATCH, channels)).permute(0, 2, 3, 1).flatten(2)


class Decoder(nn.Module):
    """What ``TextToMusicPipeline.decode`` computes, with the Fourier transform as a product of matrices.

    No runtime for the browser has the transform of 1,280 numbers, and its matrices would be half of the file: the graph
    computes them from their rows and columns. Beside the sound stands the power of the mel bands that it is made from.
    """

    def __init__(self, pipeline: TextToMusicPipeline):
        super().__init__()
        decoder = pipeline.codec.decoder
        self.input, self.blocks, self.norm, self.output = decoder.input, decoder.blocks, decoder.norm, decoder.output
        self.fold, self.hop, self.size = decoder.fold, decoder.hop, decoder.window
        mean, std = pipeline.statistics()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        bins, frames = self.size // 2 + 1, pipeline.frames * self.fold
        window = torch.hann_window(self.size)
        twice = torch.full((bins,), 2.0)  # of all bins but the first and the last, the transform has two
        twice[[0, -1]] = 1.0
        self.register_buffer("rows", torch.arange(bins, dtype=torch.float32)[:, None])
        self.register_buffer("columns", torch.arange(self.size, dtype=torch.float32)[None])
        self.register_buffer("share", twice / self.size)
        self.register_buffer("window", window)
        (overlap,) = overlap_add((window**2).expand(1, frames, -1), self.hop)
        self.side = (self.size - self.hop) // 2
        self.register_buffer("overlap", overlap[self.side : self.side + frames * self.hop].clamp(min=1e-3))
        rate = pipeline.codec.config.sampling_rate
        bands = librosa.filters.mel(sr=rate, n_fft=self.size, n_mels=PICTURE_SIZE[1])
        self.bands = nn.Linear(bins, len(bands), bias=False)
        self.bands.weight.data = torch.from_numpy(bands)

    def forward(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return audio (1, samples), and the power of mel bands (1, frames of the spectrogram, bands).

        Latents are (1, channels, frames) of a whole clip, and standardized.
        """
        hidden = self.input((latents * self.std + self.mean).transpose(1, 2))
        hidden = self.blocks(hidden.unflatten(2, (self.fold, -1)).flatten(1, 2))
        log_magnitude, real, imaginary = self.output(self.norm(hidden)).chunk(3, dim=2)
        magnitude = log_magnitude.clamp(max=LOUDEST).exp()
        size = magnitude * torch.rsqrt(real**2 + imaginary**2 + 1e-6) * self.share
        turns = self.rows @ self.columns  # whole numbers below 2 ** 24, so that all of them are exact
        angle = (turns - self.size * (turns / self.size).floor()) * (2 * torch.pi / self.size)
        pieces = ((size * real) @ angle.cos() - (size * imaginary) @ angle.sin()) * self.window
        audio = overlap_add(pieces, self.hop)[:, self.side : self.side + len(self.overlap)] / self.overlap
        return audio, self.bands(magnitude**2)


def round_pipeline(pipeline: TextToMusicPipeline) -> None:
    """Round the weights that generate, in place, as the browser has them: all but the ``EXACT`` ones."""
    inside = [part for part in pipeline.transformer.children() if not isinstance(part, nn.Conv1d)]
    for part in (pipeline.text_encoder, *inside, pipeline.codec.decoder):
        round_weights(part)


def write_graphs(pipeline: TextToMusicPipeline, target: Path) -> None:
    """Write the three graphs of a pipeline, whose weights are rounded for it."""
    round_pipeline(pipeline)
    config = pipeline.transformer.config
    latents = torch.zeros(1, config.in_channels // PATCH, pipeline.frames)
    states = torch.zeros(2, LONGEST, config.cross_attention_input_dim)
    conditions = {"latents": latents, "level": torch.ones(1), "states": states, "mean": states[:, :1]}
    pieces = {"input_ids": torch.tensor([[2, 5, 6, 3]])}
    batch = {name: {0: "conditions"} for name in ("states", "mean", "velocity")}
    decoder = Decoder(pipeline)
    round_weights(decoder)  # the bands of the picture
    for name, graph in {
        "prompt_encoder": export(PromptEncoder(pipeline), pieces, ["states", "mean"], {"input_ids": {1: "pieces"}}),
        "denoiser": export(Denoiser(pipeline), conditions, ["velocity"], batch, EXACT),
        "decoder": export(decoder, {"latents": latents}, ["audio", "bands"], {}),
    }.items():
        write(target / f"{name}.onnx.gzip", graph)


def settings(pipeline: TextToMusicPipeline) -> dict:
    """What the scripts need to know beside the graphs.

    ``shares`` is which share of the variance is music at each timestep of training, and ``color`` has the 256 colors of
    a spectrogram, from soft to loud.
    """
    codec, config = pipeline.codec.config, pipeline.transformer.config
    bands = librosa.mel_frequencies(PICTURE_SIZE[1] + 2, fmax=codec.sampling_rate / 2)[1:-1]
    words = {name: json.loads((CHECKPOINT / "tokenizer" / f"{name}.json").read_text(encoding="utf-8"))
             for name in ("tokenizer", "tokenizer_config")}  # fmt: skip
    return {
        "tokenizer": words["tokenizer"] | {"truncation": None, "padding": None},
        "tokenizerConfig": words["tokenizer_config"],
        "longest": LONGEST,
        "mostUnknown": MOST_UNKNOWN,
        "width": config.cross_attention_input_dim,
        "channels": config.in_channels // PATCH,
        "frames": pipeline.frames,
        "rate": codec.sampling_rate,
        "samples": pipeline.samples,
        "shares": pipeline.scheduler.alphas_cumprod.tolist(),
        "rescale": signature(TextToMusicPipeline.__call__).parameters["guidance_rescale"].default,
        "bands": [round(float(one)) for one in bands],
        "colors": matplotlib.colormaps["magma"](range(256), bytes=True)[:, :3].tolist(),
        "range": DYNAMIC_RANGE,
        "softest": SOFTEST,
    }


def write_group(target: Path, made: Path, groups: dict[str, Path]) -> dict:
    """Write graphs, settings and the library that reads prompts to ``target``; there is nothing to say of them."""
    take(("tokenizers.js", "LICENSE-tokenizers.txt"), target, made)
    pipeline = TextToMusicPipeline.from_pretrained(CHECKPOINT)
    write(target / "generator.json.gzip", json.dumps(settings(pipeline), ensure_ascii=False).encode())
    write_graphs(pipeline, target)
    return {}
