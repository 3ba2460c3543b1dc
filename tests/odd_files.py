"""Odd audio files as collections hold them, made from tones: whole, damaged, of wrong headers, and no audio at all.

Each second has a tone of its own, so that a test hears what was decoded, and in what order.
"""

import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 44_100
SECONDS = 6
FIRST, STEP = 300, 150  # Hz: the tone of the first second, and how much higher that of the next one is


@dataclass(frozen=True)
class Odd:
    """A file and what is to become of it.

    ``seconds`` is the least and the most that is to be decoded; ``says`` is in the note, or in the reason where it is
    refused; without ``says`` there is to be no note.
    """

    name: str
    make: Callable[[], bytes]
    seconds: tuple[float, float] = (SECONDS - 0.01, SECONDS + 0.01)
    says: str = ""
    refused: bool = False
    first: int = 0  # which tone is heard first


def tones(seconds: float = SECONDS, rate: int = RATE, channels: int = 2, first: int = 0) -> np.ndarray:
    """Return (samples, channels), float32: a tone a second, softer from channel to channel."""
    times = np.arange(round(seconds * rate)) / rate
    frequency = FIRST + STEP * (first + np.floor(times))
    tone = 0.4 * np.sin(2 * np.pi * frequency * times)
    return np.stack([tone * 0.9**channel for channel in range(channels)], axis=1).astype(np.float32)


def heard(audio: np.ndarray, rate: int) -> list[int]:
    """Return which tone sounds in the middle of each whole second of mono audio; -1 is none of them."""
    found = []
    for second in range(int(len(audio) / rate + 0.1)):
        middle = audio[round((second + 0.2) * rate) : round((second + 0.8) * rate)]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        peak = spectrum.argmax() * rate / len(middle)
        number = round((peak - FIRST) / STEP)
        is_tone = abs(peak - FIRST - STEP * number) < 10 and spectrum.max() > 4 * np.sort(spectrum)[-20]
        found.append(number if is_tone else -1)
    return found


# --- encoders ----------------------------------------------------------------------------------------------------


def pcm(audio: np.ndarray | None = None, rate: int = RATE, **how) -> bytes:
    """Encode with libsndfile: WAV unless ``format`` says otherwise."""
    file = io.BytesIO()
    soundfile.write(file, tones() if audio is None else audio, rate, **{"format": "WAV", **how})
    return file.getvalue()


def encoded(container: str, codec: str, audio: np.ndarray | None = None, rate: int = RATE, bit_rate: int = 128_000,
            options: dict | None = None, codec_options: dict | None = None, picture: bool = False,
            seekable: bool = True) -> bytes:  # fmt: skip
    """Encode with FFmpeg; with ``picture`` beside a video of one picture a second."""
    audio = tones(rate=rate) if audio is None else audio
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file") if seekable else _Pipe()
        _encode(file, container, codec, audio, rate, bit_rate, options or {}, codec_options or {}, picture)
        return file.read_bytes()


