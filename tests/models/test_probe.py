"""The probe of generated music and the measures of health, on sounds that are made here; and the probe as shipped."""

import json

import numpy as np
import pytest
from made_up import bursts, melody, noise
from safetensors.numpy import save_file

from musicwords.clips import load_audio, load_clips
from musicwords.health import FEWEST_ONSETS, MOST_SIMILAR, health
from musicwords.probe import SHIPPED, Probe, Readings, features
from musicwords.spectral import SAMPLE_RATE, TEMPI, log_mel, partials, periodicity, rises

# What the shipped probe reaches on the clips of the book, which are no clips of its corpus, less a margin.
FAMILY, PERCUSSION = 0.7, 0.9
TIME = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE


@pytest.mark.parametrize("seconds", [2, 3.7, 10, 25])
def test_any_length_gives_as_many_finite_features(seconds):
    found, expected = features(melody(seconds=seconds)), features(noise(10))
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()


@pytest.mark.parametrize("audio", [np.zeros(160_000), np.full(160_000, 0.5), 1e-6 * noise(10), 30 * noise(10)])
def test_features_of_silence_and_of_anything_else_are_finite(audio):
    assert all(np.isfinite(one).all() for one in features(audio))


@pytest.mark.parametrize("function", [features, health])
@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, 160_000)), r"shape \(2, 160000\) and expects mono"),
        (np.zeros(0), "got 0 samples.*at least 2 s"),
        (np.zeros(31_999), "31999 samples.*at least 2 s"),
        (np.full(160_000, np.nan), "160000 samples that are NaN"),
        (np.full(160_000, np.inf), "NaN or infinite"),
    ],
)
def test_bad_audio_is_refused(function, audio, message):
    with pytest.raises(ValueError, match=message):
        function(audio)


@pytest.mark.parametrize("bpm", [60, 96, 150])
def test_periodicity_is_that_of_the_beat(bpm):
    found = periodicity(rises(log_mel(bursts(bpm))).mean(axis=0))
    beat, off_beat = (found[np.abs(TEMPI - tempo).argmin()] for tempo in (bpm, bpm * 1.35))
    assert beat > 0.5
    assert off_beat < 0.1
    # The beat, or two or three beats together; nothing else comes again.
    assert np.abs(np.log2(TEMPI[found.argmax()] * np.array([1, 2, 3]) / bpm)).min() < 1 / 24


def test_a_chord_has_more_partials_than_a_tone():
    tone = 0.1 * np.sin(2 * np.pi * 440 * TIME)
    chord = sum(0.1 * np.sin(2 * np.pi * hertz * TIME) for hertz in (140, 187, 222, 280, 333, 440, 990, 2500))
    assert partials(tone)[:7].sum() == pytest.approx(1, abs=0.05)
    assert partials(chord)[:7].sum() == pytest.approx(8, abs=0.05)


# Health


def test_silence_is_seen():
    assert health(np.zeros(160_000)) == {"onsets": 0, "silence": 1.0, "self_similarity": 1.0}
    half = melody()
    half[80_000:] = 0
    assert health(half)["silence"] == pytest.approx(0.5, abs=0.02)
    assert health(melody())["silence"] < 0.05


@pytest.mark.parametrize("seconds", [2, 2.02, 2.05, 2.5])
def test_health_of_the_shortest_clips(seconds):
    found = health(melody(seconds=seconds))
    assert 0 <= found["self_similarity"] < 1 and found["onsets"] >= 1
    assert health(np.zeros(round(seconds * SAMPLE_RATE)))["self_similarity"] == 1


def test_onsets_are_counted():
    assert health(bursts(120))["onsets"] == 20
    assert health(bursts(60))["onsets"] == 10
    held = 0.1 * np.sin(2 * np.pi * 440 * TIME) * np.minimum(1, TIME)
    assert health(held)["onsets"] < FEWEST_ONSETS


@pytest.mark.parametrize("seconds", [0.3, 0.77, 1, 2.3, 4.4])
def test_a_loop_is_self_similar(seconds):
    loop = np.tile(melody()[: round(seconds * SAMPLE_RATE)], 40)[:160_000]
    assert health(loop)["self_similarity"] > MOST_SIMILAR


def test_a_held_tone_is_self_similar_and_a_melody_is_not():
    assert health(0.1 * np.sin(2 * np.pi * 440 * TIME))["self_similarity"] > MOST_SIMILAR
    assert health(melody())["self_similarity"] < 0.7
    assert health(noise(10))["self_similarity"] < 0.2


# The probe


def write(folder, classes, **tensors):
    listing = {"texture": {"reads": ["rhythm"], "classes": classes}}
    (folder / "probe.json").write_text(json.dumps(listing))
    save_file({f"texture.{name}": value for name, value in tensors.items()}, folder / "probe.safetensors")


def test_a_probe_is_read_and_gives_its_classes(tmp_path):
    weight = np.zeros((3, 4), np.float16)
    weight[1, 2] = 1
    write(tmp_path, ["solo", "duet", "ensemble"], mean=np.full(4, 2, np.float32), scale=np.full(4, 0.5, np.float32),
          weight=weight, bias=np.array([0, 0, 1], np.float32))  # fmt: skip
    probe = Probe.load(tmp_path)
    rows = Readings(np.array([[2, 2, 2, 2], [2, 2, 3, 2], [9, 9, 9e9, 9]], np.float32), np.zeros((3, 1), np.float32))
    assert probe.answers(rows) == {"texture": ["ensemble", "duet", "duet"]}
    found = probe.probabilities(rows)["texture"]
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[0], np.exp([0, 0, 1]) / np.exp([0, 0, 1]).sum(), rtol=1e-5)
    assert found[2, 1] == pytest.approx(np.exp(5) / (np.exp(5) + 1 + np.e), rel=1e-4)  # cut off at five deviations


def test_a_probe_that_is_missing_or_damaged_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m recipes\.evaluate_generation"):
        Probe.load(tmp_path)
    vector = np.ones(4, np.float32)
    write(tmp_path, ["solo", "duet"], mean=vector, scale=vector, weight=np.ones((3, 4), np.float32), bias=vector[:3])
    with pytest.raises(ValueError, match="for 2 classes"):
        Probe.load(tmp_path)


def test_shipped_probe_hears_the_clips_of_the_book():
    probe, right = Probe.load(), {"family": [], "percussion": []}
    for clip in load_clips():
        attributes = clip["attributes"]
        found = probe(load_audio(clip["audio"]["path"], SAMPLE_RATE))
        right["percussion"].append(found["percussion"] == attributes["percussion"])
        pitched = [family for family in attributes["families"] if family not in ("drums", "percussion")]
        if pitched and pitched[0] in probe.classifiers["family"].classes:
            right["family"].append(found["family"] in pitched)
    assert len(right["family"]) > 15
    assert np.mean(right["family"]) >= FAMILY
    assert np.mean(right["percussion"]) >= PERCUSSION


def test_shipped_probe_is_small():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 200_000
