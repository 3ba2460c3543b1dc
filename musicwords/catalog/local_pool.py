"""Workers on this machine: processes, each with a CLAP, that get one file at a time."""

import math
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pyarrow as pa
from threadpoolctl import threadpool_limits

from musicwords.catalog.embedder import Checkpoint, Embedder
from musicwords.catalog.sources import Found
from musicwords.catalog.worker import DIED, RESULT, TRIES, Job, RunFailed, Worker, described

MOST = 60  # processes; Windows waits for no more at a time


def embed_files(
    files: Sequence[Found], job: Job, checkpoint: Checkpoint, workers: int, gpus: float
) -> Iterator[pa.Table]:
    """Give a table with a row of RESULT for each file, as they are done.

    A file over which a worker dies is tried again, by a new worker, and once only.

    Raises
    ------
    RunFailed
        If a worker cannot load the model, or find the source.
    """
    waiting, deaths = deque(map(described, files)), Counter()
    pool = [_Process(number, job, checkpoint, gpus) for number in range(min(workers, len(files), MOST))]
    try:
        while waiting or any(process.file for process in pool):
            for connection in wait([process.connection for process in pool]):
                process, result = next(process for process in pool if process.connection is connection), None
                try:
                    result = process.receive()
                except EOFError:
                    if not process.ready:
                        raise RunFailed(f"a worker died while it loaded the model{process.code()}") from None
                    if process.file:
                        deaths[process.file["path"]] += 1
                        if deaths[process.file["path"]] < TRIES:
                            waiting.appendleft(process.file)
                        else:
                            result = process.file | {"reason": DIED}
                    process.end()
                    pool.remove(process)
                    if waiting:
                        pool.append(_Process(process.number, job, checkpoint, gpus))
                else:
                    process.send(waiting.popleft() if waiting else None)
                if result:
                    yield pa.Table.from_pylist([result], RESULT)
    finally:
        for process in pool:
            process.end()


class _Process:
    """A worker in a process of its own, and the file that it works on."""

    def __init__(self, number: int, job: Job, checkpoint: Checkpoint, gpus: float):
        context = get_context("spawn")
        self.number, self.file, self.ready = number, None, False
        self.connection, theirs = context.Pipe()
        gpu = _gpu(math.floor(number * gpus)) if gpus else ""
        self.process = context.Process(target=_work, args=(theirs, job, checkpoint.folder, gpu), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> dict | None:
        """Return the result for the file, or None from a worker that has just begun; EOFError if it died."""
        try:
            message = self.connection.recv()
        except OSError as error:
            raise EOFError from error
        if isinstance(message, str):
            raise RunFailed(message)
        self.ready = True
        return message

    def send(self, file: dict | None) -> None:
        self.file = file
        if file:
            try:
                self.connection.send(file)
            except OSError:  # it died meanwhile, which is seen when it is to answer
                return

    def code(self) -> str:
        self.process.join(10)
        return f" (exit code {self.process.exitcode}; fewer --workers need less memory)"

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _gpu(number: int) -> str:
    """Return the name of one of the GPUs that this process may use."""
    visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
    if visible and number >= len(visible):
        raise RunFailed(f"{len(visible)} GPUs may be used here: fewer --workers, or less --gpus-per-worker")
    return visible[number] if visible else str(number)


def _work(connection: Connection, job: Job, folder: Path, gpu: str) -> None:
    """Be a worker, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it is asked to stop, and ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu

    def load() -> Embedder:
        import torch

        torch.set_num_threads(1)
        threadpool_limits(1)  # of numpy: two workers with two threads each would wait for one another
        if gpu and not torch.cuda.is_available():
            raise RuntimeError(f"torch finds no GPU {gpu} here: install a torch for it, or less --gpus-per-worker")
        return Embedder(folder)

    try:
        worker = Worker(job, load)
    except Exception as error:
        connection.send(f"a worker failed ({type(error).__name__}: {' '.join(str(error).split())[:300]})")
        return
    connection.send(None)
    try:
        while True:
            connection.send(worker.embed(connection.recv()))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)
