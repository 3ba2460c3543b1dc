"""Workers on a cluster: Ray Data shares the files out among a pool of them, each with a CLAP of its own."""

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

from musicwords.catalog.embedder import Checkpoint, Embedder
from musicwords.catalog.sources import Found
from musicwords.catalog.table import Refused
from musicwords.catalog.worker import DIED, RESULT, TRIES, Job, RunFailed, Worker, described

FILES_A_TASK = 8
MOST_TASKS = 4096  # more of them cost the driver more than a finer division is worth


class RayWorker:
    """What one process of the pool does.

    Parameters
    ----------
    coordinator : handle of a Coordinator
    job : Job
    """

    def __init__(self, coordinator, job: Job):
        import ray

        self.coordinator, self.get = coordinator, ray.get
        self.worker = Worker(job, self._load)

    def _load(self) -> Embedder:
        import ray
        import torch

        torch.set_num_threads(1)
        if ray.get_gpu_ids() and not torch.cuda.is_available():
            raise RuntimeError("torch finds no GPU here: install a torch for it, or leave out --gpus-per-worker")
        (files,) = ray.get(self.coordinator.checkpoint.remote())
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows: weights are mapped
            for name, content in ray.get(files).items():
                Path(folder, name).write_bytes(content)
            return Embedder(folder)

    def __call__(self, files: pa.Table) -> Iterator[pa.Table]:
        """Embed the files of a task, and give the results about once a second."""
        files = files.to_pylist()
        retried = self.get(self.coordinator.begin.remote(f"task of {files[0]['path']}")) > 1
        results, given = [], time.monotonic()
        for file in files:
            if retried and self.get(self.coordinator.begin.remote(file["path"])) > TRIES:
                results.append(file | {"reason": DIED})
            else:
                results.append(self.worker.embed(file))
            if retried:
                self.get(self.coordinator.end.remote(file["path"]))
            if retried or time.monotonic() - given > 1 or file is files[-1]:
                yield pa.Table.from_pylist(results, RESULT)
                results, given = [], time.monotonic()


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
def connected(address: str, workers: int, gpus: float) -> Iterator[None]:
    """Connect to the cluster at an address while the ``with`` block runs.

    Raises
    ------
    RunFailed
        If the cluster is not there.
    Refused
        If Ray is not installed, or if the cluster has not enough processors.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of arguments, which stay as long as it runs
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise Refused(f"--address needs Ray: pip install 'musicwords[catalog]' ({error}).") from error
    try:
        with _silence():  # what goes wrong is in the exception
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # of many kinds
        ray.shutdown()
        where = f"at {address}: is it there, and is RAY_AUTH_MODE what it asks for?"
        raise RunFailed(f"no Ray {where} ({' '.join(str(error).split())[:300]}).") from error
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
    files: Sequence[Found], job: Job, checkpoint: Checkpoint, workers: int, gpus: float, address: str
) -> Iterator[pa.Table]:
    """Give tables with a row of RESULT for each file, as they are done on the cluster at an address.

    Raises
    ------
    RunFailed, Refused
        As ``connected`` does, and if a worker fails.
    """
    with connected(address, workers, gpus):
        import ray

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # A block of one byte: each result is sent at once, and a task that is done again gives as many blocks.
        context.target_max_block_size = 1
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        coordinator = ray.remote(num_cpus=0)(Coordinator).remote([ray.put(checkpoint.files())])
        rows = max(FILES_A_TASK, math.ceil(len(files) / MOST_TASKS))
        table = pa.Table.from_pylist(list(map(described, files)))
        tasks = ray.data.from_arrow([table.slice(place, rows) for place in range(0, len(table), rows)])
        done = tasks.map_batches(
            RayWorker,
            fn_constructor_args=(coordinator, job),
            compute=ray.data.ActorPoolStrategy(size=workers),
            batch_size=rows,
            batch_format="pyarrow",
            **({"num_gpus": gpus} if gpus else {"num_cpus": 1}),
        )
        try:
            yield from done.iter_batches(batch_size=None, batch_format="pyarrow")
        except ray.exceptions.RayError as error:
            raise RunFailed(f"a worker failed ({' '.join(str(error).split())[-300:]}).") from error