def _encode(file, container, codec, audio, rate, bit_rate, options, codec_options, picture) -> None:
    with av.open(str(file) if isinstance(file, Path) else file, "w", container, options=options) as output:
        video = None
        if picture:
            video = output.add_stream("mpeg4", rate=1)
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
        stream = output.add_stream(codec, rate=rate, options=codec_options)
        stream.layout = {1: "mono", 2: "stereo", 6: "5.1"}[audio.shape[1]]
        if bit_rate:
            stream.bit_rate = bit_rate
        for number in range(SECONDS if picture else 0):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 1)
            output.mux(video.encode(frame))
        frame = av.AudioFrame.from_ndarray(audio.reshape(1, -1), "flt", stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo, resampler = av.AudioFifo(), av.AudioResampler(stream.codec_context.format, stream.layout, rate)
        for part in resampler.resample(frame):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while part := fifo.read(size) or fifo.read(0, partial=True):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
        if video is not None:
            output.mux(video.encode(None))


class _Pipe:
    """A file that cannot be sought in."""

    def __init__(self):
        self.parts = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def read_bytes(self) -> bytes:
        return b"".join(self.parts)


def mp3(audio: np.ndarray | None = None, header: bool = True, quality: int | None = None, codec: str = "libmp3lame",
        **how) -> bytes:  # fmt: skip
    """Encode as MP3: with or without the frame that tells the length, of constant rate or of a quality, 0 to 9."""
    options = {"write_xing": "1" if header else "0", "id3v2_version": "0"}
    codec_options = {} if quality is None else {"global_quality": str(118 * quality), "flags": "+qscale"}
    return encoded("mp3", codec, audio, bit_rate=128_000 if quality is None else 0, options=options,
                   codec_options=codec_options, **how)  # fmt: skip


def ogg(codec: str = "vorbis", serial: int = 7, audio: np.ndarray | None = None, rate: int = RATE, **how) -> bytes:
    """Encode as Ogg, with a serial number of the stream."""
    if codec == "vorbis":  # that of FFmpeg is an experiment
        data = pcm(audio, rate, format="OGG", subtype="VORBIS")
        return with_serial(data, serial)
    return encoded("ogg", codec, audio, rate=rate, options={"serial_offset": str(serial)}, **how)


def dsd(container: str) -> bytes:
    """Write a DSF file of one channel: the samples as the density of bits, by a first-order delta-sigma modulator."""
    rate = 64 * RATE
    audio = np.repeat(tones(channels=1)[:, 0].astype(np.float64), 64)
    bits = np.diff(np.floor(np.cumsum((audio + 1) / 2)), prepend=0).astype(np.uint8)
    if container == "dff":
        packed = np.packbits(bits).tobytes()
        version = b"FVER" + struct.pack(">QI", 4, 0x01050000)
        prop = b"SND FS  " + struct.pack(">QI", 4, rate) + b"CHNL" + struct.pack(">QH", 6, 1) + b"SLFT"
        prop += b"CMPR" + struct.pack(">Q", 20) + b"DSD " + b"\x0enot compressed\0"
        body = version + b"PROP" + struct.pack(">Q", len(prop)) + prop
        body += b"DSD " + struct.pack(">Q", len(packed)) + packed
        return b"FRM8" + struct.pack(">Q", len(body) + 4) + b"DSD " + body
    packed = np.packbits(bits, bitorder="little").tobytes()
    packed += bytes(-len(packed) % 4096)
    form = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, rate, 1, len(bits), 4096, 0)
    data = b"data" + struct.pack("<Q", 12 + len(packed)) + packed
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(form) + len(data), 0) + form + data


# --- surgery -----------------------------------------------------------------------------------------------------


def cut(data: bytes, share: float = 0.5) -> bytes:
    return data[: round(len(data) * share)]


def damaged(data: bytes, size: int = 400, zeros: bool = False) -> bytes:
    """Put noise or zeros over some bytes in the middle."""
    place = len(data) // 2
    return data[:place] + (bytes(size) if zeros else noise(size)) + data[place + size :]


def patched(data: bytes, place: int, form: str, *values: int) -> bytes:
    """Put numbers over some bytes, as ``struct`` writes them."""
    new = struct.pack(form, *values)
    return data[:place] + new + data[place + len(new) :]


def data_size(data: bytes, size: int, riff: int | None = None) -> bytes:
    """Change what a WAV says of the size of its samples, and of itself."""
    data = patched(data, data.index(b"data") + 4, "<I", size)
    return data if riff is None else patched(data, 4, "<I", riff)


def with_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    """Put a chunk before the samples of a WAV."""
    place = data.index(b"data")
    chunk = name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return patched(data[:place] + chunk + data[place:], 4, "<I", len(data) + len(chunk) - 8)


def pages(data: bytes) -> list[bytes]:
    """Return the pages of an Ogg file."""
    found, place = [], 0
    while data[place : place + 4] == b"OggS":
        segments = data[place + 26]
        size = 27 + segments + sum(data[place + 27 : place + 27 + segments])
        found.append(data[place : place + size])
        place += size
    return found


def ogg_checksum(page: bytes) -> bytes:
    """Return an Ogg page with the right checksum."""
    register = 0
    page = patched(page, 22, "<I", 0)
    for byte in page:
        register = (register << 8 & 0xFFFFFFFF) ^ _OGG_TABLE[(register >> 24) ^ byte]
    return patched(page, 22, "<I", register)


