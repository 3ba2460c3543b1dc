"""A neural audio codec for music: audio to a few integers a frame, and back.

It is an ``EncodecModel`` of transformers [1]_ whose two networks are exchanged: the encoder reads a spectrogram, and
the decoder writes one, which the inverse short-time Fourier transform (STFT) turns into sound, as in Vocos [2]_. Such
networks learn in an hour of two CPU cores what EnCodec's convolutions on samples learn in days of GPUs. Residual vector
quantization, bandwidths, ``encode``, ``decode`` and saving are those of ``EncodecModel``.

Derived in: notebooks/generation/codecs.ipynb

>>> from transformers import AutoFeatureExtractor, AutoModel
>>> import musicwords.codec  # makes AutoModel know "spectral_codec"
>>> codec = AutoModel.from_pretrained(folder)  # doctest: +SKIP
>>> codes = codec.encode(audio[None, None], bandwidth=1.8).audio_codes  # doctest: +SKIP

References
----------
.. [1] A. Défossez, J. Copet, G. Synnaeve and Y. Adi, "High fidelity neural audio compression", Transactions on Machine
       Learning Research, 2023. arXiv:2210.13438
.. [2] H. Siuzdak, "Vocos: closing the gap between time-domain and Fourier-based neural vocoders for high-quality audio
       synthesis", ICLR 2024. arXiv:2306.00814
.. [3] Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell and S. Xie, "A ConvNet for the 2020s", CVPR 2022.
       arXiv:2201.03545
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, EncodecConfig, EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecResidualVectorQuantizer

from musicwords.signal import check_batch

WINDOW_HOPS = 4  # length of the STFT's window, in hops
COMPRESSION = 0.3  # power of the magnitude that real and imaginary parts keep at the encoder's input
SMALLEST = 1e-5  # magnitude that counts as silence
LOUDEST = 6.0  # largest log magnitude that the decoder writes
KERNEL = 7  # frames that a block sees


class SpectralCodecConfig(EncodecConfig):
    """Configuration of a :class:`SpectralCodec`.

    Those of ``EncodecConfig`` that describe its convolutions are without effect, but for ``upsampling_ratios``: how
    many frames of the STFT one latent stands for, and how many samples a frame of the STFT moves on.

    Parameters
    ----------
    width : int
        Channels of the blocks.
    encoder_blocks, decoder_blocks : int
        Number of ConvNeXt blocks of each network.
    expansion : int
        Channels inside a block, as a multiple of ``width``.
    latents_mean, latents_std : list of float, or None
        Of each dimension of the latents, over the training clips: what a diffusion model standardizes them with.
    """

    model_type = "spectral_codec"

    sampling_rate: int = 16_000
    target_bandwidths: list[float] | tuple[float, ...] = (0.225, 0.45, 0.9, 1.8)  # of 1, 2, 4 and 8 codebooks
    upsampling_ratios: list[int] | tuple[int, ...] = (2, 320)
    hidden_size: int = 64
    codebook_size: int = 512
    width: int = 256
    encoder_blocks: int = 2
    decoder_blocks: int = 5
    expansion: int = 3
    latents_mean: list[float] | None = None
    latents_std: list[float] | None = None


def frames(signal: torch.Tensor, length: int, hop: int) -> torch.Tensor:
    """Cut a signal into overlapping frames.

    Slices are joined, which has a fast gradient on a CPU; that of ``torch.stft`` or ``Tensor.unfold`` is slow.

    Parameters
    ----------
    signal : torch.Tensor, shape (batch, samples)
    length : int
        Of a frame in samples, a multiple of ``hop``.
    hop : int
        Samples from one frame to the next.

    Returns
    -------
    torch.Tensor, shape (batch, frames, length)
        Samples that fill no hop at the end are left out.
    """
    per_frame, hops = length // hop, signal.shape[1] // hop
    blocks = signal[:, : hops * hop].unflatten(1, (hops, hop))
    count = hops - per_frame + 1
    return torch.cat([blocks[:, at : at + count] for at in range(per_frame)], dim=2)


def overlap_add(pieces: torch.Tensor, hop: int) -> torch.Tensor:
    """Put overlapping frames together again: the sum of each at its place.

    Parameters
    ----------
    pieces : torch.Tensor, shape (batch, frames, length)
        ``length`` is a multiple of ``hop``.
    hop : int
        Samples from one frame to the next.

    Returns
    -------
    torch.Tensor, shape (batch, (frames - 1) * hop + length)
    """
    per_frame = pieces.shape[2] // hop
    blocks = pieces.unflatten(2, (per_frame, hop))
    pad = nn.functional.pad
    return sum(pad(blocks[:, :, at], (0, 0, at, per_frame - 1 - at)) for at in range(per_frame)).flatten(1)


class ConvNeXtBlock(nn.Module):
    """Mix neighbouring frames channel by channel, then channels frame by frame; add to what came in [3]_.

    Maps (batch, frames, width) to the same shape.
    """

    def __init__(self, width: int, expansion: int, scale: float):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(KERNEL, width) / (2 * KERNEL**0.5))
        self.bias = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        length = hidden.shape[1]
        padded = nn.functional.pad(hidden, (0, 0, KERNEL // 2, KERNEL // 2))
        # A depthwise convolution as a sum of slices: several times faster here than Conv1d(groups=width).
        mixed = self.bias + sum(padded[:, at : at + length] * self.kernel[at] for at in range(KERNEL))
        return hidden + self.scale * self.contract(nn.functional.gelu(self.expand(self.norm(mixed))))


def blocks(count: int, config: SpectralCodecConfig) -> nn.Sequential:
    return nn.Sequential(*[ConvNeXtBlock(config.width, config.expansion, 1 / count) for _ in range(count)])


class SpectralEncoder(nn.Module):
    """From samples, shape (batch, 1, samples), to latents, shape (batch, hidden_size, frames).

    There is one frame for each ``hop_length`` that has begun: ``ceil(samples / hop_length)``.
    """

    def __init__(self, config: SpectralCodecConfig):
        super().__init__()
        self.fold, self.hop = config.upsampling_ratios
        self.window = WINDOW_HOPS * self.hop
        self.input = nn.Linear(3 * (self.window // 2 + 1), config.width)
        self.blocks = blocks(config.encoder_blocks, config)
        self.output = nn.Linear(self.fold * config.width, config.hidden_size)
        # All latents have the same length, so that codebooks and a diffusion model know where to look for them.
        self.norm = nn.LayerNorm(config.hidden_size, elementwise_affine=False)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        check_batch(audio, "SpectralCodec")
        missing = -audio.shape[2] % (self.fold * self.hop)
        side = (self.window - self.hop) // 2
        padded = nn.functional.pad(audio[:, 0], (side, side + missing))
        window = torch.hann_window(self.window, device=audio.device)
        spectrum = torch.fft.rfft(frames(padded, self.window, self.hop) * window)
        magnitude = spectrum.abs() + SMALLEST
        compressed = spectrum * magnitude ** (COMPRESSION - 1)
        features = torch.cat([0.5 * magnitude.log() + 0.5, compressed.real, compressed.imag], dim=2)
        hidden = self.blocks(self.input(features))
        return self.norm(self.output(hidden.unflatten(1, (-1, self.fold)).flatten(2)).float()).transpose(1, 2)


class SpectralDecoder(nn.Module):
    """From latents, shape (batch, hidden_size, frames), to samples, shape (batch, 1, frames * hop_length)."""

    def __init__(self, config: SpectralCodecConfig):
        super().__init__()
        self.fold, self.hop = config.upsampling_ratios
        self.window = WINDOW_HOPS * self.hop
        self.input = nn.Linear(config.hidden_size, self.fold * config.width)
        self.blocks = blocks(config.decoder_blocks, config)
        self.norm = nn.LayerNorm(config.width)
        self.output = nn.Linear(config.width, 3 * (self.window // 2 + 1))

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        hidden = self.input(latents.transpose(1, 2))
        hidden = self.blocks(hidden.unflatten(2, (self.fold, -1)).flatten(1, 2))
        log_magnitude, real, imaginary = self.output(self.norm(hidden)).float().chunk(3, dim=2)
        # The phase is the direction of (real, imaginary); their length says nothing.
        size = log_magnitude.clamp(max=LOUDEST).exp() * torch.rsqrt(real**2 + imaginary**2 + 1e-6)
        window = torch.hann_window(self.window, device=latents.device)
        pieces = torch.fft.irfft(torch.complex(size * real, size * imaginary), self.window) * window
        audio = overlap_add(pieces, self.hop)
        weight = overlap_add((window**2).expand(1, pieces.shape[1], -1), self.hop)
        side, length = (self.window - self.hop) // 2, pieces.shape[1] * self.hop
        audio = audio[:, side : side + length] / weight[:, side : side + length].clamp(min=1e-3)
        return audio[:, None]


class SpectralCodec(EncodecModel):
    """A codec with the interface of ``EncodecModel``, between spectrograms instead of samples.

    ``encode(audio, bandwidth=...)`` takes audio of shape (batch, 1, samples) at ``config.sampling_rate`` and gives
    ``audio_codes`` of shape (1, batch, codebooks, frames). The bandwidth, one of ``config.target_bandwidths`` in
    kbit/s, says how many codebooks are used. ``decode(audio_codes, audio_scales)`` gives ``audio_values`` of shape
    (batch, 1, frames * hop_length); the scales are ``[None]``. For latents before quantization, call ``encoder``.

    Raises
    ------
    ValueError
        If audio has another number of channels than one, no samples, or samples that are NaN or infinite, or if the
        bandwidth is not one of the configuration. The feature extractor of the checkpoint raises it for another
        sampling rate.
    """

    config_class = SpectralCodecConfig

    def __init__(self, config: SpectralCodecConfig):
        super(EncodecModel, self).__init__(config)  # without EnCodec's own networks
        self.encoder = SpectralEncoder(config)
        self.decoder = SpectralDecoder(config)
        self.quantizer = EncodecResidualVectorQuantizer(config)
        self.bits_per_codebook = config.codebook_nbits
        self.post_init()

    def encode(self, input_values: torch.Tensor, *arguments, **settings):
        """As ``EncodecModel.encode``, which would meet audio without samples with an error about a range."""
        check_batch(input_values, "SpectralCodec")
        return super().encode(input_values, *arguments, **settings)


AutoConfig.register(SpectralCodecConfig.model_type, SpectralCodecConfig)
AutoModel.register(SpectralCodecConfig, SpectralCodec)
