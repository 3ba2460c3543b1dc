"""Call a function on many items, on several processes, and keep what was done."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from recipes.common.files import write_array
from recipes.common.inputs import fingerprint

CHUNK = 64  # items whose results are kept in one file


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


def save_chunk(task: tuple[Callable, Sequence, Path]) -> None:
    function, items, path = task
    write_array(path, function(items))


def in_chunks(function: Callable, items: Sequence, folder: Path, processes: int, title: str) -> np.ndarray:
    """Rows that a function makes of items, an array of so many rows from a list of items.

    Parameters
    ----------
    function : a function of a module, or a ``functools.partial`` of one
    items : paths, whose contents count, or anything else
    folder : where parts of ``CHUNK`` items are kept, under the hash of the function and of what it was given; parts
        that were made of something else are deleted
    processes : how many work at a time
    title : of the progress bar
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [list(items[first : first + CHUNK]) for first in range(0, len(items), CHUNK)]
    how = fingerprint(function)
    paths = [folder / f"{number:05d}-{fingerprint(how, chunk)}.npy" for number, chunk in enumerate(chunks)]
    for other in set(folder.glob("*.npy")) - set(paths):
        other.unlink()
    todo = [(function, chunk, path) for chunk, path in zip(chunks, paths, strict=True) if not path.exists()]
    if todo:
        in_parallel(save_chunk, todo, processes, f"{title}, {CHUNK} clips each")
    return np.concatenate([np.load(path) for path in paths])
