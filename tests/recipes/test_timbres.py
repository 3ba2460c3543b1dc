"""Recorded notes at the right pitch, bands that can play all, and production that keeps the level."""

import numpy as np
import pytest
import soundfile

for module in ("music21", "tinysoundfont"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")

from recipes.music.scores import Note  # noqa: E402
from recipes.music.soundfont import SAMPLE_RATE  # noqa: E402
from recipes.timbres import production, sampler  # noqa: E402

SECONDS = 2.0


def tone(hertz: float, seconds: float = 3.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def loudest(audio: np.ndarray, rate: int = SAMPLE_RATE) -> float:
    """Frequency of the highest peak, in Hz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 2**18))
    return spectrum.argmax() * rate / 2**18


@pytest.fixture
def package(tmp_path):
    """A package of two recorded notes, A4 and C6, and one under a wrong name."""
    for name, hertz in (("A4", 440), ("C6", 1046.5)):
        soundfile.write(tmp_path / f"{name}.ogg", tone(hertz), SAMPLE_RATE)
    soundfile.write(tmp_path / "C3.mp3", tone(261.6), SAMPLE_RATE)
    return tmp_path


@pytest.mark.parametrize(("number", "cents"), [(69, 0), (72, 0), (69, 35), (84, -14), (62, 0)])
def test_a_note_sounds_at_its_pitch(package, number, cents):
    audio = sampler.play([Note(0.0, 1.5, number, 100)], "violin", SECONDS, package, cents)
    wanted = 440 * 2 ** ((number - 69 + cents / 100) / 12)
    assert 1200 * abs(np.log2(loudest(audio[: round(1.4 * SAMPLE_RATE)]) / wanted)) < 4  # cents


def test_a_note_begins_and_ends_when_it_should(package):
    audio = sampler.play([Note(0.5, 0.5, 69, 100)], "violin", SECONDS, package)
    power = np.sqrt((audio.reshape(-1, SAMPLE_RATE // 20) ** 2).mean(1))
    sounding = np.flatnonzero(power > 0.05 * power.max()) / 20
    assert sounding[0] == pytest.approx(0.5, abs=0.051) and sounding[-1] == pytest.approx(1.0, abs=0.1)


def test_a_file_with_a_wrong_name_is_not_used(package):
    assert "C3.mp3" in sampler.MISNAMED
    assert sorted(sampler._files(package)) == [69, 84]


def test_what_is_too_far_from_all_recordings_is_not_played(package):
    far = [Note(0.0, 1.0, 40, 100)]
    assert not sampler.can_play(package.parent, {"name": package.name}, far)
    with pytest.raises(ValueError, match="within 9 semitones"):
        sampler.play(far, "violin", SECONDS, package)


def test_packages_play_programs_that_there_are():
    from recipes.music.soundfont import PROGRAMS

    for one in sampler.PACKAGES:
        assert set(one["programs"]) <= set(PROGRAMS) and one["integrity"].startswith("sha512-")


@pytest.mark.parametrize("seed", range(12))
def test_production_keeps_length_and_level(seed):
    rng = np.random.default_rng(seed)
    clip = (0.1 * rng.standard_normal(10 * production.SAMPLE_RATE)).astype(np.float32)
    made = production.produced(clip, rng)
    assert made.shape == clip.shape and np.isfinite(made).all() and np.abs(made).max() <= 1
    assert 20 * np.log10(made.std() / clip.std()) == pytest.approx(0, abs=2.5)


def test_a_peaking_filter_raises_its_frequency_alone():
    seconds = np.arange(16_000) / production.SAMPLE_RATE
    for hertz, decibels in ((1_000, 6), (4_000, 0)):
        wave = np.sin(2 * np.pi * hertz * seconds)
        raised = production.peaking(wave, 1_000, 6.0, 2.0)[4_000:]
        assert 20 * np.log10(raised.std() / wave[4_000:].std()) == pytest.approx(decibels, abs=0.5)


@pytest.mark.parametrize(("form", "subtype"), production.CODECS)
def test_codecs_give_back_the_clip_in_time(form, subtype):
    clip = np.zeros(2 * production.SAMPLE_RATE, np.float32)
    clip[16_000:] = 0.3 * np.sin(2 * np.pi * 500 * np.arange(16_000) / production.SAMPLE_RATE)
    back = production.coded(clip, form, subtype, 0.6)
    assert len(back) == len(clip)
    assert np.argmax(np.abs(back) > 0.1) == pytest.approx(16_000, abs=1_300)  # MP3 adds its own delay
