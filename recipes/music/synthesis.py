"""Sounds made from scratch with NumPy: a few synthesizer voices, an electronic drum kit, and a room.

A voice is a function ``voice(pitch, seconds, velocity) -> audio``, the same for a bass and a drum kit.
"""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from recipes.music.scores import Note
from recipes.music.soundfont import SAMPLE_RATE

Voice = Callable[[int, float, int], np.ndarray]


def render(notes: Iterable[Note], voice: Voice, seconds: float) -> np.ndarray:
    """Play notes (times in seconds) with a voice; mono, float32, not normalised."""
    audio = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for note in notes:
        start = max(0, round(note.onset * SAMPLE_RATE))
        tone = voice(note.pitch, note.duration, note.velocity)[: max(0, len(audio) - start)]
        audio[start : start + len(tone)] += tone
    return audio


def low_pass(audio: np.ndarray, hertz: float) -> np.ndarray:
    return sosfilt(butter(2, hertz, fs=SAMPLE_RATE, output="sos"), audio)


def high_pass(audio: np.ndarray, hertz: float) -> np.ndarray:
    return sosfilt(butter(2, hertz, "high", fs=SAMPLE_RATE, output="sos"), audio)


def reverb(audio: np.ndarray, seconds: float, wet: float, hertz: float = 4_000, seed: int = 0) -> np.ndarray:
    """Put a dry sound into a room: noise that decays by 60 dB in ``seconds``, darker than the sound itself.

    ``wet`` is the level of the room in relation to the dry sound, 0 to 1; above ``hertz`` the room is dull, and each
    ``seed`` is a room of its own.
    """
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    room = low_pass(noise * 10 ** (-3 * np.arange(len(noise)) / len(noise)), hertz)
    room[: round(0.012 * SAMPLE_RATE)] = 0  # the first echo comes from a wall, not from the instrument
    echo = fftconvolve(audio, room)[: len(audio)]
    # Scaled by energy of the room response, not of this echo: equal rooms for soft and loud passages.
    return (audio + wet * echo / np.sqrt((room**2).sum())).astype(np.float32)


def _time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _envelope(time: np.ndarray, attack: float, release: float) -> np.ndarray:
    """Rise in ``attack`` s, fall in the last ``release`` s."""
    end = time[-1] if len(time) else 0.0
    return np.clip(time / attack, 0, 1) * np.clip((end - time) / release, 0, 1)


def hertz(pitch: float) -> float:
    return 440 * 2 ** ((pitch - 69) / 12)


def saw(frequency: float, time: np.ndarray, cutoff: np.ndarray | float, top: float = 9_000) -> np.ndarray:
    """Sawtooth under a moving low-pass filter, summed from its harmonics, so that nothing aliases.

    Each harmonic h has the level 1/h of a sawtooth times the 12 dB per octave of the filter at its frequency.
    """
    wave = np.zeros_like(time)
    for harmonic in range(1, int(top / frequency) + 1):
        level = 1 / harmonic / (1 + (harmonic * frequency / cutoff) ** 4) ** 0.5
        wave += level * np.sin(2 * np.pi * harmonic * frequency * time)
    return wave


def acid_bass(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """A short bass note whose filter snaps shut; stronger notes open it farther."""
    time = _time(seconds)
    cutoff = 180 + (velocity / 127) ** 2 * 3_500 * np.exp(-time / 0.09)
    return saw(hertz(pitch), time, cutoff) * _envelope(time, 0.003, 0.02) * velocity / 127


def reese_bass(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """Two sawtooths a little apart, which beat slowly, over a sine an octave below."""
    time = _time(seconds)
    pair = saw(hertz(pitch + 0.12), time, 650.0) + saw(hertz(pitch - 0.12), time, 650.0)
    return (pair + np.sin(2 * np.pi * hertz(pitch - 12) * time)) * _envelope(time, 0.01, 0.04) * velocity / 127


def stab(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """A plucked synthesizer chord tone."""
    time = _time(seconds + 0.2)
    cutoff = 400 + 4_000 * np.exp(-time / 0.12)
    wave = saw(hertz(pitch + 0.06), time, cutoff) + saw(hertz(pitch - 0.06), time, cutoff)
    return wave * np.exp(-time / 0.25) * _envelope(time, 0.003, 0.05) * velocity / 127


def pad(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """Three detuned sawtooths that swell over a second behind a dark, slowly opening filter."""
    time = _time(seconds + 1.5)
    cutoff = 350 + 700 * np.clip(time / (seconds + 1.5), 0, 1)
    wave = sum(saw(hertz(pitch + detune), time, cutoff, 4_000) for detune in (-0.08, 0.0, 0.07))
    return wave * _envelope(time, 1.0, 1.5) * velocity / 127


def bell(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """Frequency modulation at 1 to 3.5 (Chowning, 1973): a bright strike that soon turns into a pure tone."""
    time = _time(seconds + 2.0)
    phase = 2 * np.pi * hertz(pitch) * time
    modulation = 1.8 * np.exp(-time / 0.3) * np.sin(3.5 * phase)
    return np.sin(phase + modulation) * np.exp(-time / 0.9) * _envelope(time, 0.004, 0.1) * velocity / 127


def electronic_kit(pitch: int, seconds: float, velocity: int) -> np.ndarray:
    """Kick, snare, clap, closed and open hi-hat on their General MIDI keys."""
    level = velocity / 127
    noise = np.random.default_rng(pitch * 128 + velocity).standard_normal
    if pitch == 36:
        time = _time(0.32)
        sweep = 55 * time + 5.3 * (1 - np.exp(-time / 0.028))  # in cycles: from 245 Hz down to 55 Hz, an A
        return level * np.sin(2 * np.pi * sweep) * np.exp(-time / 0.11) * _envelope(time, 0.001, 0.05)
    if pitch == 38:
        time = _time(0.22)
        body = np.sin(2 * np.pi * 190 * time) * np.exp(-time / 0.05)
        return level * (0.7 * body + high_pass(0.3 * noise(len(time)), 900) * np.exp(-time / 0.07))
    if pitch == 39:
        time = _time(0.25)
        hands = sum(np.exp(-np.clip(time - start, 0, None) / 0.009) * (time >= start) for start in (0, 0.011, 0.023))
        return level * 0.4 * high_pass(noise(len(time)), 1_000) * (0.5 * hands + np.exp(-time / 0.06))
    if pitch in (42, 46):
        decay = 0.025 if pitch == 42 else 0.12
        time = _time(6 * decay)
        return level * 0.12 * high_pass(noise(len(time)), 7_000) * np.exp(-time / decay)
    raise ValueError(f"The electronic kit has no drum on key {pitch}; it has 36, 38, 39, 42 and 46.")
