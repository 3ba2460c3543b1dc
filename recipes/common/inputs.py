"""What a result was made of, as a hash: a result is taken from the disk only where its inputs are the same.

Files count by their content, and code by what it does: a comment, a docstring or a line break changes nothing.
"""

import ast
import importlib.util
import json
import shutil
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from recipes.common.files import write_array, write_text

LENGTH = 16  # hexadecimal digits of a hash that stand in a file's name
RECORD = "inputs.json"  # in each work folder


class Code(str):
    """The name of a module, or of a package with all that is in it, whose code is an input."""


def fingerprint(*inputs) -> str:
    """Hash some inputs together.

    Parameters
    ----------
    *inputs
        A ``Path`` is the content of a file, or of the ``model_files`` of a folder; ``Code`` is code; a function
        is its name and the code of its module, and a ``functools.partial`` also its arguments. Lists, tuples and
        dictionaries are what is in them. Anything else is what ``repr`` says.

    Raises
    ------
    FileNotFoundError
        If a path or a module does not exist.
    """
    state = sha256()
    for one in inputs:
        digest = _digest(one)
        state.update(f"{len(digest)}:{digest}".encode())  # with its length: 1 and 23 are not 12 and 3
    return state.hexdigest()[:LENGTH]


def _digest(one) -> str:
    if isinstance(one, Path):
        return _folder(one) if one.is_dir() else _file(one, one.stat().st_size, one.stat().st_mtime_ns)
    if isinstance(one, Code):
        return _code(one)
    if isinstance(one, partial):
        return fingerprint(one.func, one.args, one.keywords)
    if isinstance(one, dict):
        return "{" + fingerprint(*(part for pair in one.items() for part in pair))
    if isinstance(one, list | tuple):
        return "[" + fingerprint(*one)
    if callable(one):
        return fingerprint(one.__qualname__, Code(one.__module__))
    return repr(one)


@cache
def _file(path: Path, size: int, modified_ns: int) -> str:
    state = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def _folder(folder: Path) -> str:
    return fingerprint(*(part for path in model_files(folder) for part in (path.relative_to(folder).as_posix(), path)))


@cache
def _code(name: str) -> str:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"There is no module {name}: look at what this step says its code is.")
    path = Path(found.origin)
    files = [path] if path.name != "__init__.py" else sorted(path.parent.rglob("*"))
    meant = [_meaning(file) for file in files if file.suffix == ".py"]
    return fingerprint(*meant, *(file for file in files if file.suffix in (".toml", ".json", ".jsonl")))


def _meaning(path: Path) -> str:
    """The code of a file without comments, docstrings and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def model_files(folder: Path) -> list[Path]:
    """The files of a checkpoint or of another folder, without cards and tables of scores, which are no inputs."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".md", ".csv"))


def kept_file(path: Path, made_of: str, make: Callable[[], np.ndarray]) -> Path:
    """The file of an array that is on the disk, or is made and written there.

    Parameters
    ----------
    path : of a ``.npy`` file; ``made_of`` is put into its name
    made_of : from ``fingerprint``; what was made of something else is deleted
    make : returns the array
    """
    named = path.with_name(f"{path.stem}-{made_of}.npy")
    if not named.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_array(named, make())
    for other in path.parent.glob(f"{path.stem}-{'?' * LENGTH}.npy"):
        if other != named:
            other.unlink()
    return named


def kept_array(path: Path, made_of: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of ``kept_file``, as a memory map."""
    return np.load(kept_file(path, made_of, make), mmap_mode="r")


def kept_json(path: Path, made_of: str, make: Callable[[], object]):
    """A result that is on the disk as JSON with what it was made of, or is made and written there."""
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("made_of") == made_of:
            return kept["result"]
    result = json.loads(json.dumps(make()))
    write_text(path, json.dumps({"made_of": made_of, "result": result}, indent=1))
    return result


def changed(work: Path, inputs: dict[str, object]) -> list[str]:
    """The names of the inputs that are others than those which the folder ``work`` was made of; all if it is new."""
    record = work / RECORD
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    now = {name: fingerprint(value) for name, value in inputs.items()}
    return [name for name in before | now if before.get(name) != now.get(name)]


def start(work: Path, inputs: dict[str, object]) -> None:
    """Begin or go on with a step: a folder that was made of other inputs is emptied first.

    So no training is resumed on other data than it began with.

    Raises
    ------
    FileExistsError
        If the folder holds files and no step has made it: nothing of it is deleted.
    """
    if names := changed(work, inputs):
        if work.is_dir() and any(work.iterdir()):
            if not (work / RECORD).is_file():
                raise FileExistsError(f"{work} holds files that no step has made: give an empty or a new folder.")
            print(f"{work}: begins anew, since {', '.join(names)} changed", flush=True)
            shutil.rmtree(work)
        work.mkdir(parents=True, exist_ok=True)
        write_text(work / RECORD, json.dumps({name: fingerprint(value) for name, value in inputs.items()}, indent=1))
