"""A reader's own file: every kind of file is heard as asked, or the reader is told why not."""

import warnings

import numpy as np
import pytest
import soundfile

from musicwords.musicnn import PATCH_SECONDS, SAMPLE_RATE, log_mel_patches
from musicwords.own_audio import load_own_audio


def write(path, seconds, rate, channels=1, gain=0.3):
    """Write a tone of 440 Hz, the same in all channels."""
    tone = gain * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
    return path


@pytest.mark.parametrize(
    ("name", "seconds", "rate", "channels"),
    [("long.mp3", 20, 44_100, 2), ("high.flac", 5, 96_000, 1), ("same.wav", 5, SAMPLE_RATE, 1)],
)
def test_usual_file_is_heard_at_the_rate_of_the_model(tmp_path, name, seconds, rate, channels):
    path = write(tmp_path / name, seconds, rate, channels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio = load_own_audio(path, SAMPLE_RATE, PATCH_SECONDS)
    assert audio.dtype == np.float32 and audio.ndim == 1
    assert len(audio) == pytest.approx(seconds * SAMPLE_RATE, rel=0.01)
    spectrum = np.abs(np.fft.rfft(audio[: 4 * SAMPLE_RATE]))
    assert spectrum.argmax() / 4 == pytest.approx(440, abs=1)


def test_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "song.wav", 4, SAMPLE_RATE)
    assert len(load_own_audio("~/song.wav", SAMPLE_RATE, PATCH_SECONDS)) == 4 * SAMPLE_RATE


def test_low_rate_is_said(tmp_path):
    path = write(tmp_path / "telephone.wav", 4, 8000)
    with pytest.warns(UserWarning, match="nothing above 4 kHz"):
        load_own_audio(path, SAMPLE_RATE, PATCH_SECONDS)


def test_short_file_is_said_to_be_short_and_repeated(tmp_path):
    path = write(tmp_path / "short.wav", 1, SAMPLE_RATE)
    with pytest.warns(UserWarning, match=r"short\.wav is short: it lasts 1\.0 s.*at least 3 s"):
        audio = load_own_audio(path, SAMPLE_RATE, PATCH_SECONDS)
    np.testing.assert_array_equal(audio, np.tile(audio[:SAMPLE_RATE], 3))
    assert len(log_mel_patches(audio)) == 1


@pytest.mark.parametrize("gain", [0, 1e-4])
def test_silence_is_refused(tmp_path, gain):
    path = write(tmp_path / "silent.wav", 4, SAMPLE_RATE, gain=gain)
    with pytest.raises(ValueError, match=r"silent\.wav is silent: its level is -\d+ dBFS"):
        load_own_audio(path, SAMPLE_RATE, PATCH_SECONDS)


def test_soft_music_is_not_silence(tmp_path):
    path = write(tmp_path / "soft.flac", 4, SAMPLE_RATE, gain=0.005)
    assert len(load_own_audio(path, SAMPLE_RATE, PATCH_SECONDS)) == 4 * SAMPLE_RATE


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.wav"):
        load_own_audio(tmp_path / "nowhere.wav", SAMPLE_RATE, PATCH_SECONDS)
