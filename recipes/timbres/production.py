"""What happens to music on its way to a listener: filters, saturation, noise and lossy codecs."""

import io

import numpy as np
import soundfile
from scipy.signal import butter, lfilter, sosfilt

from recipes.corpus.render import PEAK, SAMPLE_RATE

EQUALIZED, SATURATED, NOISY, CODED, NARROW = 0.8, 0.3, 0.5, 0.5, 0.15  # share of the clips
CODECS = (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"))


def peaking(audio: np.ndarray, hertz: float, decibels: float, quality: float) -> np.ndarray:
    """A peaking filter (Bristow-Johnson, Cookbook formulae for audio EQ biquad filter coefficients)."""
    gain, angle = 10 ** (decibels / 40), 2 * np.pi * hertz / SAMPLE_RATE
    alpha = np.sin(angle) / (2 * quality)
    numerator = [1 + alpha * gain, -2 * np.cos(angle), 1 - alpha * gain]
    denominator = [1 + alpha / gain, -2 * np.cos(angle), 1 - alpha / gain]
    return lfilter(numerator, denominator, audio)


def coded(audio: np.ndarray, form: str, subtype: str, compression: float) -> np.ndarray:
    """Through a lossy codec and back; ``compression`` from 0 to 1, the larger the worse."""
    buffer = io.BytesIO()
    buffer.name = f"clip.{form.lower()}"
    with soundfile.SoundFile(
        buffer, "w", SAMPLE_RATE, 1, format=form, subtype=subtype, compression_level=compression
    ) as file:
        file.write(audio)
    buffer.seek(0)
    back = soundfile.read(buffer, dtype="float32")[0]
    return np.resize(back, len(audio)) if len(back) < len(audio) else back[: len(audio)]


def produced(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A clip as it may reach a listener, at the level it had; float32, at 16 kHz."""
    level = np.sqrt((audio**2).mean())
    if rng.random() < EQUALIZED:
        for _ in range(rng.integers(1, 5)):
            hertz = np.exp(rng.uniform(np.log(80), np.log(6_500)))
            audio = peaking(audio, hertz, rng.uniform(-9, 9), rng.uniform(0.4, 2))
    if rng.random() < NARROW:
        edges = rng.uniform(60, 200), rng.uniform(3_000, 7_000)
        audio = sosfilt(butter(2, edges, "band", fs=SAMPLE_RATE, output="sos"), audio)
    if rng.random() < SATURATED:
        drive = rng.uniform(0.5, 3) / (np.abs(audio).max() + 1e-9)
        audio = np.tanh(audio * drive) / drive
    if rng.random() < NOISY:
        noise = rng.standard_normal(len(audio))
        noise = lfilter([1], [1, -rng.uniform(0, 0.97)], noise)
        audio = audio + noise / noise.std() * np.sqrt((audio**2).mean()) * 10 ** (rng.uniform(-55, -25) / 20)
    audio = audio * level / (np.sqrt((audio**2).mean()) + 1e-12)
    audio = (audio * min(1.0, PEAK / np.abs(audio).max())).astype(np.float32)
    if rng.random() < CODED:
        form, subtype = CODECS[rng.integers(len(CODECS))]
        audio = coded(audio, form, subtype, rng.uniform(0.4, 0.95))
    return np.clip(audio, -1, 1)
