"""Reading an audio file of any length in windows, with the memory of a few of them."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from musicwords.signal import LOUDEST

SHORTEST = 1.0  # seconds; less is not embedded
SILENCE = 1e-4  # of full scale, -80 dB: what dither leaves of silence
BLOCK = 5  # seconds read at a time
UNKNOWN = 1 << 62  # samples: so libsndfile says that a FLAC from a pipe has no length
OGG_PAGE = 27 + 255 + 255 * 255  # bytes, at most


class Unreadable(Exception):
    """A file that cannot be embedded. The message is the reason, a sentence for the table of errors."""


class Windows:
    """The windows of a file, mono and at the rate of the model; iterate once.

    A window starts at every multiple of ``hop``. The last one ends where the file ends and is as long as the others,
    so it may overlap the one before it; a rest of less than a second is left out. A file shorter than ``window`` is
    one window. Silent windows are passed over.

    Parameters
    ----------
    file : binary file
        It must be seekable.
    sample_rate : int
        Samples per second that the model expects.
    window, hop : float
        In seconds.

    Attributes
    ----------
    seconds : float
        How much was read so far.

    Raises
    ------
    Unreadable
        While it is iterated over, at the end at the latest: the file is damaged, shorter than a second, silent all
        through, or holds values that are no samples.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, window: float, hop: float):
        self.file, self.sample_rate = file, sample_rate
        self.size, self.hop = round(window * sample_rate), round(hop * sample_rate)
        self.samples = 0

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate

    def __iter__(self) -> Iterator[tuple[float, float, np.ndarray]]:
        """Give start and end in seconds, and the samples, float32 between -1 and 1."""
        heard = 0
        for start, audio in self._cut():
            if np.abs(audio).max() > SILENCE:
                heard += 1
                yield start / self.sample_rate, (start + len(audio)) / self.sample_rate, audio
        if self.seconds < SHORTEST:
            raise Unreadable(f"It lasts {self.seconds:.2f} s, and less than {SHORTEST:g} s is not embedded.")
        if not heard:
            raise Unreadable("It is silent.")

    def _cut(self) -> Iterator[tuple[int, np.ndarray]]:
        kept, first, start = np.zeros(0, np.float32), 0, 0  # samples from `first` on; where the next window starts
        for block in resampled(self.file, self.sample_rate):
            kept = np.concatenate([kept, block])
            self.samples += len(block)
            while start + self.size <= self.samples:
                yield start, kept[start - first : start - first + self.size]
                start += self.hop
            drop = max(min(start, self.samples - self.size) - first, 0)
            kept, first = kept[drop:], first + drop
        covered = start if self.hop >= self.size or start == 0 else start - self.hop + self.size
        if self.samples - covered >= SHORTEST * self.sample_rate:
            yield max(self.samples - self.size, 0), kept[-self.size :]


class _Reader:
    """A file that libsndfile calls back; it keeps the error of a network or a disk, which would be lost there."""

    def __init__(self, file: BinaryIO):
        self.file, self.error = file, None

    def __getattr__(self, name: str):
        return getattr(self.file, name)

    def readinto(self, buffer) -> int:
        try:
            return self.file.readinto(buffer)
        except OSError as error:
            self.error = error
            return 0


def resampled(file: BinaryIO, sample_rate: int) -> Iterator[np.ndarray]:
    """Give the samples of a file block by block: the mean of the channels, between -1 and 1, at another rate.

    Decodes WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF and what else libsndfile knows. The result is that of
    ``musicwords.clips.load_audio``, which reads a file at once.

    Raises
    ------
    Unreadable
        If the file is damaged, or holds values that are no samples.
    OSError
        If it could not be read just now.
    """
    _check_whole(file)
    reader = _Reader(file)
    try:
        with soundfile.SoundFile(reader) as sound:
            rate, announced, read = sound.samplerate, sound.frames, 0
            if announced >= UNKNOWN:
                raise Unreadable("It does not say how long it is: encode it again, from a file.")
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            while read < announced:
                block = sound.read(BLOCK * rate, dtype="float32", always_2d=True)
                if reader.error:
                    raise reader.error
                if len(block) == 0:
                    raise Unreadable(f"It is cut off: {read} of {announced} samples are there.")
                read += len(block)
                audio = _checked(block).mean(axis=1)
                if rate != sample_rate:
                    audio = resampler.resample_chunk(audio, last=read >= announced)
                yield np.clip(audio, -1, 1)
    except soundfile.LibsndfileError as error:
        if reader.error:
            raise reader.error from error
        raise Unreadable(f"It cannot be read as audio: {error.error_string.strip().rstrip('.')}.") from error


def _checked(block: np.ndarray) -> np.ndarray:
    if not np.isfinite(block).all():
        raise Unreadable("It holds samples that are NaN or infinite.")
    if (peak := np.abs(block).max()) > LOUDEST:
        raise Unreadable(f"It holds samples up to {peak:.0f}, where -1 to 1 is expected.")
    return block


def _check_whole(file: BinaryIO) -> None:
    """Raise if a WAV, AIFF or Ogg file ends before its own structure says: libsndfile reads such files in silence."""
    size = file.seek(0, 2)
    if size == 0:
        raise Unreadable("It is empty, 0 bytes.")
    file.seek(0)
    head = file.read(8)
    whole = True
    if head[:4] in (b"RIFF", b"RIFX", b"FORM"):
        length = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
        # All ones: written to a pipe, length unknown. Some programs count the 8 bytes of the header as well.
        whole = length == 0xFFFFFFFF or size >= length
    elif head[:4] == b"OggS":
        file.seek(max(size - OGG_PAGE, 0))
        tail = file.read()
        page = tail[tail.rfind(b"OggS") :]
        segments = page[26] if len(page) > 27 else 0
        length = 27 + segments + sum(page[27 : 27 + segments])
        whole = len(page) > 27 and page[5] & 4 != 0 and len(page) >= length  # the last page, and all of it
    file.seek(0)
    if not whole:
        raise Unreadable("It is cut off or damaged: it ends early.")
