"""Runs that are killed: at random moments, by a file, and on a cluster."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from catalog_runs import (
    CAPTURED,
    LONGEST,
    command,
    end_processes,
    own_folder,
    paths_of,
    posix,
    rows_of,
    write_tone,
)
from run_notebooks import ROOT

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("CATALOG_KILLS", 6))  # the weekly job asks for more
CHAINS = min(2, KILLS // 2)  # tables that grow at the same time


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
            assert code in (0, -signal.SIGKILL), log
            self.stayed += end_processes(self.environment["RAY_TMPDIR"], patience=5)
            there = count_windows(self.table)
            assert there.items() <= windows.items(), "a file has too many rows, or too few"
            assert not self.done or len(there) >= self.done[-1] % len(windows), "rows are lost"
            self.done.append(len(there))
            self.whole += [self.table] if len(there) == len(windows) else []
        self.fill()


@posix
@pytest.mark.slow
@pytest.mark.weekly
def test_sigkill_at_random_moments_loses_nothing_and_does_nothing_twice(tmp_path, capsys):
    music = tmp_path / "music"
    for number in range(40):
        write_tone(music / f"{number:02d}.wav", 18, 50 * (number + 1))
    with ExitStack() as stack, ThreadPoolExecutor(CHAINS) as pool:
        chains = []
        for number in range(CHAINS):
            folder = tmp_path / f"chain-{number}"
            folder.mkdir()
            chains.append(Killed(folder, music, stack.enter_context(own_folder())))
        times = chains[0].fill()
        reference, *_ = chains[0].whole
        windows = count_windows(reference)
        assert list(windows.values()) == [9] * 40
        list(pool.map(lambda n: chains[n].kill(random.Random(n), times, windows), range(CHAINS)))
    hits = sum(chain.hits for chain in chains)
    with capsys.disabled():
        print(f"\n{hits} of {KILLS} kills hit a running command; files done after each:")
        print(*[f"{chain.done}, {len(chain.stayed)} processes outlived one" for chain in chains], sep="\n")
    assert hits >= KILLS * 3 // 4 and not any(chain.stayed for chain in chains)
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
import av
real = av.open
def deadly(file, *arguments, **keywords):
    if getattr(getattr(file, "file", None), "name", "").endswith("deadly.wav"):
        __import__("os")._exit(139)
    return real(file, *arguments, **keywords)
av.open = deadly
"""


@posix
@pytest.mark.slow
@pytest.mark.weekly
def test_a_file_that_kills_its_worker_is_an_error_like_others(music, tmp_path):
    """As a fault in a decoder does, or the system where memory is short."""
    write_tone(music / "5-deadly.wav")
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "sitecustomize.py").write_text(POISON, encoding="utf-8")
    with own_folder() as environment:
        environment["PYTHONPATH"] = str(tmp_path / "poison")
        arguments = command(music, "--output", tmp_path / "table", "--workers", 2)
        done = subprocess.run(arguments, env=environment, **CAPTURED)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["embedded"] == 10
    (error,) = rows_of(tmp_path / "table", "errors")
    assert error["path"] == "5-deadly.wav" and "worker died" in error["reason"]
    assert paths_of(tmp_path / "table") == [f"{number}.wav" for number in range(10)]


@pytest.mark.slow
@pytest.mark.weekly
def test_a_model_that_cannot_be_loaded_is_said_once(music, tmp_path):
    clap = shutil.copytree(ROOT / "musicwords" / "data" / "checkpoints" / "clap", tmp_path / "clap")
    (clap / "model.safetensors").write_bytes(b"no weights")
    arguments = command(music, "--output", tmp_path / "table", "--checkpoint", clap)
    done = subprocess.run(arguments, **CAPTURED)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "a worker failed (SafetensorError" in done.stderr and "start again to go on" in done.stderr


@posix
@pytest.mark.slow
@pytest.mark.weekly
def test_a_cluster_by_its_address(music, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with own_folder() as environment:
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
