"""The musicnn music auto-taggers, in PyTorch.

musicnn listens to three seconds of music and gives a probability for each of 50 tags, such as "piano" or
"female vocal". Its filters have musical shapes: tall ones (many mel bands, few frames) for timbre, long ones
(one mel band, many frames) for rhythm. The layer before the tags is a good embedding of the audio.

The checkpoints are the published ones; `recipes/musicnn/convert.py` rewrote them from TensorFlow.

References
----------
.. [1] J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
       late-breaking demo, ISMIR 2019. arXiv:1909.06654
.. [2] J. Pons, O. Nieto, M. Prockup, E. Schmidt, A. Ehmann and X. Serra, "End-to-end learning for music audio
       tagging at scale", ISMIR 2018.
"""

import contextlib
import io
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import librosa
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from musicwords.signal import check_signal

SAMPLE_RATE = 16_000  # Hz
HOP_LENGTH = 256  # samples from one mel frame to the next: 16 ms
FFT_SIZE = 512  # samples in the window of one frame: 32 ms
N_MELS = 96
PATCH_FRAMES = 187  # mel frames that the network sees at once
PATCH_SECONDS = 3.0  # audio that one patch needs

BATCH_NORM_EPS = 1e-3  # TensorFlow's default; PyTorch's is 1e-5
TIMBRAL_KERNELS = ((7, 38), (7, 67))  # (frames, mel bands): 40 % and 70 % of the mel axis
TEMPORAL_KERNELS = ((128, 1), (64, 1), (32, 1))  # 2.0, 1.0 and 0.5 s of one mel band


class Tagging(NamedTuple):
    """What `Musicnn` hears in a batch of patches."""

    probabilities: torch.Tensor  # (batch, labels), each between 0 and 1, independent of one another
    embedding: torch.Tensor  # (batch, dense_units)


def log_mel_patches(audio: np.ndarray, hop: float | None = None) -> torch.Tensor:
    """Cut audio into the log-mel patches that `Musicnn` reads.

    Parameters
    ----------
    audio : np.ndarray, shape (samples,)
        Mono audio, -1 to 1, at 16 kHz, at least 3 s.
    hop : float, optional
        Seconds from the start of one patch to the start of the next, rounded to mel frames of 16 ms. By
        default patches follow one another without overlap; a smaller hop gives a finer taggram.

    Returns
    -------
    torch.Tensor, shape (patches, 187, 96), float32
        ``log10(1 + 10000 * mel power)``. A rest at the end that is too short for a patch is left out.

    Raises
    ------
    ValueError
        As ``check_signal`` for less than 3 s, or if `hop` is shorter than a mel frame.

    Examples
    --------
    >>> log_mel_patches(np.zeros(10 * SAMPLE_RATE, dtype=np.float32)).shape
    torch.Size([3, 187, 96])
    """
    # In float32: the published code's float16 overflows in numpy 2.
    audio = check_signal(audio, "log_mel_patches", SAMPLE_RATE, shortest=PATCH_SECONDS)
    step = PATCH_FRAMES if hop is None else round(hop * SAMPLE_RATE / HOP_LENGTH)
    if step < 1:
        raise ValueError(
            f"log_mel_patches got a hop of {hop} s and expects at least one mel frame, "
            f"{HOP_LENGTH / SAMPLE_RATE} s: give a larger hop."
        )
    power = librosa.feature.melspectrogram(
        y=audio, sr=SAMPLE_RATE, n_fft=FFT_SIZE, hop_length=HOP_LENGTH, n_mels=N_MELS, pad_mode="constant"
    )
    mel = torch.from_numpy(np.log10(1 + 10_000 * power).astype(np.float32)).T  # (frames, 96)
    return mel.unfold(0, PATCH_FRAMES, step).transpose(1, 2).contiguous()


