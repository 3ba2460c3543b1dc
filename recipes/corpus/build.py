"""Parse what is not parsed and render what is not rendered, on several processes.

The functions that workers call stand here and not in ``__main__``, which spawned processes do not import.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from corpus import recordings, render, works
from corpus.files import write_array, write_bytes
from corpus.plan import Plan

CHUNK = 64  # clips whose features are kept in one file


@cache
def load_work(folder: Path, work_id: str) -> works.Work:
    return works.load(folder, work_id)


def make(task: Plan | str, output: Path) -> str:
    """Render one clip (a plan, or the name of a recording) and write it; return its id."""
    if isinstance(task, str):
        audio, record = recordings.make_clip(task)
    else:
        render.register_unheard_font()
        procedural = task.source_family == "procedural"
        audio, record = render.make_clip(task, None if procedural else load_work(output / "scores", task.work))
    write_bytes(clip_path(task, output), render.encode(audio, record))
    return record["id"]


def clip_path(task: Plan | str, output: Path) -> Path:
    return output / "clips" / f"{f'recordings-{task}' if isinstance(task, str) else task.id}.flac"


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


def parsed_works(output: Path, processes: int) -> list[works.Work]:
    """All usable scores, parsed now where they have not been."""
    entries, folder = works.catalogue(), output / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [entry for entry in entries if not works.cache_path(folder, entry[0]).exists()]
    if todo:
        in_parallel(partial(works.parse, folder=folder), todo, processes, "scores")
    return [work for entry in entries if (work := works.load(folder, entry[0]))]


def render_missing(tasks: Iterable[Plan | str], output: Path, processes: int) -> int:
    """Render the clips that are not there yet; return how many those were."""
    folder = output / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for partial_file in folder.glob("*.part"):
        partial_file.unlink()
    todo = [task for task in tasks if not clip_path(task, output).exists()]
    if todo:
        in_parallel(partial(make, output=output), todo, processes, "clips")
    return len(todo)
