"""The table of recordings, windows, and what musicnn's tags say of them."""

import tomllib
import zipfile
from random import Random

import numpy as np
import pytest
import soundfile

for module in ("music21", "tinysoundfont"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")

from musicwords.clips import RECORDINGS, load_audio, load_clips  # noqa: E402
from recipes.clap import listening, sentences, styles  # noqa: E402
from recipes.music.clips import decode, loudness  # noqa: E402
from recipes.recordings import excerpts, windows  # noqa: E402
from recipes.recordings.windows import SAMPLE_RATE, TRACKS, Track, cut, find, load  # noqa: E402

TABLE = tomllib.loads(TRACKS.read_text(encoding="utf-8"))
FREE = {"CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "MIT", "BSD-2-Clause", "LicenseRef-public-domain"}


def test_licences_allow_training():
    found = {facts["licence"] for facts in TABLE.values() if facts["use"] == "train"}
    assert found <= FREE


def test_no_artist_is_on_both_sides():
    sides = [{f["artist"] for f in TABLE.values() if f["use"] == use} - {"unknown"} for use in ("train", "test")]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


def test_labels_have_sources_and_tests_enough_tracks():
    for facts in TABLE.values():
        assert facts["licence_source"]
        if {"style", "vocals", "instruments"} & set(facts):
            assert facts["label_source"]
    styled = [f["style"] for f in TABLE.values() if f["use"] == "test" and f.get("style") in styles.CLASSES]
    assert len(styled) >= 60


@pytest.mark.parametrize(
    ("seconds", "use", "count"), [(9, "train", 0), (31, "train", 3), (900, "train", 36), (60, "test", 5)]
)
def test_windows_lie_within_a_recording(seconds, use, count):
    audio = np.random.default_rng(0).normal(0, 0.1, seconds * SAMPLE_RATE).astype(np.float32)
    starts = cut(audio, use)
    assert len(starts) == count
    assert all(start >= 0 and len(windows.window(audio, start)) == 10 * SAMPLE_RATE for start in starts)


def test_silence_is_passed_over():
    audio = np.zeros(60 * SAMPLE_RATE, np.float32)
    audio[40 * SAMPLE_RATE :] = 0.1
    assert min(cut(audio, "train")) > 30


def test_recordings_in_zip_files_and_in_two_parts(tmp_path):
    wave = np.sin(np.arange(SAMPLE_RATE)).astype(np.float32) * 0.3
    for name in ("song.wav", "guitar.wav"):
        soundfile.write(tmp_path / name, wave, SAMPLE_RATE)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "song.wav", "audio/song.wav")
    below = tmp_path.relative_to("/")
    assert (
        find(f"package/{below}/a.zip:audio/song.wav", tmp_path / "out").read_bytes()
        == (tmp_path / "song.wav").read_bytes()
    )
    both = load(Track(f"package/{below}/song.wav", {"mix_with": f"{below}/guitar.wav"}), tmp_path)
    np.testing.assert_allclose(both, 2 * wave, atol=1e-3)
    with pytest.raises(FileNotFoundError, match="apt install package"):
        find("package/nowhere/song.wav", tmp_path)


# What tags say in words


@pytest.fixture
def tags():
    """Probabilities of 100 tags in 200 windows; the first ten are metal, the next ten orchestral."""
    from musicwords.checkpoints import checkpoint
    from musicwords.musicnn import Musicnn

    labels = [f"{n}:{x}" for n in ("mtt", "msd")
              for x in Musicnn.from_pretrained(**checkpoint(f"musicnn-{n}")).labels]  # fmt: skip
    found = np.full((200, 100), 0.01)
    found[:10, labels.index("msd:heavy metal")] = 0.8
    found[10:20, labels.index("mtt:classical")] = 0.9
    found[10:15, labels.index("mtt:strings")] = 0.7
    return found


def test_concepts_hold_where_tags_are_sure(tags):
    holds, blank = listening.concepts(tags, tags)
    names = list(sentences.CONCEPTS)
    assert holds[:, names.index("metal")].nonzero()[0].tolist() == list(range(10))
    assert holds[:, names.index("orchestral")].nonzero()[0].tolist() == list(range(10, 15))  # both of its tags
    assert not (holds & blank).any()
    assert not blank[30, names.index("metal")] or (tags[:, 0] == 0.01).all()


def test_tags_of_concepts_exist():
    assert listening.probabilities(np.zeros((1, 100))).shape == (1, len(sentences.CONCEPTS))


def test_facts_of_windows_leave_open_what_is_no_concept(tags):
    holds, blank = listening.concepts(tags, tags)
    names = [("mode", "major"), *{sentences.fact_of(name) for name in sentences.CONCEPTS}]
    found, opened = listening.facts_of(holds, blank, names)
    assert opened[:, 0].all() and not found[:, 0].any()
    assert found[:10, names.index(("concept", "metal"))].all()


def test_texts_of_concepts_say_what_they_state():
    rng = Random(0)
    for language in ("en", "zh"):
        for _ in range(300):
            one = sentences.of_concepts(["metal", "piano", "sad", "female voice"], language, rng)
            if one:
                for name in ("metal", "piano", "sad", "female voice"):
                    spoken = any(word.lower() in one.text.lower() for word in sentences.CONCEPTS[name][language])
                    assert spoken == (sentences.fact_of(name) in one.said), one


def test_balanced_accuracy_weighs_classes_alike():
    style = np.array(["metal"] * 6 + ["ambient"] * 2 + [""])
    similarity = np.zeros((9, 4))
    similarity[:, 0] = 1  # all is metal
    found = styles.score(similarity, style, np.array(list("aabbccdde")))
    assert found["balanced accuracy"][0] == pytest.approx(0.5)
    assert found["by class"] == {"metal": 1.0, "ambient": 0.0} and found["windows"] == 8 and found["tracks"] == 4


def test_shipped_excerpts_are_of_test_tracks_that_may_be_passed_on():
    rows = load_clips(RECORDINGS)
    assert {path.stem for path in RECORDINGS.glob("*.ogg")} == set(rows["name"]) == set(excerpts.NAMES.values())
    by_title = {(facts["artist"], facts["title"]): facts for facts in TABLE.values()}
    for row in rows:
        facts = by_title[row["creator"], row["title"]]
        assert facts["use"] == "test"
        assert row["licence"] in {"CC BY-SA 3.0", "MIT"} and row["changes"] and row["source"]
        assert (row["style"], row["label_source"]) == (facts["style"], facts["label_source"])
        audio = load_audio(row["audio"]["path"])
        assert len(audio) == 320_000 and abs(loudness(audio) + 23) < 1


def test_an_excerpt_is_the_middle_window(tmp_path):
    """A recording whose middle ten seconds are a tone: nothing else is in the excerpt."""
    rate = 16_000
    audio = np.random.default_rng(0).normal(0, 0.05, 60 * rate)
    audio[25 * rate : 35 * rate] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(10 * rate) / rate)
    soundfile.write(tmp_path / "song.wav", audio, rate)
    track = Track(f"package{tmp_path}/song.wav", {"use": "test", "title": "Song", "artist": "A", "licence": "MIT"})
    data, row = excerpts.excerpt(track, "song")
    assert row["source"] == f"Debian package package: {str(tmp_path).lstrip('/')}/song.wav"
    spectrum = np.abs(np.fft.rfft(decode(data)))
    assert abs(spectrum.argmax() / 10 - 440) < 0.2
    assert spectrum.argmax() and (spectrum[4300:4500] ** 2).sum() > 0.99 * (spectrum**2).sum()
