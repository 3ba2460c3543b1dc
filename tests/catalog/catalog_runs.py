"""Runs of the catalog for tests: in this process, or as a command."""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from run_notebooks import offline

from musicwords.catalog import local_pool
from musicwords.catalog.__main__ import main
from musicwords.catalog.worker import RESULT, Worker, described

RATE = 16_000
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
LONGEST = 300  # seconds that a command may take before it counts as stuck
PROGRAM = [sys.executable, "-m", "musicwords.catalog"]
CAPTURED = {"capture_output": True, "text": True, "timeout": LONGEST}


def write_tone(path: Path, seconds: float = 2, frequency: float = 440, rate: int = RATE, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * times), rate, **how)
    return path


class CountingEmbedder:
    """Stands for a CLAP: an embedding is the direction of some of the samples."""

    def __init__(self, dimension: int = 512):
        self.dimension, self.heard = dimension, 0

    def audio(self, windows) -> np.ndarray:
        self.heard += len(windows)
        vectors = np.stack([window[1000 : 1000 + self.dimension] for window in windows])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def work_here(patch: pytest.MonkeyPatch, embedder) -> None:
    """Let runs go on in this process, with one worker."""

    def embed_files(files, job, checkpoint, workers, gpus):
        worker = Worker(job, lambda: embedder)
        for file in files:
            yield pa.Table.from_pylist([worker.embed(described(file))], RESULT)

    patch.setattr(local_pool, "embed_files", embed_files)


def embed(capsys, *arguments, code: int = 0) -> dict | str:
    """Run ``embed`` in this process; return its summary, or its message if it fails."""
    assert main(["embed", *map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else printed.err


def rows_of(table: Path, kind: str = "embeddings") -> list[dict]:
    """Return all rows as any reader of Parquet finds them, in order of path and time."""
    return pq.read_table(table / kind).sort_by([("path", "ascending")]).to_pylist() if any_file(table / kind) else []


def any_file(folder: Path) -> bool:
    return any(folder.glob("*.parquet"))


def paths_of(table: Path, kind: str = "embeddings") -> list[str]:
    return [row["path"] for row in rows_of(table, kind)]


@contextmanager
def own_folder() -> Iterator[dict[str, str]]:
    """Give an environment in which a command keeps to a folder of its own; end what it leaves there of processes."""
    folder = tempfile.mkdtemp(prefix="cat")  # short: the names of sockets are limited
    try:
        yield offline(Path(folder) / "network.log") | {"RAY_TMPDIR": folder, "HOME": folder}  # where a token goes
    finally:
        end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: str, patience: float = 30) -> list[str]:
    """Wait until the processes that live in a folder are gone, end those that stay, and return their names."""
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
    return [*PROGRAM, "embed", *map(str, arguments), "--json"]
