"""The whole command, with its workers: 51 files, a second run at the same time, what it leaves behind."""

import json
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from catalog_runs import CAPTURED, LONGEST, command, end_processes, own_folder, posix, rows_of, write_tone

pytestmark = pytest.mark.slow


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
    with own_folder() as environment:
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
    assert error["path"] == "damaged.wav" and "0.09 s" in error["reason"]
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


def test_it_leaves_no_process_and_asks_for_nothing(embedded):
    assert embedded["left"] == []
    assert embedded["asked"] == ""


def test_a_full_re_run_needs_no_ray(embedded):
    before = {path: path.stat().st_mtime_ns for path in embedded["table"].rglob("*.parquet")}
    with own_folder() as environment:
        again = subprocess.run(embedded["arguments"], env=environment, **CAPTURED)
        assert not (Path(environment["RAY_TMPDIR"]) / "ray").exists()
    summary = json.loads(again.stdout)
    assert (summary["embedded"], summary["skipped"], summary["failed_before"]) == (0, 50, 1)
    assert {path: path.stat().st_mtime_ns for path in embedded["table"].rglob("*.parquet")} == before
