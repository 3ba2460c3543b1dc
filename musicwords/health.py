"""Whether audio is music at all, or silent, held or stuck in a loop: what can go wrong with generated audio."""

import librosa
import numpy as np
import scipy.fft

from musicwords.signal import check_signal
from musicwords.spectral import DEPTH, FRAME_RATE, HOP, SAMPLE_RATE, WINDOW, log_mel, rises

FEWEST_ONSETS = 2  # a clip with fewer is held or silent
MOST_SIMILAR = 0.95  # a clip with more self-similarity is a loop; see ``self_similarity``
SILENT = -60.0  # dBFS, root mean square of a frame of 50 ms
ONSET = 2.0  # dB by which the bands must rise, on average, for an onset
SHORTEST = 2.0  # seconds of a clip
SHORTEST_LAG = 1.0  # seconds; a little less in a clip of 2 s, of which a lag is at most half
LEAST_CHANGE = 0.1  # dB; bands that change less do not change
EDGE = WINDOW // (2 * HOP)  # frames


def onsets(mel: np.ndarray) -> int:
    """Number of moments at which the bands rise together.

    Unlike in ``librosa.onset.onset_detect`` by default, the threshold is not relative to the clip: in silence or in a
    held tone there is none.

    Parameters
    ----------
    mel : shape (64, frames), in dB
    """
    strength = np.concatenate([[0, 0], rises(mel).mean(axis=0)])
    # A local maximum within 50 ms, over the mean of 100 ms around; 50 ms after the last one at the earliest.
    peaks = librosa.util.peak_pick(strength, pre_max=3, post_max=3, pre_avg=6, post_avg=6, delta=ONSET / 2, wait=3)
    return int((strength[peaks] >= ONSET).sum())


def self_similarity(mel: np.ndarray) -> float:
    """How much of what changes in a clip comes again just so after some time, 0 to 1.

    It is one minus the squared difference of the log-mel spectrogram and itself some time later, relative to the
    variances of both: a correlation at a lag that also is 1 where nothing changes. The lag with the highest value
    counts, among those from one second to half of the clip. A loop of any length below that repeats there too.

    Parameters
    ----------
    mel : shape (64, frames), in dB
    """
    inner = mel[:, EDGE:-EDGE]  # at its edges librosa adds silence
    centered = inner - inner.mean(axis=1, keepdims=True)
    frames = inner.shape[1]
    spectrum = scipy.fft.rfft(centered, 2 * frames, axis=1)
    products = scipy.fft.irfft((np.abs(spectrum) ** 2).sum(axis=0))[:frames]
    energy = np.concatenate([[0], (centered**2).sum(axis=0).cumsum()])
    lags = np.arange(min(round(SHORTEST_LAG * FRAME_RATE), frames // 2 - 1), frames // 2)
    both = energy[frames - lags] + energy[-1] - energy[lags]  # of the earlier and of the later part
    difference = both - 2 * products[lags]
    still = LEAST_CHANGE**2 * len(mel) * (frames - lags)
    return float(np.clip(1 - difference / (both + still), 0, 1).max())


def health(audio: np.ndarray) -> dict[str, float | int]:
    """Measure whether something happens in a clip, and whether it is always the same.

    Of the rendered clips of the corpus hardly any has fewer than two onsets or a self-similarity over 0.95; the tables
    of the generators' cards say how many, beside the generated ones.

    Parameters
    ----------
    audio : np.ndarray, shape (samples,)
        Mono audio, -1 to 1, at 16 kHz, at least 2 s.

    Returns
    -------
    dict
        ``onsets``: number of onsets; ``silence``: share of frames of 50 ms below -60 dBFS; ``self_similarity``: see
        :func:`self_similarity`.

    Raises
    ------
    ValueError
        As ``musicwords.signal.check_signal`` for less than 2 s.
    """
    audio = check_signal(audio, "health", SAMPLE_RATE, SHORTEST)
    level = log_mel(audio)
    mel = np.maximum(level, level.max() - DEPTH)
    frame = SAMPLE_RATE // 20
    power = (audio[: len(audio) // frame * frame].reshape(-1, frame).astype(np.float64) ** 2).mean(axis=1)
    return {
        "onsets": onsets(mel),
        "silence": float((power < 10 ** (SILENT / 10)).mean()),
        "self_similarity": self_similarity(mel),
    }
