"""Runs that are stopped, two at once, and disks that are full or fixed."""

import ctypes
import os
import random
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from catalog_runs import (
    CAPTURED,
    PROGRAM,
    any_file,
    embed,
    paths_of,
    posix,
)

import musicwords.catalog.table
from musicwords.catalog import local_pool

pytestmark = pytest.mark.weekly


def test_stopping_keeps_what_is_done(music, tmp_path, embedder, capsys, monkeypatch):
    embed_files = local_pool.embed_files

    def stop_after_four(*arguments):
        for number, result in enumerate(embed_files(*arguments)):
            if number == 4:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(local_pool, "embed_files", stop_after_four)
        assert "start again to go on" in embed(capsys, music, "--output", tmp_path / "table", code=130)
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["skipped"], summary["embedded"]) == (4, 6)
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


def test_results_that_never_come_are_no_success(music, tmp_path, embedder, capsys, monkeypatch):
    monkeypatch.setattr(local_pool, "embed_files", lambda *_: (result for result in ()))
    assert "no result for 10 of 10" in embed(capsys, music, "--output", tmp_path / "table", code=1)


@pytest.mark.parametrize("kind", ["embeddings", "errors"])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_full_disk_leaves_whole_files_only(music, tmp_path, embedder, capsys, monkeypatch, moment, kind):
    """The disk is full when the first fragment is written under its hidden name, or when it gets its own."""
    (music / "bad.wav").write_bytes(b"RIFF")
    table = tmp_path / "table"
    place = os if moment == "fsync" else musicwords.catalog.table.Path
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
    with musicwords.catalog.table.locked(tmp_path / "table"):
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
    command = [*PROGRAM, "embed", music, "--output", tmp_path / "fixed" / inside]
    done = subprocess.run(command, preexec_fn=without_root, **CAPTURED)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing can be written" in done.stderr and done.stderr.count("\n") == 1


FRAGMENT_WRITER = """
import sys
from pathlib import Path
import numpy as np
import psutil
import pyarrow as pa
from musicwords.catalog.table import Fragments, locked, schema
folder, columns = Path(sys.argv[1]), schema(64)
with locked(folder):
    fragments = Fragments(folder / "embeddings", columns)
    known = fragments.known()
    if len(sys.argv) > 2:
        sys.exit(0)
    for number in range(1000):
        name, rows = f"{number % 50}", 500
        fragments.forget([name])
        values = pa.array(np.full(rows * 64, number, "f4"))
        data = {"path": [name] * rows, "size": [number] * rows, "modified_ns": [0] * rows}
        data |= {key: np.arange(rows, dtype="f8") for key in ("start", "end", "duration")}
        data["note"] = [None] * rows
        data["embedding"] = pa.FixedSizeListArray.from_arrays(values, 64)
        fragments.add(pa.table([data[key] for key in columns.names], columns))
        if not number:
            print("writing", flush=True)
"""


@posix
def test_fragments_outlive_sigkill(tmp_path):
    """What writes fragments is killed twenty times while it adds to them and takes out of them."""
    rng = random.Random(0)
    command = [sys.executable, "-c", FRAGMENT_WRITER, tmp_path / "table"]
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
