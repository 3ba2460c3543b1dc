"""The clip set of the book, and reading any audio file."""

import io
import json
from pathlib import Path

import librosa
import numpy as np
import soundfile
from datasets import Audio, Dataset

from musicwords.signal import check_signal

CLIPS = Path(__file__).parent / "data" / "clips"
# Those of which a cut-off file can be told from a whole one.
FORMATS = {"WAV", "WAVEX", "AIFF", "FLAC", "OGG", "MP3"}


def load_clips() -> Dataset:
    """Load the clip set: one row a clip, sorted by name, from the package itself and without a network.

    Returns
    -------
    datasets.Dataset
        Column ``audio`` holds ``{"path", "bytes"}``; give its path to :func:`load_audio`. The other columns are
        those of ``metadata.jsonl``: ``file_name``, ``name``, ``title``, ``creator``, ``source``, ``licence``,
        ``production``, ``soundfont``, ``attributes``, ``captions`` and ``qa``.

    Examples
    --------
    >>> clip = load_clips()[0]
    >>> audio = load_audio(clip["audio"]["path"])
    >>> clip["name"], audio.shape
    ('ambient', (320000,))
    """
    # The folder follows the audiofolder convention, but load_dataset("audiofolder") itself asks for torchcodec and
    # FFmpeg even where nothing is decoded (seen in datasets 5.2). This needs neither, nor a cache on disk.
    lines = (CLIPS / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    files = [{"path": str(CLIPS / row["file_name"]), "bytes": None} for row in rows]
    clips = Dataset.from_list([{"audio": file, **row} for file, row in zip(files, rows, strict=True)])
    return clips.cast_column("audio", Audio(decode=False))


def load_audio(path: str | Path, sample_rate: int = 32_000) -> np.ndarray:
    """Read an audio file as mono float32 at the asked rate.

    Reads WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF in any sample format. Channels are averaged. Decoders and
    resampling can overshoot full scale a little: samples are clipped to [-1, 1].

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
        The file is empty, cut off, no audio or of another format, or holds values that are no samples. Only an
        MP3 without a Xing header, which does not store its length, is read as far as it goes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No audio file {path}. Check the path; it is looked for from {Path.cwd()}.")
    data = path.read_bytes()
    if not data:
        raise ValueError(f"{path} is empty (0 bytes). Copy or download it again.")
    if _is_cut_off(data):
        raise ValueError(f"{path} is cut off or damaged: it ends early. Copy or download it again.")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in FORMATS:
                raise ValueError(f"{path} is a {file.format} file. Convert it to WAV or FLAC.")
            announced, original_rate = file.frames, file.samplerate
            audio = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{path} cannot be read as audio ({error.error_string.rstrip('.')}). Give a WAV, FLAC, Ogg or "
            f"MP3 file, and look whether its content is what its name says."
        ) from error
    if len(audio) == 0:
        raise ValueError(f"{path} holds no samples. Give a file with sound in it.")
    if len(audio) < announced:
        raise ValueError(f"{path} is cut off: {len(audio)} of {announced} samples are there. Copy it again.")
    mono = check_signal(audio.mean(axis=1), f"load_audio of {path}")
    if original_rate != sample_rate:
        mono = librosa.resample(mono, orig_sr=original_rate, target_sr=sample_rate)
    return np.clip(mono, -1, 1)


def _is_cut_off(data: bytes) -> bool:
    """Whether a WAV, AIFF or Ogg file ends before its own structure says; libsndfile reads such files silently."""
    if data[:4] in (b"RIFF", b"RIFX", b"FORM"):
        size = int.from_bytes(data[4:8], "little" if data[:4] == b"RIFF" else "big")
        return size != 0xFFFFFFFF and len(data) < size + 8  # all ones: written to a pipe, length unknown
    if data[:4] == b"OggS":
        position, last_page = 0, False
        while data[position : position + 4] == b"OggS" and position + 27 <= len(data):
            last_page = bool(data[position + 5] & 4)
            segments = data[position + 26]
            position += 27 + segments + sum(data[position + 27 : position + 27 + segments])
        return not last_page or position > len(data)
    return False
