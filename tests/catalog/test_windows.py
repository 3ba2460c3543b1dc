"""Audio in windows, whatever the file, and files that cannot be read."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from catalog_runs import RATE, embed, paths_of, rows_of, write_tone
from odd_files import ODD

import musicwords.catalog.audio


def cut(path: Path, window: float, hop: float) -> list[tuple[float, float]]:
    with path.open("rb") as file:
        return [(start, end) for start, end, _ in musicwords.catalog.audio.Windows(file, RATE, window, hop)]


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "expected"),
    [
        (4, 10, 10, [(0, 4)]),
        (10, 10, 10, [(0, 10)]),
        (10.5, 10, 10, [(0, 10)]),
        (25, 10, 10, [(0, 10), (10, 20), (15, 25)]),
        (12, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (8, 12)]),
        (13, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (8, 12), (9, 13)]),
        (45, 10, 30, [(0, 10), (30, 40)]),
        (62, 10, 30, [(0, 10), (30, 40), (52, 62)]),
    ],
)
def test_windows_cover_a_file_to_its_end(tmp_path, seconds, window, hop, expected):
    assert cut(write_tone(tmp_path / "tone.wav", seconds), window, hop) == expected


@pytest.mark.parametrize("name", ["stereo.wav", "high.flac", "low.ogg", "lossy.mp3", "pcm.aiff"])
def test_windows_are_of_what_load_audio_reads(tmp_path, name):
    from musicwords.clips import load_audio

    rate = {"stereo.wav": RATE, "high.flac": 44_100, "low.ogg": 8_000}.get(name, 48_000)
    noise = np.random.default_rng(0).normal(0, 0.3, (13 * rate, 2 if name == "stereo.wav" else 1))
    soundfile.write(tmp_path / name, noise, rate)
    with (tmp_path / name).open("rb") as file:
        windows = list(musicwords.catalog.audio.Windows(file, RATE, 10, 3))
    whole = load_audio(tmp_path / name, RATE)
    for start, end, audio in windows:
        np.testing.assert_array_equal(audio, whole[round(start * RATE) : round(end * RATE)])
    assert end * RATE == len(whole)


@pytest.mark.weekly
def test_an_hour_takes_the_memory_of_a_few_windows(tmp_path):
    times = np.arange(60 * 8_000) / 8_000
    with soundfile.SoundFile(tmp_path / "hour.wav", "w", 8_000, 1, subtype="PCM_U8") as file:
        for _ in range(60):
            file.write(0.3 * np.sin(2 * np.pi * 440 * times))
    tracemalloc.start()
    windows = cut(tmp_path / "hour.wav", 10, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(windows) == 360 and windows[-1] == (3590, 3600)
    assert peak < 10e6, f"{peak / 1e6:.0f} MB: the whole file at this rate is 230 MB"


def make_unreadable(folder: Path) -> dict[str, str]:
    """Write files that cannot be embedded, and return what is to be said of each."""
    (folder / "cut-off.wav").write_bytes(write_tone(folder / "whole.wav", 3).read_bytes()[:20_000])
    (folder / "whole.wav").unlink()
    (folder / "empty.flac").write_bytes(b"")
    (folder / "page.mp3").write_text("<html>404: no such song</html>" * 50, encoding="utf-8")
    (folder / "video.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(2000))
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan] * RATE), RATE, subtype="FLOAT")
    soundfile.write(folder / "integers.wav", np.array([20_000.0, -5.0] * RATE), RATE, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(3 * RATE), RATE)
    write_tone(folder / "short.wav", 0.2)
    return {
        "cut-off.wav": "0.62 s",
        "empty.flac": "empty",
        "integers.wav": "samples up to",
        "nan.wav": "NaN",
        "page.mp3": "no audio",
        "short.wav": "0.20 s",
        "silent.wav": "silent",
        "video.m4a": "no audio",
    }


def test_unreadable_files_are_listed_with_the_reason(music, tmp_path, embedder, capsys):
    expected = make_unreadable(music)
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["found"], summary["embedded"], summary["failed"]) == (18, 10, 8)
    errors = rows_of(tmp_path / "table", "errors")
    assert [row["path"] for row in errors] == list(expected)
    for row in errors:
        assert expected[row["path"]] in row["reason"] and row["reason"].endswith("."), row
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


def test_odd_files_are_embedded_noted_or_refused(tmp_path, embedder, capsys):
    music = tmp_path / "music"
    music.mkdir()
    for odd in ODD:
        (music / odd.name).write_bytes(odd.make())
    summary = embed(capsys, music, "--output", tmp_path / "table")
    refused = {odd.name: odd.says for odd in ODD if odd.refused}
    noted = {odd.name: odd.says for odd in ODD if odd.says and not odd.refused}
    assert (summary["found"], summary["failed"], summary["noted"]) == (len(ODD), len(refused), len(noted))
    errors = {row["path"]: row["reason"] for row in rows_of(tmp_path / "table", "errors")}
    notes = {row["path"]: row["note"] for row in rows_of(tmp_path / "table")}
    assert errors.keys() == refused.keys() and notes.keys() == {odd.name for odd in ODD} - refused.keys()
    assert {path for path, note in notes.items() if note} == noted.keys()
    assert all(says in errors[path] for path, says in refused.items())
    assert all(says in notes[path] for path, says in noted.items())


def test_silent_windows_have_no_row(tmp_path, embedder, capsys):
    tone = np.sin(np.arange(10 * RATE) / 6)
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "gap.wav", np.concatenate([tone, np.zeros(10 * RATE), tone]), RATE)
    embed(capsys, tmp_path / "music", "--output", tmp_path / "table")
    assert [row["start"] for row in rows_of(tmp_path / "table")] == [0, 20]
