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
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.fft
from safetensors.numpy import load_file
from scipy.special import softmax

from musicwords.signal import check_signal
from musicwords.spectral import (
    DEPTH,
    FRAME_RATE,
    SAMPLE_RATE,
    correlations,
    log_mel,
    modulation,
    partials,
    periodicity,
    rises,
)

SHIPPED = Path(__file__).parent / "data" / "probe"
SHORTEST = 2.0  # seconds
RANGES = (slice(0, 64), slice(0, 16), slice(16, 40), slice(40, 64))  # of bands: all, bass, middle, treble
CEPSTRUM, CHANGES = 32, 24  # cepstral coefficients whose correlations are taken, and those of their changes
AFTER = (1, 2, 4, 8, 14)  # frames after an onset at which its spectrum is looked at
ONSETS = 20  # so many strongest ones
FARTHEST = 5.0  # standard deviations from the mean of training at which a feature is cut off


class Readings(NamedTuple):
    """Features of a clip, by what they tell about."""

    rhythm: np.ndarray
    timbre: np.ndarray


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
        As ``musicwords.signal.check_signal`` for less than 2 s.
    """
    audio = check_signal(audio, "features", SAMPLE_RATE, SHORTEST)
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
            raise FileNotFoundError(
                f"There is no {listing}: train the probe with python -m recipes.evaluate_generation."
            )
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
            As ``musicwords.signal.check_signal`` for less than 2 s.
        """
        rows = Readings(*(one[None] for one in features(audio)))
        return {name: found[0] for name, found in self.answers(rows).items()}
