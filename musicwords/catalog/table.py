"""The output of an embedding run: a folder that one run at a time adds to, and that is whole at every moment."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

EMBEDDINGS = "embeddings"


class Refused(Exception):
    """A run that cannot go on; the message says what to do."""


def schema(dimension: int) -> pa.Schema:
    """Return the columns of the embeddings: one row for each window of a file."""
    return pa.schema(
        {
            "path": pa.string(),
            "start": pa.float64(),
            "end": pa.float64(),
            "duration": pa.float64(),
            "size": pa.int64(),
            "modified_ns": pa.int64(),
            "note": pa.string(),
            "embedding": pa.list_(pa.float32(), dimension),
        }
    )


ERRORS = pa.schema(
    {
        "path": pa.string(),
        "reason": pa.string(),
        "time": pa.timestamp("s", tz="UTC"),
        "size": pa.int64(),
        "modified_ns": pa.int64(),
    }
)


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write so that ``path`` is the old file or the new one, at every moment and after a power cut.

    The hidden name is one that Arrow, pandas and LanceDB pass over when they read the folder.
    """
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def fragments_in(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder that a run wrote, in order."""
    return sorted(path for path in folder.glob("*.parquet") if path.stem.isdecimal())


def vectors_of(rows: pa.Table) -> np.ndarray:
    """Return the embeddings of rows, (rows, dimension)."""
    return rows["embedding"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)


class Fragments:
    """A folder of Parquet files, each with all rows of some audio files.

    Parameters
    ----------
    folder : Path
        It is made if it is missing.
    columns : pa.Schema
        With ``path``, ``size`` and ``modified_ns``.
    """

    def __init__(self, folder: Path, columns: pa.Schema):
        self.folder, self.columns, self.form = folder, columns, {"compression": "zstd"}
        if "embedding" in columns.names:  # neither dictionary nor compression make embeddings smaller, only slower
            others = [name for name in columns.names if name != "embedding"]
            self.form = {
                "use_dictionary": others,
                "compression": dict.fromkeys(others, "zstd") | {"embedding.list.element": "none"},
            }
        folder.mkdir(exist_ok=True)
        for partial in folder.glob(".*.part"):  # of a run that was killed
            partial.unlink()

    def any(self) -> bool:
        """Whether there is a row."""
        return bool(fragments_in(self.folder))

    def rows(self) -> int:
        """Return how many rows there are."""
        return sum(pq.read_metadata(fragment).num_rows for fragment in fragments_in(self.folder))

    def known(self) -> dict[str, tuple[int, int]]:
        """Return the size and time of modification of each audio file that has rows."""
        found = {}
        for fragment in fragments_in(self.folder):
            try:
                rows = pq.read_table(fragment, columns=["path", "size", "modified_ns"])
            except (OSError, pa.ArrowException) as error:
                raise Refused(f"{fragment} cannot be read: remove it, and its files are embedded again.") from error
            for row in rows.group_by(rows.column_names).aggregate([]).to_pylist():
                found[row["path"]] = row["size"], row["modified_ns"]
        return found

    def add(self, rows: pa.Table) -> None:
        """Write a new fragment."""
        last = max((int(path.stem) for path in fragments_in(self.folder)), default=0)
        self._write(self.folder / f"{last + 1:06d}.parquet", rows.cast(self.columns))

    def forget(self, paths: Collection[str]) -> None:
        """Take out all rows of some audio files."""
        gone = pa.array(sorted(paths), pa.string())
        for fragment in fragments_in(self.folder) if len(gone) else []:
            there = pq.read_table(fragment, columns=["path"])["path"]
            keep = pc.invert(pc.is_in(there, value_set=gone))
            if not pc.any(keep).as_py():
                fragment.unlink()
                _sync_folder(self.folder)
            elif not pc.all(keep).as_py():
                self._write(fragment, pq.read_table(fragment).filter(keep))

    def _write(self, path: Path, rows: pa.Table) -> None:
        buffer = pa.BufferOutputStream()
        pq.write_table(rows, buffer, **self.form)
        write_whole(path, memoryview(buffer.getvalue()))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and hold it for this process while the ``with`` block runs.

    The system gives the lock back when a process ends, however it ends. It holds between the processes of one
    machine; over a network, as far as the network's file system has locks.

    Raises
    ------
    Refused
        If another process holds it, or if nothing can be written here.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise Refused(f"another run is writing to {folder}: wait for its end, or give another --output.") from None
    except OSError as error:
        raise Refused(f"nothing can be written to {folder} ({error.strerror}): give another --output.") from error
    try:
        yield
    finally:
        lock.release()


def _sync_folder(folder: Path) -> None:
    """Let the names in a folder outlast a power cut; only POSIX systems can be asked for it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