def spectrogram_filters(channels: int, kernel: tuple[int, int]) -> nn.Sequential:
    """Filters of one shape over a spectrogram, ``(batch, 1, frames, mels)``; they keep its length.

    Note the order, here and below: batch norm comes *after* the activation.
    """
    padding = kernel[0] - 1
    return nn.Sequential(
        OrderedDict(
            pad=nn.ZeroPad2d((0, 0, padding // 2, padding - padding // 2)),
            conv=nn.Conv2d(1, channels, kernel),
            relu=nn.ReLU(),
            norm=nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS),
        )
    )


def frame_filters(channels_in: int, channels_out: int) -> nn.Sequential:
    """Filters over seven frames of all channels, ``(batch, channels, frames)``; they keep the length."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv1d(channels_in, channels_out, kernel_size=7, padding=3),
            relu=nn.ReLU(),
            norm=nn.BatchNorm1d(channels_out, eps=BATCH_NORM_EPS),
        )
    )


class FrontEnd(nn.Module):
    """Two timbral and three temporal filter shapes, each reduced to its maximum over the mel axis."""

    def __init__(self, timbral_filters: int, temporal_filters: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=BATCH_NORM_EPS)
        self.timbral = nn.ModuleList(spectrogram_filters(timbral_filters, kernel) for kernel in TIMBRAL_KERNELS)
        self.temporal = nn.ModuleList(spectrogram_filters(temporal_filters, kernel) for kernel in TEMPORAL_KERNELS)
        self.channels = 2 * timbral_filters + 3 * temporal_filters

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        spectrogram = self.norm(mel.unsqueeze(1))  # (batch, 1, frames, mels)
        maxima = [filters(spectrogram).amax(dim=3) for filters in (*self.timbral, *self.temporal)]
        return torch.cat(maxima, dim=1)  # (batch, channels, frames)


class MidEnd(nn.Module):
    """Three convolutions over time, the last two residual. The input and all three outputs are passed on."""

    def __init__(self, channels_in: int, filters: int):
        super().__init__()
        self.layers = nn.ModuleList(frame_filters(channels, filters) for channels in (channels_in, filters, filters))
        self.channels = channels_in + 3 * filters

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        first = self.layers[0](features)
        second = first + self.layers[1](first)
        third = second + self.layers[2](second)
        return torch.cat([features, first, second, third], dim=1)  # (batch, channels, frames)


class BackEnd(nn.Module):
    """Maximum and mean over time, then a dense layer (the embedding) and the output layer."""

    def __init__(self, channels_in: int, dense_units: int, n_labels: int):
        super().__init__()
        self.pool_norm = nn.BatchNorm1d(2 * channels_in, eps=BATCH_NORM_EPS)
        self.dense = nn.Linear(2 * channels_in, dense_units)
        self.dense_norm = nn.BatchNorm1d(dense_units, eps=BATCH_NORM_EPS)
        self.output = nn.Linear(dense_units, n_labels)
        self.dropout = nn.Dropout(0.5)

    def forward(self, features: torch.Tensor) -> Tagging:
        pooled = torch.stack([features.amax(dim=2), features.mean(dim=2)], dim=2)  # (batch, channels, 2)
        pooled = self.dropout(self.pool_norm(pooled.flatten(1)))  # maximum and mean of each channel in turn
        embedding = self.dense_norm(self.dense(pooled).relu())
        return Tagging(self.output(self.dropout(embedding)).sigmoid(), embedding)


class Musicnn(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="musicwords",
    license="isc",
    pipeline_tag="audio-classification",
    paper_url="https://arxiv.org/abs/1909.06654",
):
    """The musicnn music auto-tagger [1]_.

    Parameters
    ----------
    labels : sequence of str
        The tags, in the order of the outputs.
    timbral_filters, temporal_filters : int
        Filters of each timbral and of each temporal shape in the front end.
    mid_filters : int
        Filters of each of the three mid-end layers.
    dense_units : int
        Size of the embedding.

    Examples
    --------
    >>> model = Musicnn.from_pretrained(pretrained_model_name_or_path=folder)  # doctest: +SKIP
    >>> tagging = model(log_mel_patches(audio))  # doctest: +SKIP
    >>> model.labels[tagging.probabilities.mean(dim=0).argmax()]  # doctest: +SKIP
    'piano'
    """

    def __init__(
        self,
        labels: Sequence[str],
        timbral_filters: int = 204,
        temporal_filters: int = 51,
        mid_filters: int = 64,
        dense_units: int = 200,
    ):
        super().__init__()
        self.labels = list(labels)
        self.front_end = FrontEnd(timbral_filters, temporal_filters)
        self.mid_end = MidEnd(self.front_end.channels, mid_filters)
        self.back_end = BackEnd(self.mid_end.channels, dense_units, len(self.labels))

    def forward(self, mel: torch.Tensor) -> Tagging:
        """Tag and embed a batch of patches.

        Parameters
        ----------
        mel : torch.Tensor, shape (batch, frames, 96)
            Patches from `log_mel_patches`. The network was trained on 187 frames; it takes other lengths too.

        Returns
        -------
        Tagging
            `probabilities`, shape (batch, labels), do not sum to 1: several tags can be likely at once.
            `embedding`, shape (batch, dense_units): the dense layer after its activation and batch norm,
            called "penultimate" in the published code. The logits of the tags are a linear map of it.

        Raises
        ------
        ValueError
            If `mel` does not have the shape (batch, frames, 96).
        """
        if mel.ndim != 3 or mel.shape[2] != N_MELS:
            raise ValueError(
                f"Musicnn got an input of shape {tuple(mel.shape)} and expects (batch, frames, {N_MELS}): "
                "make it from audio with log_mel_patches."
            )
        return self.back_end(self.mid_end(self.front_end(mel)))

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **options) -> "Musicnn":
        """Load as the mixin does, but refuse a file in which a tensor is missing, and print nothing."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super()._from_pretrained(strict=strict, **options)
