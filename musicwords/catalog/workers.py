"""Ray Data: files are read and embedded by a pool of workers, each with a CLAP of its own."""

import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from musicwords.catalog.audio import Unreadable, Windows
from musicwords.catalog.embedder import Checkpoint, Embedder
from musicwords.catalog.sources import Found, Source
from musicwords.catalog.table import Refused

FILES_A_TASK = 8
MOST_TASKS = 4096  # more of them cost the driver more than a finer division is worth
TRIES = 2  # of a file, in a task over which a worker died
STARTS = 3  # of Ray
NEVER = -1  # a time of modification
STORE = 256 << 20  # bytes of shared memory for what goes between processes, besides the checkpoint
# One row a file; a list has an item for each window. A reason stands where there are no windows.
RESULT = pa.schema(
    {
        "path": pa.string(),
        "size": pa.int64(),
        "modified_ns": pa.int64(),
        "reason": pa.string(),
        "note": pa.string(),
        "duration": pa.float64(),
        "start": pa.list_(pa.float64()),
        "end": pa.list_(pa.float64()),
        "embedding": pa.list_(pa.list_(pa.float32())),
    }
)


class RunFailed(Exception):
    """What was to be done could not be finished; the message says why."""


class Worker:
    """What one process of the pool does.

    Parameters
    ----------
    coordinator : handle of a Coordinator
    address : str
        Of the source.
    sample_rate, window, hop : numbers
        See :class:`musicwords.catalog.audio.Windows`.
    batch : int
        How many windows the model hears at a time.
    """

    def __init__(self, coordinator, address: str, sample_rate: int, window: float, hop: float, batch: int):
        import ray
        import torch

        torch.set_num_threads(1)
        if ray.get_gpu_ids() and not torch.cuda.is_available():
            raise RuntimeError("torch finds no GPU here: install a torch for it, or leave out --gpus-per-worker")
        self.source, self.batch, self.coordinator, self.get = Source(address), batch, coordinator, ray.get
        self.source.check()
        self.cut = sample_rate, window, hop
        (files,) = ray.get(coordinator.checkpoint.remote())
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows: weights are mapped
            for name, content in ray.get(files).items():
                Path(folder, name).write_bytes(content)
            self.embedder = Embedder(folder)

    def __call__(self, files: pa.Table) -> Iterator[pa.Table]:
        """Embed the files of a task, and give the results about once a second.

        A reason that may be gone at the next run, such as a network that failed or a missing right, comes with a time
        of modification that no file has, so that the file is tried again then.
        """
        files = files.to_pylist()
        retried = self.get(self.coordinator.begin.remote(f"task of {files[0]['path']}")) > 1
        results, given = [], time.monotonic()
        for file in files:
            try:
                if retried and self.get(self.coordinator.begin.remote(file["path"])) > TRIES:
                    raise Unreadable("A worker died over it, and over it again.")
                result = self._embed(file["path"])
            except Unreadable as error:
                result = {"reason": str(error)}
            except PermissionError as error:
                result = {"reason": f"It cannot be opened: {error.strerror or error}.", "modified_ns": NEVER}
            except OSError as error:
                result = {"reason": f"It cannot be read: {error.strerror or error}.", "modified_ns": NEVER}
            except Exception as error:  # whatever a model or a decoder says, the other files go on
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                result = {"reason": reason, "modified_ns": NEVER}
            if retried:
                self.get(self.coordinator.end.remote(file["path"]))
            results.append({**file, **result})
            if retried or time.monotonic() - given > 1 or file is files[-1]:
                yield pa.Table.from_pylist(results, RESULT)
                results, given = [], time.monotonic()

    def _embed(self, path: str) -> dict:
        starts, ends, vectors, waiting = [], [], [], []
        with self.source.open(path) as file:
            windows = Windows(file, *self.cut)
            for start, end, audio in windows:
                starts.append(start)
                ends.append(end)
                waiting.append(audio)
                if len(waiting) == self.batch:
                    vectors += list(self.embedder.audio(waiting))
                    waiting.clear()
        if waiting:
            vectors += list(self.embedder.audio(waiting))
        return {
            "note": windows.note or None,
            "duration": windows.seconds,
            "start": starts,
            "end": ends,
            "embedding": vectors,
        }


