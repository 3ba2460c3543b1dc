"""embed_catalogue.py and search_catalogue.py: bad input, interruptions, and what a search finds.

Most tests take Ray's place with a worker in this process; a few run the whole commands.
"""

import ctypes
import importlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import ROOT, offline

RECIPES = ROOT / "recipes"
RATE = 16_000
CLOUDS = {"169.254.169.254", "metadata.google.internal"}  # Ray's own question whether it runs in one
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
LONGEST = 300  # seconds that a command may take before it counts as stuck
CAPTURED = {"capture_output": True, "text": True, "timeout": LONGEST}


def part(name: str):
    """Import a module of the recipe."""
    return importlib.import_module(name if name.endswith("_catalogue") else f"audio_catalogue.{name}")


def write_tone(path: Path, seconds: float = 2, frequency: float = 440, rate: int = RATE, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * times), rate, **how)
    return path


@pytest.fixture
def music(tmp_path) -> Path:
    """A folder with ten short files."""
    for number in range(10):
        write_tone(tmp_path / "music" / f"{number}.wav", frequency=100 * (number + 1))
    return tmp_path / "music"


class CountingEmbedder:
    """Stands for a CLAP: an embedding is the direction of some of the samples."""

    def __init__(self, dimension: int = 512):
        self.dimension, self.heard = dimension, 0

    def audio(self, windows) -> np.ndarray:
        self.heard += len(windows)
        vectors = np.stack([window[1000 : 1000 + self.dimension] for window in windows])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def take_rays_place(patch: pytest.MonkeyPatch, embedder) -> None:
    """Let runs go on in this process, with one worker, which yields a result for each file."""

    def embed_files(files, address, checkpoint, window, hop, batch, workers, gpus):
        worker = part("workers").Worker.__new__(part("workers").Worker)
        worker.source, worker.batch, worker.embedder = part("sources").Source(address), batch, embedder
        worker.cut, worker.get = (checkpoint.sample_rate, window, hop), lambda number: number
        worker.coordinator = SimpleNamespace(begin=SimpleNamespace(remote=lambda name: 1))
        for file in files:
            yield from worker(pa.table({name: [getattr(file, name)] for name in ("path", "size", "modified_ns")}))

    patch.setattr(part("run"), "embed_files", embed_files)
    patch.setattr(part("run"), "ray_running", lambda *_: nullcontext())


@pytest.fixture
def embedder(monkeypatch) -> CountingEmbedder:
    """Let the commands of this test run without Ray and without a CLAP."""
    heard = CountingEmbedder()
    take_rays_place(monkeypatch, heard)
    return heard


def embed(capsys, *arguments, code: int = 0) -> dict | str:
    """Run embed_catalogue.py in this process; return its summary, or its message if it fails."""
    assert part("embed_catalogue").main([*map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else printed.err


def rows_of(table: Path, kind: str = "embeddings") -> list[dict]:
    """Return all rows as any reader of Parquet finds them, in order of path and time."""
    return pq.read_table(table / kind).sort_by([("path", "ascending")]).to_pylist() if any_file(table / kind) else []


def any_file(folder: Path) -> bool:
    return any(folder.glob("*.parquet"))


def paths_of(table: Path, kind: str = "embeddings") -> list[str]:
    return [row["path"] for row in rows_of(table, kind)]


# Audio in windows


def cut(path: Path, window: float, hop: float) -> list[tuple[float, float]]:
    with path.open("rb") as file:
        return [(start, end) for start, end, _ in part("audio").Windows(file, RATE, window, hop)]


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
def test_blocks_are_what_load_audio_reads_at_once(tmp_path, name):
    from musicwords.clips import load_audio

    rate = {"stereo.wav": RATE, "high.flac": 44_100, "low.ogg": 8_000}.get(name, 48_000)
    noise = np.random.default_rng(0).normal(0, 0.3, (13 * rate, 2 if name == "stereo.wav" else 1))
    soundfile.write(tmp_path / name, noise, rate)
    with (tmp_path / name).open("rb") as file:
        blocks = np.concatenate(list(part("audio").resampled(file, RATE)))
    np.testing.assert_allclose(blocks, load_audio(tmp_path / name, RATE), atol=1e-5)


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
    tone = write_tone(folder / "whole.wav", 3).read_bytes()
    (folder / "cut-off.wav").write_bytes(tone[:-20_000])
    (folder / "empty.flac").write_bytes(b"")
    (folder / "page.mp3").write_text("<html>404: no such song</html>" * 50, encoding="utf-8")
    write_tone(folder / "whole.ogg", 5)
    (folder / "cut-off.ogg").write_bytes((folder / "whole.ogg").read_bytes()[:-3000])
    flac = bytearray(write_tone(folder / "damaged.flac", 5).read_bytes())
    flac[len(flac) // 2 : len(flac) // 2 + 400] = bytes(400)
    (folder / "damaged.flac").write_bytes(flac)
    (folder / "video.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(2000))
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan] * RATE), RATE, subtype="FLOAT")
    soundfile.write(folder / "integers.wav", np.array([20_000.0, -5.0] * RATE), RATE, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(3 * RATE), RATE)
    write_tone(folder / "short.wav", 0.2)
    (folder / "whole.wav").unlink()
    (folder / "whole.ogg").unlink()
    return {
        "cut-off.ogg": "cut off",
        "cut-off.wav": "cut off",
        "damaged.flac": "It",
        "empty.flac": "empty",
        "integers.wav": "samples up to 20000",
        "nan.wav": "NaN",
        "page.mp3": "cannot be read as audio",
        "short.wav": "0.20 s",
        "silent.wav": "silent",
        "video.m4a": "cannot be read as audio",
    }


def test_unreadable_files_are_listed_with_the_reason(music, tmp_path, embedder, capsys):
    expected = make_unreadable(music)
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["found"], summary["embedded"], summary["failed"]) == (20, 10, 10)
    errors = rows_of(tmp_path / "table", "errors")
    assert [row["path"] for row in errors] == list(expected)
    for row in errors:
        assert expected[row["path"]] in row["reason"] and row["reason"].endswith("."), row
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


