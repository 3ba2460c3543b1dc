"""Call a function on many files, on several processes, and keep what was done."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from recipes.common.files import write_array

CHUNK = 64  # clips whose features are kept in one file


def one_thread() -> None:
    """Let a worker compute on one thread: there are as many workers as cores."""
    threadpool_limits(1)


def in_parallel(function: Callable, tasks: list, processes: int, title: str) -> None:
    """Call a function on each task, with a progress bar; an error in one of them ends it."""
    # An executor, since a Pool waits forever for a worker that was killed.
    with ProcessPoolExecutor(processes, get_context("spawn"), one_thread) as pool:
        running = [pool.submit(function, task) for task in tasks]
        try:
            for done in tqdm(as_completed(running), total=len(tasks), desc=title, unit="", smoothing=0.05):
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def save_chunk(first: int, function: Callable, paths: list[Path], folder: Path) -> None:
    write_array(folder / f"{first:06d}.npy", function(paths[first : first + CHUNK]))


def in_chunks(function: Callable, paths: list[Path], folder: Path, processes: int, title: str) -> np.ndarray:
    """Rows that a function makes of files, an array of so many rows from a list of paths; parts stay in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, len(paths), CHUNK)
    todo = [first for first in firsts if not (folder / f"{first:06d}.npy").exists()]
    if todo:
        task = partial(save_chunk, function=function, paths=paths, folder=folder)
        in_parallel(task, todo, processes, f"{title}, {CHUNK} clips each")
    return np.concatenate([np.load(folder / f"{first:06d}.npy") for first in firsts])
