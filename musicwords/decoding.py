"""Decoding audio of any kind and any length, to the end, also where a file is damaged or its header is wrong."""

import math
import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np
import soxr

# What FFmpeg may take a file for. Without a list it would also follow playlists to other files and addresses.
CONTAINERS = (
    *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "caf", "dsf", "dts", "eac3", "flac", "iff", "matroska,webm"),
    *("mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpc", "mpc8", "mpegts", "ogg", "tak", "truehd", "tta", "w64", "wav", "wv"),
)
# Those of which the header tells the duration, and how much less than that may be decoded, in seconds: encoders fill
# their last frames, and containers round. For others FFmpeg estimates the duration from the size of the file.
TOLD = {
    **dict.fromkeys(("aiff", "ape", "au", "flac", "mp3", "tta", "wv"), 0.0),
    **dict.fromkeys(("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"), 0.08),
}
# Where the size of the samples stands: bytes before them, how it is written, and what else it counts in bytes.
SIZES = {"wav": (4, "<I", 0), "w64": (8, "<Q", 24), "caf": (12, ">q", 4)}
UNKNOWN = 0x7FFFF000  # bytes; so much or more say programs that write to a pipe
MPEG_FRAME = 4096  # bytes, at most
# A frame without sound that tells how many frames there are.
FRAMES_OF_MP3 = re.compile(rb"\xff[\xe0-\xff]..\0{9,34}(?:Xing|Info)\0\0\0[\1\3\5\7\x09\x0b\x0d\x0f](.{4})", re.DOTALL)
RATES = range(1_000, 768_001)  # Hz
MOST_CHANNELS = 64
BLOCK = 1.0  # seconds that are given at a time
GAP = 0.06  # seconds; time stamps of lossy formats jump by less
CANCELED = 0.01  # of the level of a channel, -40 dB: the channels are of opposite phase
OGG_PAGE = 27 + 255 + 255 * 255  # bytes, at most
# Titles may be no UTF-8. PyAV before 19 refuses such a file unless it is told otherwise; later ones cannot be told.
ANY_TITLES = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


class Undecodable(ValueError):
    """There is no music to decode in a file. The message is the reason, a sentence."""