def test_silent_windows_have_no_row(tmp_path, embedder, capsys):
    tone = np.sin(np.arange(10 * RATE) / 6)
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "gap.wav", np.concatenate([tone, np.zeros(10 * RATE), tone]), RATE)
    embed(capsys, tmp_path / "music", "--output", tmp_path / "table")
    assert [row["start"] for row in rows_of(tmp_path / "table")] == [0, 20]


# What is found


def test_names_of_any_script_and_none(music, tmp_path, embedder, capsys):
    write_tone(music / "专辑 一" / "钢琴曲 ♫.WAV")
    write_tone(music / ".hidden" / "x.wav")
    write_tone(music / "._0.wav")
    (music / "cover.jpg").write_bytes(b"x")
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert summary["found"] == summary["embedded"] == 11
    assert "专辑 一/钢琴曲 ♫.WAV" in paths_of(tmp_path / "table")


@posix
def test_names_that_are_no_text_links_and_pipes(music, tmp_path, embedder, capsys):
    try:
        (music / "0.wav").rename(os.fsdecode(os.fsencode(music) + b"/\xb8\xd6.wav"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (music / "loop").symlink_to(music)
    (music / "nowhere.wav").symlink_to(tmp_path / "nothing")
    os.mkfifo(music / "pipe.wav")
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["found"], summary["embedded"], summary["failed"]) == (12, 9, 3)
    reasons = {row["path"]: row["reason"] for row in rows_of(tmp_path / "table", "errors")}
    assert "UTF-8" in reasons[r"\xb8\xd6.wav"] and "regular" in reasons["pipe.wav"]
    assert "looked at" in reasons["nowhere.wav"]
    again = embed(capsys, music, "--output", tmp_path / "table")
    assert (again["skipped"], again["failed"], again["failed_before"]) == (9, 0, 3)


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_a_source_by_uri(music, tmp_path, embedder, capsys, scheme):
    """pyarrow reads the first, and only fsspec the second."""
    (music / "0.wav").rename(music / "钢琴 0.wav")
    renamed = music.rename(tmp_path / "音乐 all")
    summary = embed(capsys, f"{scheme}://{renamed.as_posix()}", "--output", tmp_path / "table")
    assert summary["embedded"] == 10
    assert paths_of(tmp_path / "table")[-1] == "钢琴 0.wav"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "is no folder"),
        (["empty"], "has no audio"),
        (["music/0.wav"], "is no folder"),
        (["nosuch://x/y"], "cannot be read"),
        (["music", "--checkpoint", "empty"], "holds no checkpoint"),
        (["music", "--checkpoint", "no/such-model"], "nothing to download"),
        (["music", "--window", "11"], "hears 10 seconds"),
        (["music", "--metadata", "no.csv"], "cannot be read as metadata"),
    ],
)
def test_wrong_commands_say_so_in_a_line(music, tmp_path, embedder, capsys, monkeypatch, arguments, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    said = embed(capsys, *arguments, "--output", tmp_path / "table", code=2)
    assert message in said and said.count("\n") == 1 and said.startswith("embed_catalogue: ")
    assert not (tmp_path / "table" / "manifest.json").exists()


@pytest.mark.parametrize("wrong", ["--workers=0", "--batch=-1", "--hop=0", "--window=nan", "--format=csv"])
def test_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(SystemExit, match="2"):
        part("embed_catalogue").main([str(tmp_path), "--output", str(tmp_path / "table"), wrong])


# Runs one after the other


def test_a_full_re_run_does_nothing(music, tmp_path, embedder, capsys):
    (music / "bad.wav").write_bytes(b"RIFF")
    embed(capsys, music, "--output", tmp_path / "table")
    before, heard = rows_of(tmp_path / "table"), embedder.heard
    again = embed(capsys, music, "--output", tmp_path / "table")
    assert (again["embedded"], again["skipped"], again["failed"], again["failed_before"]) == (0, 10, 0, 1)
    assert embedder.heard == heard and rows_of(tmp_path / "table") == before


def test_new_changed_and_deleted_files(music, tmp_path, embedder, capsys):
    embed(capsys, music, "--output", tmp_path / "table", "--save-every", 0)
    before = {row["path"]: row for row in rows_of(tmp_path / "table")}
    write_tone(music / "3.wav", 15, 777)
    write_tone(music / "new.wav")
    (music / "4.wav").write_bytes(b"no sound any more")
    (music / "5.wav").unlink()
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["embedded"], summary["skipped"], summary["failed"], summary["gone"]) == (2, 7, 1, 1)
    after = rows_of(tmp_path / "table")
    assert [row["path"] for row in after] == ["0.wav", "1.wav", "2.wav", "3.wav", "3.wav", "5.wav", "6.wav", "7.wav",
                                              "8.wav", "9.wav", "new.wav"]  # fmt: skip
    assert all(row == before[row["path"]] for row in after if row["path"] not in ("3.wav", "new.wav"))
    assert paths_of(tmp_path / "table", "errors") == ["4.wav"]
    write_tone(music / "4.wav", frequency=500)
    assert embed(capsys, music, "--output", tmp_path / "table", "--prune")["embedded"] == 1
    assert "4.wav" in paths_of(tmp_path / "table") and "5.wav" not in paths_of(tmp_path / "table")
    assert rows_of(tmp_path / "table", "errors") == []


