"""Sounds that are made up for tests: mono, at the rate of the probe."""

import numpy as np

from musicwords.spectral import SAMPLE_RATE


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=round(seconds * SAMPLE_RATE)).astype(np.float32)


def bursts(bpm: float, seconds: float = 10) -> np.ndarray:
    """Strokes of noise of 50 ms, one a beat."""
    audio, stroke = np.zeros(round(seconds * SAMPLE_RATE), np.float32), noise(0.05)
    for start in np.arange(0.1, seconds - 0.05, 60 / bpm):
        at = round(start * SAMPLE_RATE)
        audio[at : at + len(stroke)] += stroke
    return audio


def melody(seed: int = 0, seconds: float = 10) -> np.ndarray:
    """Notes at random pitches and times, each dying away."""
    rng, audio = np.random.default_rng(seed), np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    start = 0.1
    while start < seconds - 0.5:
        at = round(start * SAMPLE_RATE)
        time = np.arange(len(audio) - at) / SAMPLE_RATE
        audio[at:] += (0.2 * np.exp(-4 * time) * np.sin(2 * np.pi * rng.uniform(200, 2000) * time)).astype(np.float32)
        start += rng.uniform(0.2, 0.7)
    return audio
