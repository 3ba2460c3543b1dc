"""Ways to spoil or to store a sound that are no neural codec.

Each takes clips, shape (clips, samples), float32, at 16 kHz, and gives clips of the same shape with the bitrate of each
in kbit/s, NaN where nothing is stored.
"""

import io
from functools import partial

import librosa
import numpy as np
import soundfile
from scipy.signal import butter, sosfiltfilt

from recipes.codec.audio import SAMPLE_RATE

CUTOFF = 2_000  # Hz
MELS, WINDOW, HOP, ITERATIONS = 64, 1024, 320, 32  # of Griffin-Lim


def original(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The clips themselves, as samples of 16 bits."""
    return clips, np.full(len(clips), 16 * SAMPLE_RATE / 1000)


def low_pass(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What lies below 2 kHz (Butterworth of order 8, forwards and backwards)."""
    bands = butter(8, CUTOFF, fs=SAMPLE_RATE, output="sos")
    return sosfiltfilt(bands, clips, axis=1).astype(np.float32), np.full(len(clips), np.nan)


def griffin_lim(clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sound again from 64 mel bands, which are not quantized, with phases by Griffin and Lim."""
    inverse = np.linalg.pinv(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=MELS))
    made = []
    for audio in clips:
        mel = librosa.feature.melspectrogram(y=audio, sr=SAMPLE_RATE, n_fft=WINDOW, hop_length=HOP, n_mels=MELS)
        magnitude = np.sqrt(np.maximum(0, inverse @ mel)).astype(np.float32)
        made.append(
            librosa.griffinlim(
                magnitude, n_iter=ITERATIONS, hop_length=HOP, n_fft=WINDOW, length=len(audio), random_state=0
            )
        )
    return np.stack(made), np.full(len(clips), np.nan)


def ogg(clips: np.ndarray, subtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Through Opus or Vorbis at the lowest rate that libsndfile offers."""
    made, rates = [], []
    for audio in clips:
        file = io.BytesIO()
        soundfile.write(file, audio, SAMPLE_RATE, format="OGG", subtype=subtype, compression_level=1.0)
        rates.append(8 * payload(file.getvalue()) / 1000 / (len(audio) / SAMPLE_RATE))
        file.seek(0)
        made.append(soundfile.read(file, dtype="float32")[0])
    return np.stack(made), np.array(rates)


def payload(data: bytes) -> int:
    """Bytes of sound in an Ogg file: without the pages at the beginning that hold headers, and without page heads."""
    at, total = 0, 0
    while at < len(data):
        position = int.from_bytes(data[at + 6 : at + 14], "little")  # of the last sample in the page
        segments = data[at + 26]
        size = sum(data[at + 27 : at + 27 + segments])
        total += size if position else 0
        at += 27 + segments + size
    return total


BASELINES = {
    "original, 16 bits": original,
    "low-pass at 2 kHz": low_pass,
    "Griffin-Lim, 64 mel bands": griffin_lim,
    "Opus, lowest rate": partial(ogg, subtype="OPUS"),
    "Vorbis, lowest rate": partial(ogg, subtype="VORBIS"),
}