def test_errors_are_tried_again_when_asked(music, tmp_path, embedder, capsys, monkeypatch):
    opened = part("sources").Source.open

    def fail(self, path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(part("sources").Source, "open", fail)
    assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 10
    assert "Permission denied" in rows_of(tmp_path / "table", "errors")[0]["reason"]
    monkeypatch.setattr(part("sources").Source, "open", opened)
    assert embed(capsys, music, "--output", tmp_path / "table")["failed_before"] == 10
    assert embed(capsys, music, "--output", tmp_path / "table", "--retry-errors")["embedded"] == 10
    assert rows_of(tmp_path / "table", "errors") == [] and len(rows_of(tmp_path / "table")) == 10


def test_what_a_disk_did_not_give_is_tried_again(music, tmp_path, embedder, capsys, monkeypatch):
    """A network that fails in the middle of a file says nothing of the file."""
    opened = part("sources").Source.open

    def fail_later(self, path):
        file = opened(self, path)
        if path != "3.wav":
            return file
        reads = iter([True] * 3)

        class Failing(type(file)):
            def readinto(self, buffer):
                if not next(reads, False):
                    raise TimeoutError(110, "Connection timed out")
                return super().readinto(buffer)

        return Failing(file.detach())

    write_tone(music / "3.wav", 60)
    with monkeypatch.context() as patch:
        patch.setattr(part("sources").Source, "open", fail_later)
        assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 1
    (error,) = rows_of(tmp_path / "table", "errors")
    assert error["path"] == "3.wav" and "timed out" in error["reason"]
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 1
    assert rows_of(tmp_path / "table", "errors") == []


def test_old_rows_stay_until_the_new_ones_are_there(music, tmp_path, embedder, capsys, monkeypatch):
    embed(capsys, music, "--output", tmp_path / "table")
    before = rows_of(tmp_path / "table")
    for file in music.iterdir():
        os.utime(file, (0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(part("run"), "embed_files", lambda *_: (result for result in ()))
        embed(capsys, music, "--output", tmp_path / "table", code=1)
    assert rows_of(tmp_path / "table") == before
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 10
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


@posix
def test_a_folder_that_cannot_be_read_is_not_gone(music, tmp_path, embedder, capsys, monkeypatch):
    write_tone(music / "closed" / "a.wav")
    embed(capsys, music, "--output", tmp_path / "table")
    scandir = os.scandir

    def refuse(folder):
        if Path(folder) in closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    closed = [music / "closed"]
    summary = embed(capsys, music, "--output", tmp_path / "table", "--prune")
    assert (summary["unreachable"], summary["pruned"], summary["failed"]) == (1, 0, 1)
    assert "closed/a.wav" in paths_of(tmp_path / "table")
    closed = [music]
    assert "cannot be read" in embed(capsys, music, "--output", tmp_path / "table", "--prune", code=2)
    assert len(paths_of(tmp_path / "table")) == 11


def test_only_the_file_that_kills_is_blamed(monkeypatch):
    """A task is begun again after each death; what was embedded before the deadly file is embedded again."""
    coordinator = part("workers").Coordinator([])
    remote = {name: SimpleNamespace(remote=getattr(coordinator, name)) for name in ("begin", "end")}
    worker = part("workers").Worker.__new__(part("workers").Worker)
    worker.coordinator, worker.get = SimpleNamespace(**remote), lambda value: value

    class Death(BaseException):
        pass

    def die(path):
        if path == "deadly":
            raise Death
        return {"duration": 1.0, "start": [0.0], "end": [1.0], "embedding": [[1.0]]}

    worker._embed = die
    files = pa.table({"path": ["a", "b", "deadly", "c"], "size": [1] * 4, "modified_ns": [1] * 4})
    deaths, rows = 0, None
    while rows is None and deaths < 10:
        try:
            rows = pa.concat_tables(worker(files)).to_pylist()
        except Death:
            deaths += 1
    assert deaths == 1 + part("workers").TRIES
    assert {row["path"]: bool(row["reason"]) for row in rows} == {"a": False, "b": False, "deadly": True, "c": False}


def test_what_does_not_fit_the_output_is_refused(music, tmp_path, embedder, capsys):
    table, other = tmp_path / "table", tmp_path / "other"
    embed(capsys, music, "--output", table)
    before = rows_of(table)
    shutil.copytree(ROOT / "musicwords" / "data" / "checkpoints" / "clap", other)
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    (other / "config.json").write_text(json.dumps(config | {"logit_scale_init_value": 1.5}), encoding="utf-8")
    assert "--checkpoint clap" in embed(capsys, music, "--output", table, "--checkpoint", other, code=2)
    assert "--hop 10.0" in embed(capsys, music, "--output", table, "--hop", 5, code=2)
    assert "--window 10.0" in embed(capsys, music, "--output", table, "--window", 5, code=2)
    moved = music.rename(tmp_path / "moved")
    assert "--moved" in embed(capsys, moved, "--output", table, code=2)
    assert "other files" in embed(capsys, moved, "--output", moved, code=2)
    assert rows_of(table) == before
    assert embed(capsys, moved, "--output", table, "--moved")["skipped"] == 10


def test_a_broken_fragment_is_named(music, tmp_path, embedder, capsys):
    embed(capsys, music, "--output", tmp_path / "table")
    (tmp_path / "table" / "embeddings" / "000001.parquet").write_bytes(b"PAR1")
    assert "000001.parquet cannot be read: remove it" in embed(capsys, music, "--output", tmp_path / "table", code=2)


def test_a_copy_of_a_fragment_is_none(music, tmp_path, embedder, capsys):
    embed(capsys, music, "--output", tmp_path / "table")
    fragment = tmp_path / "table" / "embeddings" / "000001.parquet"
    shutil.copy(fragment, fragment.with_name("000001-copy.parquet"))
    assert part("table").fragments_in(fragment.parent) == [fragment]
    assert embed(capsys, music, "--output", tmp_path / "table")["skipped"] == 10


# Interruptions, and two at once


def test_stopping_keeps_what_is_done(music, tmp_path, embedder, capsys, monkeypatch):
    embed_files = part("run").embed_files

    def stop_after_four(*arguments):
        for number, result in enumerate(embed_files(*arguments)):
            if number == 4:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(part("run"), "embed_files", stop_after_four)
        assert "start again to go on" in embed(capsys, music, "--output", tmp_path / "table", code=130)
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["skipped"], summary["embedded"]) == (4, 6)
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


def test_results_that_never_come_are_no_success(music, tmp_path, embedder, capsys, monkeypatch):
    monkeypatch.setattr(part("run"), "embed_files", lambda *_: (result for result in ()))
    assert "no result for 10 of 10" in embed(capsys, music, "--output", tmp_path / "table", code=1)


@pytest.mark.parametrize("kind", ["embeddings", "errors"])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_full_disk_leaves_whole_files_only(music, tmp_path, embedder, capsys, monkeypatch, moment, kind):
    """The disk is full when the first fragment is written under its hidden name, or when it gets its own."""
    (music / "bad.wav").write_bytes(b"RIFF")
    table = tmp_path / "table"
    place = os if moment == "fsync" else part("table").Path
    real = getattr(place, moment)

    def full(*arguments):
        if any((table / kind).glob(".*.part")) or any_file(table / kind):
            raise OSError(28, "No space left on device")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(place, moment, full)
        assert "No space left" in embed(capsys, music, "--output", table, code=1)
    assert not any_file(table / kind)
    assert embed(capsys, music, "--output", table)["failed"] == 1
    assert paths_of(table) == [f"{number}.wav" for number in range(10)]
    assert paths_of(table, "errors") == ["bad.wav"] and not list(table.rglob("*.part"))


def test_two_runs_at_once(music, tmp_path, embedder, capsys):
    with part("table").locked(tmp_path / "table"):
        said = embed(capsys, music, "--output", tmp_path / "table", code=2)
    assert "another run is writing" in said
    assert (tmp_path / "table" / ".lock").exists()  # what a killed run leaves is no lock
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 10


def without_root():
    """Take from root the right to write where nobody may; for others, nothing changes."""
    drop_from_bounding_set, override_permissions = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions, 0, 0, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="takes rights from root as Linux does")
@pytest.mark.parametrize("inside", ["", "table"])
def test_a_read_only_output(music, tmp_path, inside):
    (tmp_path / "fixed").mkdir()
    (tmp_path / "fixed").chmod(0o555)
    command = [sys.executable, RECIPES / "embed_catalogue.py", music, "--output", tmp_path / "fixed" / inside]
    done = subprocess.run(command, preexec_fn=without_root, **CAPTURED)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing can be written" in done.stderr and done.stderr.count("\n") == 1


FRAGMENT_WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
import psutil
import pyarrow as pa
from recipes.catalog.table import Fragments, locked, schema
folder, columns = Path(sys.argv[2]), schema(64)
with locked(folder):
    fragments = Fragments(folder / "embeddings", columns)
    known = fragments.known()
    if len(sys.argv) > 3:
        sys.exit(0)
    for number in range(1000):
        name, rows = f"{number % 50}", 500
        fragments.forget([name])
        values = pa.array(np.full(rows * 64, number, "f4"))
        data = {"path": [name] * rows, "size": [number] * rows, "modified_ns": [0] * rows}
        data |= {key: np.arange(rows, dtype="f8") for key in ("start", "end", "duration")}
        data["embedding"] = pa.FixedSizeListArray.from_arrays(values, 64)
        fragments.add(pa.table([data[key] for key in columns.names], columns))
        if not number:
            print("writing", flush=True)
"""


@posix
def test_fragments_outlive_sigkill(tmp_path):
    """What writes fragments is killed twenty times while it adds to them and takes out of them."""
    rng = random.Random(0)
    command = [sys.executable, "-c", FRAGMENT_WRITER, RECIPES, tmp_path / "table"]
    for _ in range(20):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"writing\n"
            time.sleep(rng.uniform(0, 0.2))
            writer.kill()
        seen = pq.read_table(tmp_path / "table" / "embeddings", columns=["path", "size", "start"]).to_pandas()
        assert len(seen) and (seen.groupby("path").size() == 500).all()
        assert (seen.groupby("path")["size"].nunique() == 1).all()
    subprocess.run([*command, "once"], check=True)
    assert not list((tmp_path / "table").rglob("*.part"))


# Searching


@pytest.fixture(scope="module")
def clap():
    return part("embedder").Embedder(ROOT / "musicwords" / "data" / "checkpoints" / "clap")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory, clap) -> Path:
    """A table of a few clips of the book, one of them in the middle of a long file, with metadata."""
    folder = tmp_path_factory.mktemp("catalogue")
    names = ["quartet-adagio", "ambient", "techno", "bossa-nova"]
    clips = {name: ROOT / "musicwords" / "data" / "clips" / f"{name}.ogg" for name in names}
    missing = [name for name, path in clips.items() if not path.exists()]
    assert not missing, f"{missing} of {sorted(path.name for path in clips['ambient'].parent.iterdir())}"
    (folder / "music").mkdir()
    for path in clips.values():
        shutil.copy(path, folder / "music")
    parts = [soundfile.read(clips[name])[0] for name in ("ambient", "techno", "ambient")]
    soundfile.write(folder / "music" / "长 long.flac", np.concatenate(parts), 32_000)
    (folder / "about.csv").write_text(
        "path,genre,Year made\nambient.ogg,electronic,1999\ntechno.ogg,electronic,\n"
        "长 long.flac,mixed,2020\ngone.mp3,jazz,2000\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        take_rays_place(patch, clap)
        arguments = [folder / "music", "--output", folder / "table", "--metadata", folder / "about.csv"]
        assert part("embed_catalogue").main([*map(str, arguments), "--save-every", "0"]) == 0
    return folder


@pytest.fixture
def loaded(monkeypatch, clap):
    """Let searches use the CLAP that is loaded already."""
    monkeypatch.setattr(part("search_catalogue"), "Embedder", lambda folder: clap)


def search(capsys, *arguments, code: int = 0) -> dict | str:
    """Run search_catalogue.py; return what it found, or its message if it fails."""
    assert part("search_catalogue").main([*map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    if code == 0:
        return json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert printed.out == ""
    return printed.err


def test_a_file_finds_itself_and_its_place_in_a_longer_one(catalogue, loaded, capsys):
    found = search(capsys, catalogue / "table", "--like", catalogue / "music" / "techno.ogg", "--top", 2)
    first, second = found["results"]
    assert first["path"] == "techno.ogg" and first["score"] == pytest.approx(1, abs=1e-3)
    assert (second["path"], second["start"], second["end"]) == ("长 long.flac", 10, 20) and second["score"] > 0.98
    assert second["duration"] == 30 and second["metadata"] == {"genre": "mixed", "Year made": 2020}
    assert found["source"] == str(catalogue / "music") and found["like"].endswith("techno.ogg")


def test_text_gives_each_file_once_with_the_best_window(catalogue, loaded, clap, capsys):
    found = search(capsys, catalogue / "table", "fast electronic music with drums")["results"]
    rows, query = rows_of(catalogue / "table"), clap.texts(["fast electronic music with drums"])[0]
    best = {}
    for row in rows:
        best[row["path"]] = max(best.get(row["path"], -1), float(np.dot(row["embedding"], query)))
    assert len(rows) == 7 and len(found) == len(best) == 5
    assert [hit["path"] for hit in found] == sorted(best, key=best.get, reverse=True)
    assert [hit["score"] for hit in found] == pytest.approx(sorted(best.values(), reverse=True), abs=1e-5)


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ("genre = 'electronic'", ["ambient.ogg", "techno.ogg"]),
        ("duration > 20", ["长 long.flac"]),
        ("duration < 20 and genre is null", ["bossa-nova.ogg", "quartet-adagio.ogg"]),
        ("`Year made` >= 1999 and path like '%.ogg'", ["ambient.ogg"]),
        ("path = '长 long.flac'", ["长 long.flac"]),
        ("genre = 'jazz'", []),
    ],
)
def test_filters(catalogue, loaded, capsys, where, paths):
    found = search(capsys, catalogue / "table", "drums", "--where", where)["results"]
    assert sorted(hit["path"] for hit in found) == paths


def test_lance_gives_what_parquet_gives(catalogue, loaded, clap, capsys, monkeypatch, tmp_path):
    table = shutil.copytree(catalogue / "table", tmp_path / "table")
    ways = (["--top", 1], ["--top", 99], ["--where", "genre = 'electronic'"], ["--where", "start >= 10"])
    parquet = [search(capsys, table, "slow strings", *way)["results"] for way in ways]
    take_rays_place(monkeypatch, clap)
    embed(capsys, catalogue / "music", "--output", table, "--format", "lance")
    with monkeypatch.context() as patch:
        patch.setattr(part("search"), "_from_fragments", None)
        for way, expected in zip(ways, parquet, strict=True):
            found = search(capsys, table, "slow strings", *way)["results"]
            assert [hit.pop("score") for hit in found] == pytest.approx(
                [hit.pop("score") for hit in expected], abs=1e-5
            )
            assert found == expected and found, way
    shutil.copytree(catalogue / "music", tmp_path / "music")
    (tmp_path / "music" / "ambient.ogg").unlink()
    embed(capsys, tmp_path / "music", "--output", table, "--moved", "--prune")  # the Lance table is old from now on
    paths = [hit["path"] for hit in search(capsys, table, "slow strings")["results"]]
    assert len(paths) == 4 and "ambient.ogg" not in paths


def test_results_are_json_whatever_the_metadata_holds(catalogue, loaded, capsys, tmp_path):
    shutil.copytree(catalogue / "table", tmp_path / "table")
    about = {"path": ["ambient.ogg"], "bpm": [float("nan")], "tags": [["a", "b"]]}
    about = pa.table(about | {"when": [np.datetime64("2020-01-01", "s")]})
    part("metadata").save_metadata(tmp_path / "table", about)
    (hit,) = search(capsys, tmp_path / "table", "drums", "--where", "array_has(tags, 'b')")["results"]
    assert hit["metadata"] == {"bpm": None, "tags": ["a", "b"], "when": "2020-01-01 00:00:00"}


def test_results_for_people(catalogue, loaded, capsys):
    assert part("search_catalogue").main([str(catalogue / "table"), "drums", "--where", "start = 10"]) == 0
    assert "0:10-0:20  长 long.flac" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drums", "--top", "0"], "--top 0: at least 1"),
        ([""], "blank"),
        (["钢琴独奏"], "tokens of the text"),
        ([], "a text or --like"),
        (["drums", "--where", "genre ="], "--where"),
        (["drums", "--where", "colour = 'red'"], "No field named colour"),
        (["drums", "--where", "duration > 'long'"], "--where"),
        (["--like", "nothing.wav"], "nothing.wav"),
        (["--like", str(Path(__file__))], "cannot be embedded"),
        (["drums", "--checkpoint", "."], "holds no checkpoint"),
    ],
)
def test_wrong_searches_say_so_in_a_line(catalogue, loaded, capsys, arguments, message):
    said = search(capsys, catalogue / "table", *arguments, code=2)
    assert message in said and said.count("\n") == 1 and ".rs:" not in said


def test_tables_that_cannot_be_searched(catalogue, loaded, embedder, capsys, tmp_path):
    assert "is no table" in search(capsys, tmp_path, "drums", code=2)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "bad.wav").write_bytes(b"RIFF")
    embed(capsys, tmp_path / "music", "--output", tmp_path / "empty")
    assert "has no embedding" in search(capsys, tmp_path / "empty", "drums", code=2)
    for key, value in {"dimension": 256, "sha256": "0" * 64}.items():
        other = shutil.copytree(catalogue / "table", tmp_path / key)
        manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
        (other / "manifest.json").write_text(json.dumps(manifest | {key: value}), encoding="utf-8")
        assert "give the CLAP of the table" in search(capsys, other, "drums", code=2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "file,genre\nx,y\n", "has no column path"),
        ("a.csv", "path,genre\nx,y\nx,z\n", "a path twice"),
        ("a.csv", "path,start\nx,1\n", "start"),
        ("a.csv", "path,a.b\nx,1\n", "has a dot"),
        ("a.csv", "path,\nx,1\n", "empty"),
        ("a.jsonl", '{"path": ["x"]}\n', "paths are text"),
        ("a.jsonl", "{", "cannot be read as metadata"),
        ("a.txt", "", "ends in .csv"),
    ],
)
def test_metadata_that_cannot_be_joined(music, embedder, capsys, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    said = embed(capsys, music, "--output", tmp_path / "table", "--metadata", tmp_path / name, code=2)
    assert message in said and said.count("\n") == 1


def test_metadata_of_no_file_is_named(music, embedder, capsys, tmp_path):
    (tmp_path / "about.jsonl").write_text('{"path": "0.wav"}\n{"path": "music/1.wav"}\n', encoding="utf-8")
    arguments = [music, "--output", tmp_path / "table", "--metadata", tmp_path / "about.jsonl"]
    assert part("embed_catalogue").main(list(map(str, arguments))) == 0
    printed = capsys.readouterr()
    assert "1 paths of no file, such as music/1.wav; paths of files look like 0.wav" in printed.err
    assert "10 files found: 10 embedded now" in printed.out


# The whole command, with Ray


@contextmanager
def ray_folder() -> Iterator[dict[str, str]]:
    """Give an environment in which Ray keeps to a folder of its own; end what it leaves there of processes."""
    folder = tempfile.mkdtemp(prefix="cat")  # short: the names of sockets are limited
    try:
        yield offline(Path(folder) / "network.log") | {"RAY_TMPDIR": folder, "HOME": folder}  # where a token goes
    finally:
        end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: str, patience: float = 30) -> list[str]:
    """Wait until the processes that live in a folder of Ray's are gone, end those that stay, and return their names."""
    until = time.monotonic() + patience
    while there := [process for process in psutil.process_iter() if lives_in(process, folder)]:
        if time.monotonic() > until:
            names = [scripts(process) for process in there]
            for process in there:
                process.kill()
            psutil.wait_procs(there)
            return names
        time.sleep(0.1)
    return []


def scripts(process: psutil.Process) -> str:
    return " ".join(Path(word).name for word in process.cmdline() if word.endswith(".py")) or process.name()


def lives_in(process: psutil.Process, folder: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("RAY_TMPDIR") == folder
    except (psutil.Error, OSError):
        return False


def command(*arguments) -> list[str]:
    return [sys.executable, str(RECIPES / "embed_catalogue.py"), *map(str, arguments), "--json"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory) -> dict:
    """Embed 51 files, one of them damaged and one of them an hour long, and try a second run at the same time."""
    folder = tmp_path_factory.mktemp("embedded")
    music, table = folder / "music", folder / "table"
    for number in range(48):
        write_tone(music / f"{number:02d}.wav", frequency=60 * (number + 1))
    write_tone(music / "歌曲" / "第一首.flac", 12)
    (music / "damaged.wav").write_bytes((music / "00.wav").read_bytes()[:3000])
    write_tone(music / "hour.wav", 3600, rate=8_000, subtype="PCM_U8")
    with ray_folder() as environment:
        watched, stderr = terminal() if os.name == "posix" else (None, subprocess.DEVNULL)
        arguments = command(music, "--output", table, "--hop", 60, "--workers", 2)
        first = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
        seen = []
        if watched is not None:
            os.close(stderr)
            threading.Thread(target=lambda: seen.extend(read_until_closed(watched)), daemon=True).start()
        while not (table / "manifest.json").exists() and first.poll() is None:
            time.sleep(0.05)
        second = subprocess.run(arguments, env=environment, **CAPTURED)
        printed = first.communicate(timeout=LONGEST)[0]
        left = end_processes(environment["RAY_TMPDIR"])
        log = Path(environment["NETWORK_LOG"])
        asked = log.read_text(encoding="utf-8") if log.exists() else ""
    bar = b"".join(seen).decode(errors="replace")
    return {"music": music, "table": table, "code": first.returncode, "printed": printed, "bar": bar, "left": left,
            "second": second, "asked": asked, "arguments": arguments}  # fmt: skip


def terminal() -> tuple[int, int]:
    """Return both ends of a terminal of 100 columns."""
    import fcntl
    import termios

    watched, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    return watched, end


def read_until_closed(handle: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(handle, 4096):
            yield chunk
    except OSError:  # so Linux says that the other end is closed
        return


def test_one_damaged_file_and_one_of_an_hour_among_51(embedded, clap):
    assert embedded["code"] == 0, embedded["bar"]
    summary = json.loads(embedded["printed"])
    assert (summary["found"], summary["embedded"], summary["failed"], summary["skipped"]) == (51, 50, 1, 0)
    rows = rows_of(embedded["table"])
    places = [row["start"] for row in rows if row["path"] == "hour.wav"]
    assert sorted(places) == [60 * minute for minute in range(60)]
    assert len(rows) == summary["windows"] == 48 + 1 + 60
    assert [row["start"] for row in rows if row["path"] == "歌曲/第一首.flac"] == [0]
    (error,) = rows_of(embedded["table"], "errors")
    assert error["path"] == "damaged.wav" and "cut off" in error["reason"]
    expected = clap.audio([soundfile.read(embedded["music"] / "07.wav", dtype="float32")[0]])[0]
    (found,) = [row["embedding"] for row in rows if row["path"] == "07.wav"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@posix
def test_progress_is_shown_to_a_terminal_only(embedded):
    assert "51/51" in embedded["bar"]
    assert "%" not in embedded["second"].stderr


def test_a_second_run_at_the_same_time_is_refused(embedded):
    second = embedded["second"]
    assert (second.returncode, second.stdout) == (2, "") and second.stderr.count("\n") == 1
    assert "another run is writing" in second.stderr


def test_ray_leaves_no_process_and_asks_for_nothing(embedded):
    assert embedded["left"] == []
    assert set(embedded["asked"].split()) <= CLOUDS


def test_a_full_re_run_needs_no_ray(embedded):
    before = {path: path.stat().st_mtime_ns for path in embedded["table"].rglob("*.parquet")}
    with ray_folder() as environment:
        again = subprocess.run(embedded["arguments"], env=environment, **CAPTURED)
        assert not (Path(environment["RAY_TMPDIR"]) / "ray").exists()
    summary = json.loads(again.stdout)
    assert (summary["embedded"], summary["skipped"], summary["failed_before"]) == (0, 50, 1)
    assert {path: path.stat().st_mtime_ns for path in embedded["table"].rglob("*.parquet")} == before


CHAINS = 2  # tables that grow at the same time
KILLS = int(os.environ.get("CATALOGUE_KILLS", 4))  # of all chains; 20 take about five minutes


class Killed:
    """A table that a command fills, and is killed again and again. One that is whole is begun anew."""

    def __init__(self, folder: Path, music: Path, environment: dict[str, str]):
        self.folder, self.music, self.environment = folder, music, environment
        self.log = folder / "log.txt"
        self.hits, self.done, self.stayed, self.whole = 0, [], [], []

    def start(self) -> subprocess.Popen:
        self.table = self.folder / f"table-{len(self.whole)}"
        arguments = command(self.music, "--output", self.table, "--hop", 1, "--workers", 1, "--save-every", 0)
        with self.log.open("a") as log:
            return subprocess.Popen(arguments, env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def wait_for_fragment(self, running: subprocess.Popen) -> None:
        before = count_fragments(self.table)
        while running.poll() is None and count_fragments(self.table) <= before:
            time.sleep(0.01)

    def fill(self) -> tuple[float, float]:
        """Let a run come to its end; return the seconds of its start and of its work."""
        began = time.monotonic()
        running = self.start()
        self.wait_for_fragment(running)
        starting = time.monotonic() - began
        assert running.wait(LONGEST) == 0, self.log.read_text(encoding="utf-8")
        self.whole.append(self.table)
        return starting, time.monotonic() - began - starting

    def kill(self, rng: random.Random, times: tuple[float, float], windows: dict[str, int]) -> None:
        """Start and kill: half of the kills fall into the start, half into the writing."""
        for number in range(KILLS // CHAINS):
            running = self.start()
            if number % 2:
                self.wait_for_fragment(running)
                time.sleep(rng.uniform(0, times[1] / 10))
            else:
                time.sleep(rng.uniform(0, 0.8 * times[0]))
            if running.poll() is None:
                self.hits += 1
                os.killpg(running.pid, signal.SIGKILL)
            code, log = running.wait(LONGEST), self.log.read_text(encoding="utf-8")
            assert code in (0, -signal.SIGKILL) or (code == 1 and "may be too busy" in log), log
            self.stayed += end_processes(self.environment["RAY_TMPDIR"], patience=5)
            there = count_windows(self.table)
            assert there.items() <= windows.items(), "a file has too many rows, or too few"
            assert not self.done or len(there) >= self.done[-1] % len(windows), "rows are lost"
            self.done.append(len(there))
            self.whole += [self.table] if len(there) == len(windows) else []
        self.fill()


@posix
@pytest.mark.slow
def test_sigkill_at_random_moments_loses_nothing_and_does_nothing_twice(tmp_path, capsys):
    music = tmp_path / "music"
    for number in range(40):
        write_tone(music / f"{number:02d}.wav", 18, 50 * (number + 1))
    with ExitStack() as stack, ThreadPoolExecutor(CHAINS) as pool:
        chains = []
        for number in range(CHAINS):
            folder = tmp_path / f"chain-{number}"
            folder.mkdir()
            chains.append(Killed(folder, music, stack.enter_context(ray_folder())))
        chains[0].fill()  # the first start reads everything from the disk
        times = chains[0].fill()
        reference, *_ = chains[0].whole
        windows = count_windows(reference)
        assert list(windows.values()) == [9] * 40
        list(pool.map(lambda n: chains[n].kill(random.Random(n), times, windows), range(CHAINS)))
    hits = sum(chain.hits for chain in chains)
    with capsys.disabled():
        print(f"\n{hits} of {KILLS} kills hit a running command; files done after each:")
        print(*[f"{chain.done}, {len(chain.stayed)} processes outlived one" for chain in chains], sep="\n")
    assert hits >= KILLS * 3 // 4
    expected = in_order(rows_of(reference))
    for table in [table for chain in chains for table in chain.whole]:
        assert rows_of(table, "errors") == [] and not list(table.rglob("*.part")), table
        found = in_order(rows_of(table))
        np.testing.assert_allclose(
            [row.pop("embedding") for row in found], [row["embedding"] for row in expected], atol=1e-4
        )
        assert found == [{key: row[key] for key in row if key != "embedding"} for row in expected]


def count_fragments(table: Path) -> int:
    return len(list((table / "embeddings").glob("*.parquet")))


def count_windows(table: Path) -> dict[str, int]:
    """Return how many rows each file has; a fragment that cannot be read fails here."""
    paths = paths_of(table)
    return {path: paths.count(path) for path in sorted(set(paths))}


def in_order(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row["path"], row["start"]))


POISON = """
import soundfile
init = soundfile.SoundFile.__init__
def deadly(self, file, *arguments, **keywords):
    if getattr(file, "name", "").endswith("deadly.wav"):
        __import__("os")._exit(139)
    init(self, file, *arguments, **keywords)
soundfile.SoundFile.__init__ = deadly
"""


@posix
@pytest.mark.slow
def test_a_file_that_kills_its_worker_is_an_error_like_others(music, tmp_path):
    """As a fault in a decoder does, or the system where memory is short."""
    write_tone(music / "5-deadly.wav")
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "sitecustomize.py").write_text(POISON, encoding="utf-8")
    with ray_folder() as environment:
        environment["PYTHONPATH"] = str(tmp_path / "poison")
        arguments = command(music, "--output", tmp_path / "table", "--workers", 1)
        done = subprocess.run(arguments, env=environment, **CAPTURED)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["embedded"] == 10
    (error,) = rows_of(tmp_path / "table", "errors")
    assert error["path"] == "5-deadly.wav" and "worker died" in error["reason"]
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


@posix
@pytest.mark.slow
def test_a_cluster_by_its_address(music, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ray_folder() as environment:
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on loopback
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
        head = subprocess.Popen([*ray, "--num-cpus=1", "--include-dashboard=false"], env=environment, cwd=tmp_path,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
        assert any("Ray runtime started" in line for line in head.stdout), "the cluster does not start"
        try:
            arguments = command(music, "--output", tmp_path / "table", "--address", f"127.0.0.1:{port}")
            many = subprocess.run([*arguments, "--workers", "2"], env=environment, **CAPTURED)
            done = subprocess.run([*arguments, "--workers", "1"], env=environment, **CAPTURED)
        finally:
            head.terminate()
            head.communicate()
    assert many.returncode == 2 and "has 1 CPU, not 2" in many.stderr
    assert done.returncode == 0, done.stderr[-3000:]
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]
