"""An audio file of any length in windows, with the memory of a few of them."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from musicwords.decoding import Decoder, Undecodable
from musicwords.signal import LOUDEST

SHORTEST = 1.0  # seconds; less is not embedded
SILENCE = 1e-4  # of full scale, -80 dB: what dither leaves of silence


class Unreadable(Exception):
    """A file that cannot be embedded. The message is the reason, a sentence for the table of errors."""


class Windows:
    """The windows of a file, mono and at the rate of the model; iterate once.

    A window starts at every multiple of ``hop``. A last one that would reach over the end of the file is moved back to
    it, so it may overlap the one before it; a rest of less than a second is left out. A file shorter than ``window`` is
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
    note : str
        After the last window: what is wrong with the file, in sentences; empty if nothing is.

    Raises
    ------
    Unreadable
        While it is iterated over, at the end at the latest: less than a second of the file can be decoded, it is
        silent all through, or holds values that are no samples.
    OSError
        If it could not be read just now.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, window: float, hop: float):
        self.file, self.sample_rate = file, sample_rate
        self.size, self.hop = round(window * sample_rate), round(hop * sample_rate)
        self.samples, self.note = 0, ""

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
        for block in self._decoded():
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

    def _decoded(self) -> Iterator[np.ndarray]:
        try:
            decoder = Decoder(self.file)
            for block in decoder.mono(self.sample_rate):
                if not np.isfinite(block).all():
                    raise Unreadable("It holds samples that are NaN or infinite.")
                if (peak := np.abs(block).max(initial=0)) > LOUDEST:
                    raise Unreadable(f"It holds samples up to {peak:.0f}, where -1 to 1 is expected.")
                yield np.clip(block, -1, 1)
        except Undecodable as error:
            raise Unreadable(str(error)) from error
        self.note = decoder.note