def _ogg_table() -> list[int]:
    table = []
    for number in range(256):
        register = number << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(register)
    return table


_OGG_TABLE = _ogg_table()


def with_serial(data: bytes, serial: int) -> bytes:
    return b"".join(ogg_checksum(patched(page, 14, "<I", serial)) for page in pages(data))


def without_end_mark(data: bytes) -> bytes:
    *others, last = pages(data)
    return b"".join([*others, ogg_checksum(patched(last, 5, "B", last[5] & ~4))])


def id3(size: int, picture: int = 0) -> bytes:
    """Return an ID3v2 tag with a title, and a picture of so many bytes, that says it has ``size`` bytes more."""
    frames = b"TIT2" + struct.pack(">IH", 6, 0) + b"\0Title"
    if picture:
        image = b"\0image/jpeg\0\x03\0\xff\xd8\xff\xe0" + bytes(picture)
        frames += b"APIC" + struct.pack(">IH", len(image), 0) + image
    size += len(frames)
    return b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + frames


def ape_tag() -> bytes:
    item = struct.pack("<II", 5, 0) + b"Title\0Title"
    about = struct.pack("<IIIIQ", 2000, len(item) + 32, 1, 0, 0)
    return b"APETAGEX" + about[:16] + bytes(8) + item + b"APETAGEX" + about[:16] + bytes(8)


def flac_total(data: bytes, total: int) -> bytes:
    """Change how many samples a FLAC says that it has."""
    place = data.index(b"fLaC") + 8 + 13
    return patched(patched(data, place, "B", data[place] & 0xF0 | total >> 32), place + 1, ">I", total & 0xFFFFFFFF)


def noise(size: int) -> bytes:
    return np.random.default_rng(1).integers(0, 256, size, np.uint8).tobytes()


def quiet_then_loud() -> np.ndarray:
    audio = tones(12)
    audio[: 6 * RATE] *= 0.001
    return audio


def opposite(audio: np.ndarray) -> np.ndarray:
    return np.stack([audio[:, 0], -audio[:, 0]], axis=1)


def m4a(**how) -> bytes:
    return encoded("ipod", "aac", **how)


