"""A reader's own recording, brought into the form that a model of the book hears."""

import warnings
from pathlib import Path

import numpy as np

from musicwords.clips import load_audio
from musicwords.decoding import Decoder

SILENT = -60.0  # dBFS, root mean square: far below the softest passage of music


def load_own_audio(path: str | Path, sample_rate: int, seconds: float) -> np.ndarray:
    """Read a recording of the reader's own, and say where it is not what a model expects.

    Parameters
    ----------
    path : str or Path
        An audio file that :func:`musicwords.clips.load_audio` reads; ``~`` is the home folder.
    sample_rate : int
        Samples per second that the model hears.
    seconds : float
        The shortest sound that the model hears. A shorter one is repeated until it lasts as long, which is warned of.

    Returns
    -------
    np.ndarray, shape (samples,), float32
        Samples in [-1, 1] at ``sample_rate``, mono, lasting ``seconds`` or longer.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file cannot be read, or is silent: a model would answer all the same.

    Examples
    --------
    >>> audio = load_own_audio("~/Music/song.mp3", sample_rate=16_000, seconds=3)  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    audio = load_audio(path, sample_rate)
    level = 20 * np.log10(max(np.sqrt(np.mean(np.square(audio, dtype=np.float64))), 1e-12))
    if level < SILENT:
        raise ValueError(
            f"{path.name} is silent: its level is {level:.0f} dBFS, and music is expected above {SILENT:.0f}. "
            "Look whether it is the right file, and whether the recording worked."
        )
    with path.open("rb") as file:
        file_rate = Decoder(file).sample_rate
    if file_rate < sample_rate:
        warnings.warn(
            f"{path.name} has {file_rate} samples a second and the model hears {sample_rate}: "
            f"nothing above {file_rate / 2000:g} kHz is in it.",
            stacklevel=2,
        )
    if len(audio) < seconds * sample_rate:
        warnings.warn(
            f"{path.name} is short: it lasts {len(audio) / sample_rate:.1f} s, the model hears at least {seconds:g} s, "
            "and so it is repeated.",
            stacklevel=2,
        )
        audio = np.resize(audio, int(np.ceil(seconds * sample_rate)))
    return audio
