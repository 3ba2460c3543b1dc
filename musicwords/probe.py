"""Tell simple attributes of music by features that are written out, to judge music that a model generated.

A judge of generated music must not share its ears with the model that it judges: here is no network, and nothing is
learned but logistic regressions on statistics of a log-mel spectrogram. They were fitted to clips of known attributes
that went through the codec, so that the sound of the codec means nothing to them, and never to generated audio. See
``recipes/evaluate_generation``.

References
----------
.. [1] G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", IEEE Transactions on Speech and Audio
       Processing, 2002: statistics of spectra, and beats from autocorrelations of envelopes.
.. [2] J.-J. Aucouturier and F. Pachet, "Improving timbre similarity: how high is the sky?", Journal of Negative Results
       in Speech and Audio Sciences, 2004: what cepstral coefficients do together is timbre.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import scipy.fft
from safetensors.numpy import load_file
from scipy.ndimage import uniform_filter1d
from scipy.special import softmax

SHIPPED = Path(__file__).parent / "data" / "probe"
SAMPLE_RATE = 16_000  # Hz
SHORTEST = 2.0  # seconds
WINDOW, HOP = 1024, 256  # samples of a mel frame: 64 ms, every 16 ms
BANDS, LOWEST = 64, 30.0  # mel bands, from so many Hz up to 8 kHz
QUIETEST = 1e-8  # power of a band that counts as silence: -80 dB
DEPTH = 60.0  # dB below the loudest band of the clip that are looked at
FRAME_RATE = SAMPLE_RATE / HOP
TEMPI = 40 * 2 ** (np.arange(37) / 12)  # beats a minute, up to 320, twelve to an octave
RANGES = (slice(0, 64), slice(0, 16), slice(16, 40), slice(40, 64))  # of bands: all, bass, middle, treble
CEPSTRUM, CHANGES = 32, 24  # cepstral coefficients whose correlations are taken, and those of their changes
AFTER = (1, 2, 4, 8, 14)  # frames after an onset at which its spectrum is looked at
ONSETS = 20  # so many strongest ones
MODULATIONS = (0.3, 1, 2, 4, 8, 16, 31)  # Hz, borders of the ranges of a modulation spectrum
FINE_WINDOW, FINE_HOP = 2048, 512  # samples, for single partials
OCTAVES = (30, 125, 250, 500, 1000, 2000, 4000, 8000)  # Hz, borders of the ranges in which partials are counted
FARTHEST = 5.0  # standard deviations from the mean of training at which a feature is cut off


class Readings(NamedTuple):
    """Features of a clip, by what they tell about."""

    rhythm: np.ndarray
    timbre: np.ndarray


def check(audio: np.ndarray, who: str) -> np.ndarray:
    """Return mono audio as float32.

    Raises
    ------
    ValueError
        If it is not of shape (samples,), lasts less than 2 s, or has samples that are NaN or infinite.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 1:
        raise ValueError(
            f"{who} got audio of shape {audio.shape} and expects mono audio of shape (samples,): average the channels "
            "first, and pass one clip at a time."
        )
    if audio.size < SHORTEST * SAMPLE_RATE:
        raise ValueError(
            f"{who} got {audio.size} samples, {audio.size / SAMPLE_RATE:.2f} s at 16 kHz, and expects at least "
            f"{SHORTEST:g} s: take a longer clip."
        )
    if bad := np.count_nonzero(~np.isfinite(audio)):
        raise ValueError(f"{who} got {bad} samples that are NaN or infinite and expects finite audio.")
    return audio


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


def rhythm(mel: np.ndarray) -> np.ndarray:
    """When something begins: periodicities at a grid of tempi, how strong onsets are, how fast bands change."""
    rise = rises(mel)
    envelopes = [rise[bands].mean(axis=0) for bands in RANGES]
    strength = [value for one in envelopes for value in (one.mean(), one.std(), *np.percentile(one, [50, 90, 99]))]
    whole = envelopes[0]
    peaks = whole[1:-1][(whole[1:-1] > whole[:-2]) & (whole[1:-1] >= whole[2:])]
    seconds = mel.shape[1] / FRAME_RATE
    rates = [np.log1p((peaks > least).sum() / seconds) for least in (1, 2, 3, 5, 8)]  # dB
    return np.concatenate([*map(periodicity, envelopes), strength, rates, modulation(mel)])