FAST = {"movflags": "faststart"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
LOSSY = (SECONDS - 0.1, SECONDS + 0.1)
TWICE = (2 * SECONDS - 0.1, 2 * SECONDS + 0.1)
HALF = (SECONDS / 2 - 0.5, SECONDS / 2 + 0.5)
MOST = (SECONDS - 0.6, SECONDS + 0.1)

ODD = [
    # MP3
    Odd("plain.mp3", lambda: mp3()),
    Odd("no header, constant rate.mp3", lambda: mp3(header=False), LOSSY),
    Odd("no header, variable rate.mp3", lambda: mp3(header=False, quality=4), LOSSY),
    Odd("no header, quiet beginning.mp3", lambda: mp3(quiet_then_loud(), header=False, quality=4), TWICE),
    Odd("written to a pipe.mp3", lambda: mp3(seekable=False), LOSSY),
    Odd("mono, 22 kHz.mp3", lambda: mp3(tones(rate=22_050, channels=1), rate=22_050), LOSSY),
    Odd("mono, 8 kHz.mp3", lambda: mp3(tones(rate=8_000, channels=1), rate=8_000), LOSSY),
    Odd("layer 2.mp2", lambda: encoded("mp2", "mp2", bit_rate=192_000), LOSSY),
    Odd("layer 2.mpga", lambda: encoded("mp2", "mp2", bit_rate=192_000), LOSSY),
    Odd("MP3 in WAV.wav", lambda: encoded("wav", "libmp3lame"), LOSSY),
    Odd("two joined.mp3", lambda: mp3() + mp3(tones(first=6)), TWICE),
    Odd("two joined, no header.mp3", lambda: mp3(header=False) + mp3(tones(first=6), header=False), TWICE),
    Odd("tag at its end, APEv2.mp3", lambda: mp3(header=False) + ape_tag(), LOSSY),
    Odd("tag at its end, ID3v1.mp3", lambda: mp3() + b"TAG" + b"Title".ljust(125, b"\0"), LOSSY),
    Odd("tag with a picture.mp3", lambda: id3(0, picture=300_000) + mp3(), LOSSY),
    Odd("tag that says too little.mp3", lambda: id3(-4) + mp3(), LOSSY),
    Odd("tag that says too much.mp3", lambda: id3(5_000) + mp3(), MOST),
    Odd(
        "tag that is not UTF-8.mp3",
        lambda: mp3() + b"TAG" + b"\xb8\xd6\xc7\xd9".ljust(125, b"\0"),
        LOSSY,
    ),
    Odd("garbage before.mp3", lambda: noise(1_000) + mp3(), LOSSY),
    Odd("zeros before.mp3", lambda: bytes(5_000) + mp3(), LOSSY),
    Odd("zeros after.mp3", lambda: mp3() + bytes(50_000), LOSSY, "end"),
    Odd("text after.mp3", lambda: mp3() + b"<html>" * 500, LOSSY, "end"),
    Odd("cut off.mp3", lambda: cut(mp3()), HALF, "ends early"),
    Odd("cut off, no header.mp3", lambda: cut(mp3(header=False)), HALF),
    Odd("cut off, variable rate.mp3", lambda: cut(mp3(quality=4)), (1.5, 4.5), "ends early"),
    Odd("damaged.mp3", lambda: damaged(mp3(), size=2_000), MOST, "damaged"),
    Odd("named as WAV.wav", lambda: mp3()),
    # Ogg
    Odd("plain.ogg", lambda: ogg()),
    Odd("cut off.ogg", lambda: cut(ogg()), (1, 3.5), "ends early"),
    Odd("last bytes missing.ogg", lambda: ogg()[:-20], MOST, "ends early"),
    Odd("last page missing.ogg", lambda: b"".join(pages(ogg())[:-1]), MOST, "ends early"),
    Odd("no mark of its end.ogg", lambda: without_end_mark(ogg()), LOSSY, "ends early"),
    Odd("damaged.ogg", lambda: damaged(ogg()), (3, SECONDS), "damaged"),
    Odd("chained.ogg", lambda: ogg(serial=1) + ogg(serial=2, audio=tones(first=6)), TWICE),
    Odd("chained, equal serials.ogg", lambda: ogg(serial=1) + ogg(serial=1, audio=tones(first=6)), TWICE),
    Odd(
        "chained, another rate.ogg",
        lambda: ogg(serial=1) + ogg(serial=2, audio=tones(first=6, rate=22_050), rate=22_050),
        LOSSY,
        "another form",
    ),
    Odd(
        "chained, then mono.ogg",
        lambda: ogg(serial=1) + ogg(serial=2, audio=tones(first=6, channels=1)),
        LOSSY,
        "another form",
    ),
    Odd("zeros after.ogg", lambda: ogg() + bytes(3_000), LOSSY),
    Odd("FLAC in Ogg.oga", lambda: ogg("flac", bit_rate=0)),
    Odd("plain.opus", lambda: ogg("libopus", audio=tones(rate=48_000), rate=48_000), LOSSY),
    Odd("cut off.opus", lambda: cut(ogg("libopus", audio=tones(rate=48_000), rate=48_000)), HALF, "ends early"),
    Odd(
        "chained.opus",
        lambda: ogg("libopus", 1, tones(rate=48_000), 48_000) + ogg("libopus", 2, tones(rate=48_000, first=6), 48_000),
        TWICE,
    ),
    # FLAC
    Odd("plain.flac", lambda: pcm(format="FLAC")),
    Odd("24 bits.flac", lambda: pcm(format="FLAC", subtype="PCM_24")),
    Odd("eight channels.flac", lambda: pcm(tones(channels=8), format="FLAC")),
    Odd("written to a pipe.flac", lambda: encoded("flac", "flac", bit_rate=0, seekable=False)),
    Odd("no total.flac", lambda: flac_total(pcm(format="FLAC"), 0)),
    Odd("total too low.flac", lambda: flac_total(pcm(format="FLAC"), 2 * RATE)),
    Odd("total too high.flac", lambda: flac_total(pcm(format="FLAC"), 60 * RATE), says="ends early"),
    Odd("cut off.flac", lambda: cut(pcm(format="FLAC")), (2, 4), "ends early"),
    Odd("last bytes missing.flac", lambda: pcm(format="FLAC")[:-4], MOST, "end"),
    Odd("damaged.flac", lambda: damaged(pcm(format="FLAC")), MOST, "damaged"),
    Odd(
        "zeroed.flac", lambda: (d := pcm(format="FLAC"))[: len(d) // 2] + bytes(400) + d[len(d) // 2 + 400 :], MOST, "."
    ),
    Odd("tag before.flac", lambda: id3(0) + pcm(format="FLAC")),
    Odd("zeros after.flac", lambda: pcm(format="FLAC") + bytes(3_000)),
    # WAV
    Odd("plain.wav", lambda: pcm()),
    *(
        Odd(f"{subtype}.wav", lambda subtype=subtype: pcm(subtype=subtype))
        for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
    ),
    Odd("IMA_ADPCM.wav", lambda: pcm(subtype="IMA_ADPCM"), LOSSY),
    Odd("extensible.wav", lambda: pcm(format="WAVEX")),
    Odd("five channels and bass.wav", lambda: pcm(tones(channels=6), format="WAVEX")),
    Odd("24 channels.wav", lambda: pcm(tones(channels=24))),
    Odd("size of a pipe.wav", lambda: data_size(pcm(), 0xFFFFFFFF, 0xFFFFFFFF)),
    Odd("size of a pipe, another way.wav", lambda: data_size(pcm(), 0x7FFFFFFF, 0x7FFFFFFF)),
    Odd("sizes of 0.wav", lambda: data_size(pcm(), 0, 0)),
    Odd("size with its own header.wav", lambda: patched(d := pcm(), 4, "<I", len(d))),
    Odd("size of an older edit.wav", lambda: patched(pcm(), 4, "<I", 36)),
    Odd("cut off.wav", lambda: cut(pcm()), HALF, "ends early"),
    Odd("cut off within a sample.wav", lambda: pcm()[:-3], (SECONDS - 0.01, SECONDS), "ends early"),
    Odd("tags before.wav", lambda: with_chunk(pcm(), b"LIST", b"INFOINAM\x06\0\0\0Title\0")),
    Odd("a text of odd size before.wav", lambda: with_chunk(pcm(), b"note", b"odd")),
    Odd("tags that are not UTF-8.wav", lambda: with_chunk(pcm(), b"LIST", b"INFOINAM\x04\0\0\0\xb8\xd6\xc7\xd9")),
    Odd("garbage after.wav", lambda: pcm() + noise(3_000)),
    Odd("louder than full scale.wav", lambda: pcm(tones() * 6, subtype="FLOAT")),
    Odd("opposite phase.wav", lambda: pcm(opposite(tones()))),
    Odd("left channel only.wav", lambda: pcm(tones() * np.float32([1, 0]))),
    Odd("8 kHz.wav", lambda: pcm(tones(rate=8_000), 8_000)),
    Odd("192 kHz.wav", lambda: pcm(tones(rate=192_000), 192_000)),
    # Other containers of samples
    Odd("plain.rf64", lambda: pcm(format="RF64")),
    Odd("cut off.rf64", lambda: cut(pcm(format="RF64")), HALF, "ends early"),
    Odd("plain.w64", lambda: pcm(format="W64")),
    Odd("cut off.w64", lambda: cut(pcm(format="W64")), HALF, "ends early"),
    Odd("plain.au", lambda: pcm(format="AU")),
    Odd("cut off.au", lambda: cut(pcm(format="AU")), HALF, "ends early"),
    Odd("size of a pipe.au", lambda: patched(pcm(format="AU"), 8, ">I", 0xFFFFFFFF)),
    Odd("plain.aiff", lambda: pcm(format="AIFF")),
    Odd("little-endian.aifc", lambda: pcm(format="AIFF", endian="LITTLE")),
    Odd("cut off.aiff", lambda: cut(pcm(format="AIFF")), HALF, "ends early"),
    Odd("plain.caf", lambda: pcm(format="CAF")),
    Odd("cut off.caf", lambda: cut(pcm(format="CAF")), HALF, "ends early"),
    # MPEG-4, Matroska and others
    Odd("plain.m4a", m4a, LOSSY),
    Odd("book.m4b", lambda: m4a(options=FAST), LOSSY),
    Odd("Apple Lossless.m4a", lambda: encoded("ipod", "alac", bit_rate=0)),
    Odd("with video.mp4", lambda: encoded("mp4", "aac", picture=True), LOSSY),
    Odd("in fragments.mp4", lambda: encoded("mp4", "aac", options=FRAGMENTED), LOSSY),
    Odd("cut off, index first.m4a", lambda: cut(m4a(options=FAST)), HALF, "ends early"),
    Odd("cut off, index last.m4a", lambda: cut(m4a()), says="no audio", refused=True),
    Odd("damaged.m4a", lambda: damaged(m4a(options=FAST), size=1_000), (4, SECONDS + 0.1), "damaged"),
    Odd("plain.aac", lambda: encoded("adts", "aac"), (SECONDS - 0.1, SECONDS + 0.2)),
    Odd("cut off.aac", lambda: cut(encoded("adts", "aac")), HALF, "end"),
    Odd("plain.ac3", lambda: encoded("ac3", "ac3"), LOSSY),
    Odd("Opus.webm", lambda: encoded("webm", "libopus", tones(rate=48_000), 48_000), LOSSY),
    Odd("FLAC.mka", lambda: encoded("matroska", "flac", bit_rate=0), LOSSY),
    Odd("cut off.mka", lambda: cut(encoded("matroska", "flac", bit_rate=0)), HALF, "ends early"),
    Odd("plain.wma", lambda: encoded("asf", "wmav2"), (SECONDS - 0.1, SECONDS + 0.2)),
    Odd("plain.tta", lambda: encoded("tta", "tta", bit_rate=0)),
    Odd("plain.wv", lambda: encoded("wv", "wavpack", bit_rate=0)),
    Odd("cut off.wv", lambda: cut(encoded("wv", "wavpack", bit_rate=0)), HALF, "ends early"),
    Odd("one bit.dsf", lambda: dsd("dsf"), LOSSY),
    Odd("one bit.dff", lambda: dsd("dff"), LOSSY),
    # No music
    Odd("empty.flac", lambda: b"", says="empty", refused=True),
    Odd("page.mp3", lambda: b"<html>404: no such song</html>" * 50, says="no audio", refused=True),
    Odd("four bytes.wav", lambda: b"RIFF", says="no audio", refused=True),
    Odd("header only.wav", lambda: pcm()[:44], says="no samples", refused=True),
    Odd("noise.mp3", lambda: noise(100_000), says="audio", refused=True),
    Odd("zeros.wav", lambda: bytes(1_000_000), says="no audio", refused=True),
    Odd("picture.mp3", lambda: b"\xff\xd8\xff\xe0" + noise(50_000), says="audio", refused=True),
    Odd(
        "MIDI.wav",
        lambda: b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + bytes(300),
        says="no audio",
        refused=True,
    ),
    Odd("big-endian.wav", lambda: pcm(endian="BIG"), says="RIFX", refused=True),
    Odd("rate of 1 Hz.wav", lambda: patched(pcm(), 24, "<I", 1), says="samples a second", refused=True),
    Odd("rate of 0 Hz.wav", lambda: patched(pcm(), 24, "<I", 0), says=".", refused=True),
    Odd("rate of 4 GHz.wav", lambda: patched(pcm(), 24, "<I", 4_000_000_000), says=".", refused=True),
    Odd("no channel.wav", lambda: patched(pcm(), 22, "<H", 0), says=".", refused=True),
    Odd("a thousand channels.wav", lambda: patched(pcm(), 22, "<H", 1_000), says=".", refused=True),
    Odd(
        "unknown codec.m4a",
        lambda: m4a().replace(b"mp4a", b"xxxx").replace(b"esds", b"xxxx"),
        says="codec",
        refused=True,
    ),
    Odd("video only.mp4", lambda: video_only(), says="no audio", refused=True),
    Odd("playlist.mp3", lambda: b"#EXTM3U\n#EXTINF:6\nplain.mp3\n", says="no audio", refused=True),
    Odd("list of files.wav", lambda: b"ffconcat version 1.0\nfile plain.wav\n", says="no audio", refused=True),
]


def video_only() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", "mp4") as output:
        video = output.add_stream("mpeg4", rate=1)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        output.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        output.mux(video.encode(None))
    return file.getvalue()
