"""Parse what is not parsed and render what is not rendered, on several processes.

The functions that workers call stand here and not in ``__main__``, which spawned processes do not import.
"""

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

from recipes.common.files import write_bytes
from recipes.common.parallel import in_parallel
from recipes.corpus import recordings, render, works
from recipes.corpus.plan import Plan


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


def parsed_works(output: Path, processes: int) -> list[works.Work]:
    """All usable scores, parsed now where they have not been."""
    entries, folder = works.catalog(), output / "scores"
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
