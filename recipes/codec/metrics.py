"""How near a sound is to the original, measured where ears listen: spectrum, harmony, strokes, timbre."""

import librosa
import numpy as np
import torch

from recipes.codec.audio import SAMPLE_RATE
from recipes.codec.losses import PILOT_SCALES, spectral_losses

NAMES = ("log-mel L1", "chroma r", "onset r")
SILENT = 1e-4  # standard deviations with a smaller product have no correlation


def log_mel_distance(made: np.ndarray, wanted: np.ndarray) -> float:
    """Mean absolute difference of log-mel spectrograms on four scales, natural logarithm; 0 is the same.

    Parameters
    ----------
    made, wanted : numpy.ndarray, shape (samples,), float32
    """
    distance, _ = spectral_losses(torch.from_numpy(made)[None], torch.from_numpy(wanted)[None], PILOT_SCALES)
    return distance.item()


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlation along the first axis; NaN where one of the two does not vary."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    size = np.sqrt((one**2).mean(axis=0) * (other**2).mean(axis=0))
    return np.where(size > SILENT, (one * other).mean(axis=0) / np.maximum(size, SILENT), np.nan)


def chroma(audio: np.ndarray) -> np.ndarray:
    """Share of the twelve pitch classes in each tenth of a second, shape (12, frames)."""
    return librosa.feature.chroma_stft(y=audio, sr=SAMPLE_RATE, n_fft=4096, hop_length=1600, tuning=0)


def chroma_correlation(made: np.ndarray, wanted: np.ndarray) -> float:
    """Mean over the frames of the correlation of chroma: 1 where the same notes sound; NaN for silence."""
    frames = correlation(chroma(made), chroma(wanted))
    return float(frames[np.isfinite(frames)].mean()) if np.isfinite(frames).any() else np.nan


def onset_correlation(made: np.ndarray, wanted: np.ndarray) -> float:
    """Correlation over time of the strength of onsets: 1 where the strokes are the same; NaN for silence."""
    strengths = (librosa.onset.onset_strength(y=audio, sr=SAMPLE_RATE) for audio in (made, wanted))
    return float(correlation(*strengths))


def mel_statistics(audio: np.ndarray) -> np.ndarray:
    """What probes hear, shape (192,): of 64 log-mel bands the mean, the spread, and the spread of what changes."""
    mel = librosa.feature.melspectrogram(y=audio, sr=SAMPLE_RATE, n_fft=1024, hop_length=512, n_mels=64)
    bands = np.log(mel + 1e-6)
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), np.diff(bands, axis=1).std(axis=1)])


def measures(made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The metrics in ``NAMES`` of one sound beside the original."""
    functions = (log_mel_distance, chroma_correlation, onset_correlation)
    return np.array([function(made, wanted) for function in functions])