class Coordinator:
    """What all workers ask: for the checkpoint, and how often a task or a file was begun.

    The checkpoint comes from here, so that no worker needs its folder or the network, and all have the same. Ray
    starts a dead worker and its task again, without end, so a file over which workers die must be counted.
    """

    def __init__(self, files: list):
        self.files, self.begun = files, {}

    def checkpoint(self) -> list:
        """Return a list with the reference to the files of the checkpoint."""
        return self.files

    def begin(self, name: str) -> int:
        """Count a beginning, and return how often it began without an end."""
        self.begun[name] = self.begun.get(name, 0) + 1
        return self.begun[name]

    def end(self, name: str) -> None:
        """Forget what came to its end: no worker died over it."""
        self.begun.pop(name, None)


@contextmanager
def ray_running(workers: int, gpus: float, address: str, checkpoint: Checkpoint) -> Iterator[None]:
    """Start Ray on this machine, or connect to a cluster, while the ``with`` block runs.

    Raises
    ------
    RunFailed
        If Ray does not start, or if the cluster is not there.
    Refused
        If the cluster has not enough processors.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of arguments, which stay as long as it runs
    if not address:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # the ports of Ray are for this machine only
    import ray

    options = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address:
        options |= {"address": address}
    else:
        size = checkpoint.size()
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
        options |= {"num_gpus": math.ceil(gpus * workers)} if gpus else {}
        options |= {"object_store_memory": STORE + 2 * size}
    for left in reversed(range(1 if address else STARTS)):
        try:
            with _silence():  # what goes wrong is in the exception
                ray.init(**options)
            break
        except Exception as error:  # of many kinds, and on a busy machine a bare Exception: ray issue 65983
            ray.shutdown()
            if not left:
                where = "on this machine, which may be too busy"
                where = f"at {address}: is it there, and is RAY_AUTH_MODE what it asks for?" if address else where
                reason = " ".join(str(error).split())[:300]
                raise RunFailed(f"no Ray {where} ({reason}).") from error
    try:
        there = ray.cluster_resources()
        for resource, needed in {"CPU": workers, "GPU": gpus * workers}.items():
            if there.get(resource, 0) < needed:
                raise Refused(
                    f"the cluster has {there.get(resource, 0):g} {resource}, not {needed:g}: fewer --workers."
                )
        yield
    finally:
        ray.shutdown()


@contextmanager
def _silence() -> Iterator[None]:
    """Let nothing of this process, not even its libraries, reach the terminal."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def embed_files(
    files: Sequence[Found],
    address: str,
    checkpoint: Checkpoint,
    window: float,
    hop: float,
    batch: int,
    workers: int,
    gpus: float,
) -> Iterator[pa.Table]:
    """Give tables with a row of RESULT for each file, as they are done. Ray must be running."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A block of one byte: each result goes to the driver at once, and a task that is done again gives as many blocks.
    context.target_max_block_size = 1
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    coordinator = ray.remote(num_cpus=0)(Coordinator).remote([ray.put(checkpoint.files())])
    rows = max(FILES_A_TASK, math.ceil(len(files) / MOST_TASKS))
    table = pa.table({name: [getattr(file, name) for file in files] for name in ("path", "size", "modified_ns")})
    tasks = ray.data.from_arrow([table.slice(place, rows) for place in range(0, len(table), rows)])
    done = tasks.map_batches(
        Worker,
        fn_constructor_args=(coordinator, address, checkpoint.sample_rate, window, hop, batch),
        compute=ray.data.ActorPoolStrategy(size=workers),
        batch_size=rows,
        batch_format="pyarrow",
        **({"num_gpus": gpus} if gpus else {"num_cpus": 1}),
    )
    try:
        yield from done.iter_batches(batch_size=None, batch_format="pyarrow")
    except ray.exceptions.RayError as error:
        raise RunFailed(f"a worker failed ({' '.join(str(error).split())[-300:]}).") from error
