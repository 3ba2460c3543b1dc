"""How far one sound is from another, for ears rather than sample by sample."""

from dataclasses import dataclass
from functools import cache

import librosa
import torch

from musicwords.codec import frames
from recipes.codec.audio import SAMPLE_RATE

FLOOR = 1e-3  # added to a mel band before the logarithm: quieter than this is silence
LOWEST = 20.0  # Hz


@dataclass(frozen=True)
class Scale:
    """One short-time Fourier transform: window and hop in samples, and how many mel bands it is summed into."""

    window: int
    hop: int
    bands: int


# Long windows tell notes apart, short ones the time of a stroke.
SCALES = (Scale(4096, 1024, 160), Scale(2048, 512, 80), Scale(1024, 256, 64), Scale(512, 128, 40), Scale(256, 64, 24))
PILOT_SCALES = SCALES[1:]


@cache
def filters(scale: Scale) -> torch.Tensor:
    """Mel filters, shape (frequencies, bands)."""
    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=scale.window, n_mels=scale.bands, fmin=LOWEST)
    return torch.from_numpy(mel.T.copy())


def magnitudes(audio: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Of the short-time Fourier transform, shape (batch, frames, frequencies), from audio (batch, samples)."""
    spectrum = torch.fft.rfft(frames(audio, scale.window, scale.hop) * torch.hann_window(scale.window))
    return (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()


def log_mel(magnitude: torch.Tensor, scale: Scale) -> torch.Tensor:
    return (magnitude @ filters(scale) + FLOOR).log()


def spectral_losses(made: torch.Tensor, wanted: torch.Tensor, scales: tuple[Scale, ...] = SCALES) -> tuple:
    """Mean over the scales of the log-mel distance and of the spectral convergence.

    Parameters
    ----------
    made, wanted : torch.Tensor, shape (batch, samples)

    Returns
    -------
    log_mel_distance : torch.Tensor
        Mean absolute difference of natural logarithms.
    convergence : torch.Tensor
        Distance of magnitudes, as a share of the size of the wanted ones: what is loud counts most.
    """
    distance = convergence = torch.zeros(())
    for scale in scales:
        one = magnitudes(made, scale)
        with torch.no_grad():
            other = magnitudes(wanted, scale)
        distance = distance + (log_mel(one, scale) - log_mel(other, scale)).abs().mean()
        size = (other**2).mean().sqrt() + 1e-3
        convergence = convergence + ((one - other) ** 2).mean().sqrt() / size
    return distance / len(scales), convergence / len(scales)
