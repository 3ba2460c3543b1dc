"""Features of a spectrogram that are written out: bands, onsets, periodicities, partials. Nothing here is learned."""

from itertools import pairwise

import librosa
import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter1d

SAMPLE_RATE = 16_000  # Hz
WINDOW, HOP = 1024, 256  # samples of a mel frame: 64 ms, every 16 ms
BANDS, LOWEST = 64, 30.0  # mel bands, from so many Hz up to 8 kHz
QUIETEST = 1e-8  # power of a band that counts as silence: -80 dB
DEPTH = 60.0  # dB below the loudest band of the clip that are looked at
FRAME_RATE = SAMPLE_RATE / HOP
TEMPI = 40 * 2 ** (np.arange(37) / 12)  # beats a minute, up to 320, twelve to an octave
MODULATIONS = (0.3, 1, 2, 4, 8, 16, 31)  # Hz, borders of the ranges of a modulation spectrum
FINE_WINDOW, FINE_HOP = 2048, 512  # samples, for single partials
OCTAVES = (30, 125, 250, 500, 1000, 2000, 4000, 8000)  # Hz, borders of the ranges in which partials are counted


def log_mel(audio: np.ndarray) -> np.ndarray:
    """Power of 64 mel bands in dB, shape (64, frames), from -80 dB up."""
    power = librosa.feature.melspectrogram(
        y=audio, sr=SAMPLE_RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS, fmin=LOWEST
    )
    return 10 * np.log10(np.maximum(power, QUIETEST))


def rises(mel: np.ndarray) -> np.ndarray:
    """How much each band rises within two frames, in dB, shape (64, frames - 2)."""
    return np.maximum(mel[:, 2:] - mel[:, :-2], 0)


def periodicity(envelope: np.ndarray) -> np.ndarray:
    """Autocorrelation of an envelope at one beat of each of ``TEMPI``, relative to that at no lag, shape (37,)."""
    count = len(envelope)
    spectrum = scipy.fft.rfft(envelope - envelope.mean(), 2 * count)
    found = scipy.fft.irfft(np.abs(spectrum) ** 2)[:count] / np.arange(count, 0, -1)
    return np.interp(60 / TEMPI * FRAME_RATE, np.arange(count), found / (found[0] + 1e-9))


def modulation(mel: np.ndarray) -> np.ndarray:
    """Logarithm of how fast the bands go up and down: power of their spectra by range of ``MODULATIONS``, in fours."""
    frames = mel.shape[1]
    power = np.abs(scipy.fft.rfft(mel - mel.mean(axis=1, keepdims=True), axis=1)) ** 2 / frames
    hertz = scipy.fft.rfftfreq(frames, 1 / FRAME_RATE)
    found = [
        np.log(power[:, (hertz >= low) & (hertz < high)].mean(axis=1) + 1e-3) for low, high in pairwise(MODULATIONS)
    ]
    return np.stack(found).reshape(len(found), -1, 4).mean(axis=2).ravel()


def correlations(rows: np.ndarray) -> np.ndarray:
    """Correlations of all pairs of rows; 0 where a row is constant."""
    centered = rows - rows.mean(axis=1, keepdims=True)
    centered /= np.sqrt((centered**2).sum(axis=1, keepdims=True)) + 1e-3
    return (centered @ centered.T)[np.triu_indices(len(rows), 1)]


def partials(audio: np.ndarray) -> np.ndarray:
    """How many peaks a spectrum has in each of ``OCTAVES``, mean and deviation over time.

    Peaks within 20 dB and within 40 dB of the loudest one of their frame are counted apart.
    """
    frames = librosa.util.frame(audio, frame_length=FINE_WINDOW, hop_length=FINE_HOP, axis=0)
    power = np.abs(scipy.fft.rfft(frames * np.hanning(FINE_WINDOW).astype(np.float32), axis=1)) ** 2
    level = 10 * np.log10(power + 1e-9)
    level = np.maximum(level, level.max() - DEPTH - 10)
    peak = np.zeros(level.shape, bool)
    peak[:, 1:-1] = (level[:, 1:-1] > level[:, :-2]) & (level[:, 1:-1] >= level[:, 2:])
    peak &= level > uniform_filter1d(level, 25, axis=1) + 6  # dB over the bins around
    border = np.searchsorted(scipy.fft.rfftfreq(FINE_WINDOW, 1 / SAMPLE_RATE), OCTAVES)
    found = []
    for within in (20, 40):
        near = np.add.reduceat(peak & (level > level.max(axis=1, keepdims=True) - within), border[:-1], axis=1,
                               dtype=np.float32)  # fmt: skip
        found += [near.mean(axis=0), near.std(axis=0)]
    return np.concatenate(found)