def timbre(mel: np.ndarray, level: np.ndarray) -> np.ndarray:
    """What it sounds like, and how loud: statistics of the spectrum, of its cepstrum, and of the spectra after onsets.

    Parameters
    ----------
    mel : shape (64, frames), in dB
        Relative to its mean.
    level : shape (64, frames), in dB
        The same before the mean was taken off.
    """
    cepstrum = scipy.fft.dct(mel, axis=0, norm="ortho")[:CEPSTRUM]
    curve = 10 * np.log10((10 ** (level / 10)).sum(axis=0))  # loudness over time
    steps = np.diff(curve)
    strongest = np.argsort(-rises(mel).mean(axis=0), kind="stable")[:ONSETS] + 1

    def at(offset: int) -> np.ndarray:
        return mel[:, np.clip(strongest + offset, 0, mel.shape[1] - 1)].mean(axis=1)

    before = at(-2)
    return np.concatenate(
        [
            [10 * np.log10((10 ** (level / 10)).sum(axis=0).mean()), level.max(), np.median(level.max(axis=0))],
            *(mel.mean(axis=1), mel.std(axis=1), np.abs(np.diff(mel)).mean(axis=1)),
            *(cepstrum.mean(axis=1), np.log(cepstrum.std(axis=1) + 0.1)),
            *(correlations(cepstrum), correlations(np.diff(cepstrum[:CHANGES]))),
            *(at(offset) - before for offset in AFTER),
            [curve.std(), *np.percentile(curve - curve.max(), [5, 25, 50, 75]), np.abs(steps).mean()],
            np.percentile(steps, [1, 5, 25, 75, 95, 99]),
        ]
    )


def features(audio: np.ndarray) -> Readings:
    """Compute what the probe reads of a clip.

    Parameters
    ----------
    audio : np.ndarray, shape (samples,)
        Mono audio, -1 to 1, at 16 kHz, at least 2 s.

    Returns
    -------
    Readings
        ``rhythm`` and ``timbre``, float32; as many numbers for a clip of any length.

    Raises
    ------
    ValueError
        As ``check``.
    """
    audio = check(audio, "features")
    level = log_mel(audio)
    level = np.maximum(level, level.max() - DEPTH)
    mel = level - level.mean()
    found = rhythm(mel), np.concatenate([timbre(mel, level), modulation(mel), partials(audio)])
    return Readings(*(one.astype(np.float32) for one in found))


class Classifier(NamedTuple):
    """A logistic regression on standardized features."""

    reads: tuple[str, ...]  # of ``Readings``, joined in this order
    classes: list
    mean: np.ndarray  # (features,)
    scale: np.ndarray  # (features,)
    weight: np.ndarray  # (classes, features)
    bias: np.ndarray  # (classes,)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Of each class, shape (clips, classes), from features (clips, features)."""
        standardized = np.clip((rows - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return softmax(standardized @ self.weight.T + self.bias, axis=1)


class Probe:
    """Tells attributes of clips. Load it with :meth:`load`.

    Attributes
    ----------
    classifiers : dict of str to Classifier
        By attribute: ``family`` (of the lead), ``percussion``, ``tempo_class``, ``texture``, ``dynamics``.

    Examples
    --------
    >>> probe = Probe.load()  # doctest: +SKIP
    >>> probe(audio)  # doctest: +SKIP
    {'family': 'brass', 'percussion': True, 'tempo_class': 'fast', 'texture': 'ensemble', 'dynamics': 'strong'}
    """

    def __init__(self, classifiers: dict[str, Classifier]):
        self.classifiers = classifiers

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> "Probe":
        """Load the probe of a folder, by default the one that comes with the package.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If its weights are not of the classes and the features that it is said to have.
        """
        folder = Path(folder)
        listing = folder / "probe.json"
        if not listing.is_file():
            raise FileNotFoundError(f"There is no {listing}: train the probe with python -m evaluate_generation.")
        tensors = load_file(folder / "probe.safetensors")
        found = {}
        for name, entry in json.loads(listing.read_text(encoding="utf-8")).items():
            parts = [tensors[f"{name}.{part}"].astype(np.float32) for part in ("mean", "scale", "weight", "bias")]
            count, size = len(entry["classes"]), len(parts[0])
            shapes = [part.shape for part in parts]
            if shapes != [(size,), (size,), (count, size), (count,)]:
                raise ValueError(
                    f"{folder}: {name} has weights of shapes {shapes} for {count} classes: train it again."
                )
            found[name] = Classifier(tuple(entry["reads"]), entry["classes"], *parts)
        return cls(found)

    def probabilities(self, rows: Readings) -> dict[str, np.ndarray]:
        """Probabilities of the classes of each attribute, shape (clips, classes).

        Parameters
        ----------
        rows : Readings
            Features of several clips, each field of shape (clips, numbers).
        """
        return {
            name: one.probabilities(np.concatenate([getattr(rows, part) for part in one.reads], axis=1))
            for name, one in self.classifiers.items()
        }

    def answers(self, rows: Readings) -> dict[str, list]:
        """The most probable class of each attribute, a list over the clips; see :meth:`probabilities`."""
        return {
            name: [self.classifiers[name].classes[number] for number in found.argmax(axis=1)]
            for name, found in self.probabilities(rows).items()
        }

    def __call__(self, audio: np.ndarray) -> dict[str, str | bool]:
        """Tell the attributes of a clip. Of silence it tells something too, which means nothing: see ``health``.

        Parameters
        ----------
        audio : np.ndarray, shape (samples,)
            Mono audio, -1 to 1, at 16 kHz. Ten seconds are what it learned from; at least two are needed.

        Raises
        ------
        ValueError
            As ``check``.
        """
        rows = Readings(*(one[None] for one in features(audio)))
        return {name: found[0] for name, found in self.answers(rows).items()}
