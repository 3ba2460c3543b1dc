"""The clip set of the book, excerpts of recordings, and reading any audio file."""

import json
import warnings
from pathlib import Path

import numpy as np
from datasets import Audio, Dataset

from musicwords.decoding import Decoder, Undecodable
from musicwords.signal import check_signal

CLIPS = Path(__file__).parent / "data" / "clips"
RECORDINGS = CLIPS.with_name("recordings")


def load_clips(folder: Path = CLIPS) -> Dataset:
    """Load the clip set: one row a clip, sorted by name, from the package itself and without a network.

    Parameters
    ----------
    folder : Path
        ``RECORDINGS`` gives ten seconds each of a dozen recordings of bands, an orchestra and others. They have
        licences of their own, and of their music only what their files and credits say is known.

    Returns
    -------
    datasets.Dataset
        Column ``audio`` holds ``{"path", "bytes"}``; give its path to :func:`load_audio`. The other columns are
        those of ``metadata.jsonl``: ``file_name``, ``name``, ``title``, ``creator``, ``source``, ``licence``,
        ``production``, ``soundfont``, ``attributes``, ``captions`` and ``qa``. Recordings have, after the licence,
        ``changes``, ``style``, ``vocals``, ``instruments``, ``label_source`` (where style or instruments stand) and
        ``label_level``.

    Examples
    --------
    >>> clip = load_clips()[0]
    >>> audio = load_audio(clip["audio"]["path"])
    >>> clip["name"], audio.shape
    ('ambient', (320000,))
    """
    # The folder follows the audiofolder convention, but load_dataset("audiofolder") itself asks for torchcodec and
    # FFmpeg even where nothing is decoded (seen in datasets 5.2). This needs neither, nor a cache on disk.
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    files = [{"path": str(folder / row["file_name"]), "bytes": None} for row in rows]
    clips = Dataset.from_list([{"audio": file, **row} for file, row in zip(files, rows, strict=True)])
    return clips.cast_column("audio", Audio(decode=False))


def load_audio(path: str | Path, sample_rate: int = 32_000) -> np.ndarray:
    """Read an audio file as mono float32 at the asked rate.

    Reads what :class:`musicwords.decoding.Decoder` decodes: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, M4A and many
    more. Channels are averaged. Decoders and resampling can overshoot full scale a little: samples are clipped to
    [-1, 1]. Where a file is cut off or damaged, what is there is read, and a warning says so.

    Parameters
    ----------
    path : str or Path
        An audio file.
    sample_rate : int
        Samples per second of the result.

    Returns
    -------
    np.ndarray, shape (samples,), float32
        Samples in [-1, 1].

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is empty or no audio, or holds values that are no samples.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No audio file {path}. Check the path; it is looked for from {Path.cwd()}.")
    try:
        with path.open("rb") as file:
            decoder = Decoder(file)
            mono = np.concatenate([np.zeros(0, np.float32), *decoder.mono(sample_rate)])
    except Undecodable as error:
        raise ValueError(f"{path} cannot be read: {error} Look whether its content is what its name says.") from error
    if decoder.note:
        warnings.warn(f"{path}: {decoder.note} Copy or download it again.", stacklevel=2)
    return np.clip(check_signal(mono, f"load_audio of {path}"), -1, 1)
