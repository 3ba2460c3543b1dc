"""Runs one after the other: new, changed and deleted files, and errors."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
from catalog_runs import (
    embed,
    paths_of,
    posix,
    rows_of,
    write_tone,
)
from run_notebooks import ROOT

import musicwords.catalog.sources
import musicwords.catalog.table
from musicwords.catalog import local_pool, ray_pool
from musicwords.catalog.worker import TRIES


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
    for file in music.iterdir():
        about = file.stat()
        file.write_bytes(b"noise" + file.read_bytes()[5:])
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 10
    for number, file in enumerate(sorted(music.iterdir())):  # mended, which neither size nor time shows
        about = file.stat()
        write_tone(file, frequency=100 * (number + 1))
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert embed(capsys, music, "--output", tmp_path / "table")["failed_before"] == 10
    assert embed(capsys, music, "--output", tmp_path / "table", "--retry-errors")["embedded"] == 10
    assert rows_of(tmp_path / "table", "errors") == [] and len(rows_of(tmp_path / "table")) == 10


def test_a_right_that_was_given_is_noticed(music, tmp_path, embedder, capsys, monkeypatch):
    opened = musicwords.catalog.sources.Source.open

    def fail(self, path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(musicwords.catalog.sources.Source, "open", fail)
    assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 10
    assert "Permission denied" in rows_of(tmp_path / "table", "errors")[0]["reason"]
    monkeypatch.setattr(musicwords.catalog.sources.Source, "open", opened)
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 10
    assert rows_of(tmp_path / "table", "errors") == [] and len(rows_of(tmp_path / "table")) == 10


def test_what_a_disk_did_not_give_is_tried_again(music, tmp_path, embedder, capsys, monkeypatch):
    """A network that fails in the middle of a file says nothing of the file."""
    opened = musicwords.catalog.sources.Source.open

    def fail_later(self, path):
        file = opened(self, path)
        if path != "3.wav":
            return file
        reads = iter([True] * 30)

        class Failing(type(file)):
            def read(self, size=-1):
                if not next(reads, False):
                    raise TimeoutError(110, "Connection timed out")
                return super().read(size)

        return Failing(file.detach())

    write_tone(music / "3.wav", 60)
    with monkeypatch.context() as patch:
        patch.setattr(musicwords.catalog.sources.Source, "open", fail_later)
        assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 1
    (error,) = rows_of(tmp_path / "table", "errors")
    assert error["path"] == "3.wav" and "timed out" in error["reason"]
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 1
    assert rows_of(tmp_path / "table", "errors") == []


def test_what_fails_for_a_while_takes_no_rows_away(music, tmp_path, embedder, capsys, monkeypatch):
    embed(capsys, music, "--output", tmp_path / "table")
    before = rows_of(tmp_path / "table")
    for file in music.iterdir():
        os.utime(file, (0, 0))

    def fail(self, path):
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(musicwords.catalog.sources.Source, "open", fail)
        assert embed(capsys, music, "--output", tmp_path / "table")["failed"] == 10
    assert rows_of(tmp_path / "table") == before and len(rows_of(tmp_path / "table", "errors")) == 10
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 10
    assert len(rows_of(tmp_path / "table")) == 10 and rows_of(tmp_path / "table", "errors") == []


def test_an_address_with_its_keys_is_in_no_reason(music, tmp_path, embedder, capsys, monkeypatch):
    def fail(self, path):
        raise FileNotFoundError(f"web://me:SECRET@host/{path}")

    monkeypatch.setattr(musicwords.catalog.sources.Source, "open", fail)
    embed(capsys, music, "--output", tmp_path / "table")
    assert {row["reason"] for row in rows_of(tmp_path / "table", "errors")} == {"It cannot be read: FileNotFoundError."}


def test_old_rows_stay_until_the_new_ones_are_there(music, tmp_path, embedder, capsys, monkeypatch):
    embed(capsys, music, "--output", tmp_path / "table")
    before = rows_of(tmp_path / "table")
    for file in music.iterdir():
        os.utime(file, (0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(local_pool, "embed_files", lambda *_: (result for result in ()))
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


def test_only_the_file_that_kills_is_blamed():
    """On a cluster a task is begun again after each death; what was embedded before the deadly file is so again."""
    coordinator = ray_pool.Coordinator([])
    remote = {name: SimpleNamespace(remote=getattr(coordinator, name)) for name in ("begin", "end")}

    class Death(BaseException):
        pass

    def die(file):
        if file["path"] == "deadly":
            raise Death
        return file | {"duration": 1.0, "start": [0.0], "end": [1.0], "embedding": [[1.0]]}

    worker = ray_pool.RayWorker.__new__(ray_pool.RayWorker)
    worker.coordinator, worker.get = SimpleNamespace(**remote), lambda value: value
    worker.worker = SimpleNamespace(embed=die)
    files = pa.table({"path": ["a", "b", "deadly", "c"], "size": [1] * 4, "modified_ns": [1] * 4})
    deaths, rows = 0, None
    while rows is None and deaths < 10:
        try:
            rows = pa.concat_tables(worker(files)).to_pylist()
        except Death:
            deaths += 1
    assert deaths == 1 + TRIES
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
    assert musicwords.catalog.table.fragments_in(fragment.parent) == [fragment]
    assert embed(capsys, music, "--output", tmp_path / "table")["skipped"] == 10
