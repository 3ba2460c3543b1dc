"""What describes a reader's own music in a browser: a tagger, the ears of the mini CLAP, and the captioner.

Each is an ONNX graph that begins with the samples of mono audio at 16 kHz, so that the script in the browser computes
no spectrogram. Weights are rounded to 8 bits in the models themselves: see ``eight_bits.py``.
"""

import json
import warnings
from pathlib import Path

import librosa
import numpy as np
import torch
from eight_bits import export, round_weights
from files import write
from torch import nn
from transformers import ClapFeatureExtractor, ClapModel, ClapProcessor, GPT2LMHeadModel

from musicwords import musicnn
from musicwords.captioner import Captioner, audio_vectors
from musicwords.checkpoints import SHIPPED
from musicwords.clips import RECORDINGS, load_audio, load_clips
from musicwords.musicnn import Musicnn

SECONDS = 10  # that the ears hear at once
TASK = "plain"  # style of the captions
LONGEST = 96  # tokens of a caption, at most, as Captioner.captions has it
PATCH = (musicnn.PATCH_FRAMES - 1) * musicnn.HOP_LENGTH + musicnn.FFT_SIZE  # samples that the tagger hears at once


def power_spectrogram(audio: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """Return |STFT|² with a periodic Hann window, of frames that lie within the audio.

    In 64 bits, as in Python: the bands of quiet frames that hold hardly anything differ in 32 by a tenth of a decibel.

    Parameters
    ----------
    audio : torch.Tensor, shape (1, samples)

    Returns
    -------
    torch.Tensor of float64, shape (1, frames, size // 2 + 1)
    """
    window = torch.hann_window(size, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX has no complex numbers
        parts = torch.stft(audio.double(), size, hop, window=window, center=False, return_complex=False)
    return parts.square().sum(dim=-1).transpose(1, 2)


class ClapMel(nn.Module):
    """What ``ClapFeatureExtractor`` makes of ten seconds: decibels of mel bands."""

    def __init__(self, extractor: ClapFeatureExtractor):
        super().__init__()
        self.size, self.hop = extractor.fft_window_size, extractor.hop_length
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters_slaney))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the input of ``ClapAudioModel`` (1, 1, frames, bands) of audio (1, samples)."""
        padded = nn.functional.pad(audio[:, None], (self.size // 2, self.size // 2), mode="reflect")[:, 0]
        mel = power_spectrogram(padded, self.size, self.hop) @ self.filters
        return 10 * mel.clamp(min=1e-10).log10().float()[:, None]


class Ears(nn.Module):
    """The audio tower of the mini CLAP, its projection, and the mapping network of the captioner."""

    def __init__(self, clap: ClapModel, captioner: Captioner, extractor: ClapFeatureExtractor):
        super().__init__()
        self.mel = ClapMel(extractor)
        self.tower, self.projection, self.mapping = clap.audio_model, clap.audio_projection, captioner.mapping

    def forward(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Hear ten seconds.

        Parameters
        ----------
        audio : torch.Tensor, shape (1, 160000)

        Returns
        -------
        mel : torch.Tensor, shape (1, 1, 512, 128), in dB
        audio_embedding : torch.Tensor, shape (1, 512)
            A unit vector.
        prefix : torch.Tensor, shape (1, vectors, width)
            For the captioner.
        """
        mel = self.mel(audio)
        heard = self.tower(input_features=mel)
        embedding = nn.functional.normalize(self.projection(heard.pooler_output), dim=-1)
        vectors = (audio_vectors(heard.last_hidden_state) - self.mapping.mean) / self.mapping.std
        whole = self.mapping.layers(vectors[:, 0]).unflatten(1, (self.mapping.prefix_length, self.mapping.width))
        prefix = torch.cat([whole, self.mapping.part_layers(vectors[:, 1:]) + self.mapping.places], dim=1)
        return mel, embedding, prefix


def linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    """Return a layer with these weights (outputs, inputs)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.detach().clone()
    if bias is not None:
        layer.bias.data = bias.detach().clone()
    return layer


class Block(nn.Module):
    """A layer of GPT-2, with keys and values of the tokens before."""

    def __init__(self, block: nn.Module, heads: int):
        super().__init__()
        self.heads = heads
        self.first_norm, self.second_norm, self.activation = block.ln_1, block.ln_2, block.mlp.act
        for name, layer in {
            "asked": block.attn.c_attn,
            "joined": block.attn.c_proj,
            "wide": block.mlp.c_fc,
            "narrow": block.mlp.c_proj,
        }.items():
            setattr(self, name, linear(layer.weight.T, layer.bias))

    def forward(self, x: torch.Tensor, past: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states (1, new, width), and keys and values (2, heads, past + new, size)."""
        new, width = x.shape[1], x.shape[2]
        query, *pair = self.asked(self.first_norm(x)).reshape(new, 3, self.heads, -1).permute(1, 2, 0, 3)
        present = torch.cat([past, torch.stack(pair)], dim=2)
        scores = query @ present[0].transpose(1, 2) / (width // self.heads) ** 0.5  # (heads, new, past + new)
        weights = scores.masked_fill(hidden, -1e9).softmax(dim=-1)
        heard = (weights @ present[1]).transpose(0, 1).reshape(1, new, width)
        x = x + self.joined(heard)
        return x + self.narrow(self.activation(self.wide(self.second_norm(x)))), present


class Writer(nn.Module):
    """The GPT-2 of the captioner: gives the most probable next token, one at a time."""

    def __init__(self, gpt: GPT2LMHeadModel):
        super().__init__()
        body, heads = gpt.transformer, gpt.config.n_head
        self.words, self.norm = nn.Embedding.from_pretrained(body.wte.weight.detach().clone()), body.ln_f
        self.register_buffer("places", body.wpe.weight.detach().clone())
        self.blocks = nn.ModuleList(Block(block, heads) for block in body.h)
        self.head = linear(gpt.lm_head.weight)  # the words again, rounded more finely

    def forward(
        self, prefix: torch.Tensor, token: torch.Tensor, past: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read a prefix and a token, and choose the next one.

        Parameters
        ----------
        prefix : torch.Tensor, shape (1, vectors, width)
            Without vectors after the first token.
        token : torch.Tensor of int64, shape (1, 1)
        past : torch.Tensor, shape (layers, 2, heads, before, size)
            What was given as ``present`` for the token before; ``before`` is 0 for the first one.

        Returns
        -------
        following : torch.Tensor of int64, shape (1, 1)
        present : torch.Tensor, shape (layers, 2, heads, before + vectors + 1, size)
        """
        x = torch.cat([prefix, self.words(token)], dim=1)
        place = torch.arange(x.shape[1]) + past.shape[3]  # (new,)
        x = x + self.places[place]
        hidden = torch.arange(past.shape[3] + x.shape[1])[None] > place[:, None]  # (new, past + new)
        presents = []
        for block, one in zip(self.blocks, past.unbind(0), strict=True):
            x, present = block(x, one, hidden)
            presents.append(present)
        following = self.head(self.norm(x[:, -1:])).argmax(dim=-1)
        return following, torch.stack(presents)


class Tagger(nn.Module):
    """musicnn on the samples of three seconds."""

    def __init__(self, model: Musicnn):
        super().__init__()
        self.model = model
        filters = librosa.filters.mel(sr=musicnn.SAMPLE_RATE, n_fft=musicnn.FFT_SIZE, n_mels=musicnn.N_MELS)
        self.register_buffer("filters", torch.from_numpy(filters.T.astype(np.float64)))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (1, tags) of audio (1, PATCH), the frames of a patch with their windows."""
        mel = power_spectrogram(audio, musicnn.FFT_SIZE, musicnn.HOP_LENGTH) @ self.filters
        return self.model((1 + 10_000 * mel).log10().float()).probabilities


def load_models() -> tuple[Ears, Writer, Tagger, Captioner]:
    """Return the mini models, whatever the tier: the published ones are too large for a page. Not yet rounded."""
    clap, processor = ClapModel.from_pretrained(SHIPPED / "clap"), ClapProcessor.from_pretrained(SHIPPED / "clap")
    captioner = Captioner.from_pretrained(SHIPPED / "captioner")
    tagger = Tagger(Musicnn.from_pretrained(pretrained_model_name_or_path=SHIPPED / "musicnn-mtt"))
    ears = Ears(clap, captioner, processor.feature_extractor)
    return ears.eval(), Writer(captioner.language_model).eval(), tagger.eval(), captioner


def graphs(ears: Ears, writer: Writer, tagger: Tagger) -> dict[str, bytes]:
    """Return the ONNX files of rounded models, by their names."""
    vectors = len(ears.mapping.places) + ears.mapping.prefix_length
    layers, heads = len(writer.blocks), writer.blocks[0].heads
    example = {
        "prefix": torch.zeros(1, vectors, ears.mapping.width),
        "token": torch.tensor([[1]]),
        "past": torch.zeros(layers, 2, heads, 2, ears.mapping.width // heads),
    }
    audio = torch.zeros(1, SECONDS * musicnn.SAMPLE_RATE)
    lengths = {"prefix": {1: "vectors"}, "past": {3: "before"}, "present": {3: "all"}}
    return {
        "ears": export(ears, {"audio": audio}, ["mel", "audio_embedding", "prefix"], {}, exact={"mel.filters"}),
        "writer": export(writer, example, ["following", "present"], lengths, exact={"places"}),
        "tagger": export(tagger, {"audio": audio[:, :PATCH]}, ["probabilities"], {}, exact={"filters"}),
    }


def settings(writer: Writer, tagger: Tagger, captioner: Captioner) -> dict:
    """Return what the script in the browser has to know of the models."""
    tokenizer, width = captioner.tokenizer, captioner.mapping.width
    heads = writer.blocks[0].heads
    (start,) = tokenizer(captioner.task_prompt(TASK))["input_ids"]
    return {
        "rate": musicnn.SAMPLE_RATE,
        "seconds": SECONDS,
        "patch": PATCH,
        "patchFrames": musicnn.PATCH_FRAMES,
        "hop": musicnn.HOP_LENGTH,
        "patchStart": -musicnn.FFT_SIZE // 2,  # the first frame stands in the middle of its window
        "labels": tagger.model.labels,
        "start": start,
        "end": tokenizer.eos_token_id,
        "longest": LONGEST,
        "past": [len(writer.blocks), 2, heads, 0, width // heads],
        "width": width,
        # What each token adds to a text: bytes, since a character may take several tokens.
        "pieces": [piece_bytes(tokenizer, token) for token in range(len(tokenizer))],
    }


def piece_bytes(tokenizer, token: int) -> list[int]:
    """Return the bytes of a token of GPT-2, none for a special one."""
    if token in tokenizer.all_special_ids:
        return []
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    back = {character: byte for byte, character in bytes_to_unicode().items()}
    return [back[character] for character in tokenizer.convert_ids_to_tokens(token)]


@torch.no_grad()
def caption(ears: Ears, writer: Writer, captioner: Captioner, audio: np.ndarray) -> str:
    """Return the caption of ten seconds at 16 kHz, written token by token as in a browser."""
    prefix = ears(torch.from_numpy(audio)[None])[2]
    token = torch.tensor([captioner.tokenizer(captioner.task_prompt(TASK))["input_ids"]])
    heads = writer.blocks[0].heads
    past, written = torch.zeros(len(writer.blocks), 2, heads, 0, captioner.mapping.width // heads), []
    while len(written) < LONGEST:
        token, past = writer(prefix, token, past)
        if token.item() == captioner.tokenizer.eos_token_id:
            break
        written.append(token.item())
        prefix = prefix[:, :0]
    return captioner.tokenizer.decode(written)


def load_sounds() -> list[np.ndarray]:
    """Return ten seconds of each clip and each recording that come with the book, at 16 kHz."""
    rows = [*load_clips(), *load_clips(RECORDINGS)]
    return [load_audio(row["audio"]["path"], musicnn.SAMPLE_RATE)[: SECONDS * musicnn.SAMPLE_RATE] for row in rows]


def write_group(target: Path, made: Path, groups: dict[str, Path]) -> dict:
    """Write graphs and settings to ``target``, and return how many captions of ``sounds`` rounding has ``changed``."""
    ears, writer, tagger, captioner = load_models()
    sounds = load_sounds()
    before = [caption(ears, writer, captioner, sound) for sound in sounds]
    for model in (ears, writer, tagger):
        round_weights(model)
    changed = sum(caption(ears, writer, captioner, sound) != one for sound, one in zip(sounds, before, strict=True))
    for name, data in graphs(ears, writer, tagger).items():
        write(target / f"{name}.onnx.gzip", data)
    write(target / "settings.json.gzip", json.dumps(settings(writer, tagger, captioner)).encode())
    return {"sounds": len(sounds), "changed": changed}