class Decoder:
    """The audio of a file; iterate once. It decodes what FFmpeg decodes, and goes on after damaged parts.

    Parameters
    ----------
    file : binary file
        It must be seekable. It is read from its beginning, and stays open.

    Attributes
    ----------
    sample_rate : int
        Samples a second, Hz.
    channels : int
    note : str
        After the last block: what is wrong with the file, in sentences; empty if nothing is.

    Raises
    ------
    Undecodable
        If the file holds no audio, or, after the last block, if hardly any of it could be decoded.
    OSError
        If the file could not be read just now.
    """

    def __init__(self, file: BinaryIO):
        self.note = ""
        self._file = _Reader(file)
        self._check()
        options = {"format_whitelist": ",".join(CONTAINERS)}
        try:
            self._container = av.open(self._file, options=options, **ANY_TITLES)
        except (av.FFmpegError, ValueError) as error:
            raise self._file.error or Undecodable("It is no audio, or of a kind that FFmpeg does not know.") from error
        if not self._container.streams.audio:
            self._container.close()
            raise Undecodable("It holds no audio.")
        self._stream = self._container.streams.audio[0]
        self._stream.thread_count = 1
        context = self._stream.codec_context
        if context is None:
            self._container.close()
            raise Undecodable("It is encrypted, or FFmpeg does not know its codec.")
        self.sample_rate, self.channels = context.sample_rate, context.channels
        if self.sample_rate not in RATES or not 0 < self.channels <= MOST_CHANNELS:
            self._container.close()
            raise Undecodable(f"Its header says {self.sample_rate} samples a second in {self.channels} channels.")

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give blocks of shape (samples, channels), float32, where full scale is -1 to 1."""
        waiting, given, decoded = [], 0, 0  # frames; samples
        for audio in self._frames():
            waiting.append(audio)
            decoded += len(audio)
            if decoded - given >= BLOCK * self.sample_rate:
                yield np.concatenate(waiting)
                waiting, given = [], decoded
        if waiting:
            yield np.concatenate(waiting)
        if self._file.error:
            raise self._file.error
        self._say(decoded / self.sample_rate)
        self._container.close()

    def mono(self, sample_rate: int) -> Iterator[np.ndarray]:
        """Give blocks of shape (samples,), float32: the mean of the channels, at another rate."""
        if sample_rate == self.sample_rate:
            yield from map(mixed, self)
            return
        resampler = soxr.ResampleStream(self.sample_rate, sample_rate, 1, dtype="float32", quality="HQ")
        for block in self:
            yield resampler.resample_chunk(mixed(block))
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _check(self) -> None:
        """Raise if a look at the first bytes shows what FFmpeg would not notice."""
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        head = self._file.read(12)
        self._file.seek(0)
        if size == 0:
            raise Undecodable("It is empty, 0 bytes.")
        if head[:4] == b"RIFX":  # FFmpeg reads noise
            raise Undecodable("It is a WAV file of big-endian samples (RIFX): convert it to WAV or FLAC.")

    def _frames(self) -> Iterator[np.ndarray]:
        """Give what each packet holds, and note what cannot be decoded, and what the time stamps say is missing."""
        self._first = 0  # where in the file the sound begins, in bytes
        self._good = self._bad = self._bad_at_end = 0  # frames; packets
        self._gaps = 0.0  # seconds
        self._other_form = False
        due, convert, form = None, None, None
        for frame in self._decoded():
            if frame.pts is not None and frame.time_base:
                time = float(frame.pts * frame.time_base)
                if due is not None and time - due > GAP:
                    self._gaps += time - due
                due = time + frame.samples / frame.sample_rate
            if form != (frame.format.name, frame.layout.name, frame.sample_rate):
                form = frame.format.name, frame.layout.name, frame.sample_rate
                # Parts of other forms become what the first one is.
                convert = av.AudioResampler("flt", self._stream.layout, self.sample_rate)
            for part in convert.resample(frame):
                yield part.to_ndarray().reshape(-1, self.channels)

    def _decoded(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            frames = []
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self._first = self._first or packet.pos or 0
                frames = packet.decode()
            except av.EOFError:
                return
            except av.PatchWelcomeError:
                self._other_form = True
            except (av.FFmpegError, ValueError):
                if self._file.error:
                    return
                self._bad_at_end += 1
            if frames:
                self._good += len(frames)
                self._bad += self._bad_at_end
                self._bad_at_end = 0
            yield from frames

    def _say(self, seconds: float) -> None:
        """Say what is wrong, after everything was decoded."""
        if not self._good and not self._bad_at_end:
            raise Undecodable("It holds no samples.")
        if self._bad + self._bad_at_end > self._good:
            raise Undecodable("Hardly any of it can be decoded: it is damaged, or no audio.")
        announced, said = self._announced(seconds), []
        if self._bad or self._gaps:
            lost = f": {self._gaps:.1f} s are missing" if self._gaps else ""
            said.append(f"It has damaged parts{lost}.")
        if announced - self._gaps - seconds > TOLD.get(self._container.format.name, 0) + 1e-3 / self.sample_rate:
            said.append(f"It ends early: {seconds:.2f} of {announced - self._gaps:.2f} s are there.")
        elif self._ogg_ends_early():
            said.append("It ends early.")
        elif self._bad_at_end:
            said.append("What stands at its end cannot be decoded.")
        if self._other_form:
            said.append(f"From {seconds:.1f} s on it has another form, and is not read.")
        self.note = " ".join(said)

    def _announced(self, seconds: float) -> float:
        """Return the duration that the header tells, in seconds, or 0 if it tells none."""
        kind, duration = self._container.format.name, self._stream.duration
        if kind in SIZES and self._first > SIZES[kind][0]:
            # FFmpeg knows how much is there of the file, and not how much was to be there.
            before, form, less = SIZES[kind]
            there = self._file.seek(0, os.SEEK_END) - self._first
            self._file.seek(self._first - before)
            size = struct.unpack(form, self._file.read(struct.calcsize(form)))[0] - less
            if size < UNKNOWN:
                return seconds * size / there if 0 < there < size else 0.0
        if kind == "matroska,webm":
            told = (self._container.duration or 0) / av.time_base
        else:
            told = float(duration * self._stream.time_base) if kind in TOLD | SIZES and duration else 0.0
        if kind == "mp3" and abs(told - self._length_of_mp3()) > 0.3:  # it was estimated
            return 0.0
        return told

    def _length_of_mp3(self) -> float:
        """Return the duration of all frames in seconds, or infinity if the first frame does not tell their number."""
        self._file.seek(max(self._first - MPEG_FRAME, 0))
        frames = FRAMES_OF_MP3.search(self._file.read(min(self._first, MPEG_FRAME)))
        if not frames:
            return math.inf
        return int.from_bytes(frames[1], "big") * (1152 if self.sample_rate >= 32_000 else 576) / self.sample_rate

    def _ogg_ends_early(self) -> bool:
        """Whether the last page of an Ogg file is not there with all of its bytes, or not marked as the last one."""
        if self._container.format.name != "ogg":
            return False
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(size - OGG_PAGE, 0))
        tail = self._file.read()
        page = tail[max(tail.rfind(b"OggS"), 0) :]
        segments = page[26] if len(page) > 27 else 0
        length = 27 + segments + sum(page[27 : 27 + segments])
        return len(page) <= 27 or not page[5] & 4 or len(page) < length


def mixed(audio: np.ndarray) -> np.ndarray:
    """Return the mean of the channels; where they cancel each other, the loudest one.

    Parameters
    ----------
    audio : np.ndarray, shape (samples, channels)

    Returns
    -------
    np.ndarray, shape (samples,), float32
    """
    mean = audio.mean(axis=1)
    if audio.shape[1] == 1:
        return mean
    power = np.square(audio, dtype=np.float64).mean(axis=0)
    loudest = power.argmax()
    if np.square(mean, dtype=np.float64).mean() < CANCELED**2 * power[loudest]:
        return audio[:, loudest]
    return mean


class _Reader:
    """A file that FFmpeg calls back; it keeps the error of a network or a disk, which would be lost there."""

    def __init__(self, file: BinaryIO):
        self.file, self.error = file, None
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        try:
            return self.file.read(size)
        except OSError as error:
            self.error = error
            return b""
