"""Which checkpoint a name stands for, in the tier that is set (``MUSICWORDS_TIER=mini`` or ``full``)."""

import hashlib
import importlib.util
import json
import os
from functools import cache
from pathlib import Path

TIERS = ("mini", "full")
REGISTRY = json.loads((Path(__file__).parent / "registry.json").read_text(encoding="utf-8"))
SHIPPED = Path(__file__).parent / "data" / "checkpoints"


def tier() -> str:
    """Return the tier set by the environment variable ``MUSICWORDS_TIER``: "mini" (default) or "full".

    Raises
    ------
    ValueError
        If the variable holds anything else.
    """
    name = os.environ.get("MUSICWORDS_TIER", "mini")
    if name not in TIERS:
        raise ValueError(f"MUSICWORDS_TIER is {name!r}: set it to one of {', '.join(TIERS)}.")
    return name


def checkpoint(name: str) -> dict[str, str]:
    """Return the keyword arguments with which a model library loads the checkpoint ``name``.

    In the mini tier they name a local folder. In the full tier they name a repository on the Hugging Face
    hub and the revision that the book is pinned to.

    Parameters
    ----------
    name : str
        A key of ``musicwords/registry.json``, such as ``"text-encoder"``.

    Returns
    -------
    dict of str to str
        To be handed on whole: ``SentenceTransformer(**checkpoint("text-encoder"))``.

    Raises
    ------
    ValueError
        If the name or the tier is unknown, if the checkpoint does not exist in the tier, or if the weights are not
        the published ones.
    FileNotFoundError
        If the checkpoint, or a file of it, is missing.
    """
    if name not in REGISTRY:
        raise ValueError(f"no checkpoint is called {name!r}: the known ones are {', '.join(sorted(REGISTRY))}.")
    entry = REGISTRY[name]
    if tier() not in entry:
        raise ValueError(
            f"the checkpoint {name!r} exists only in the mini tier: no published one answers to it. "
            "Set MUSICWORDS_TIER to mini for this notebook."
        )
    source = entry[tier()]
    if "repository" in source:
        return {entry["argument"]: source["repository"], "revision": source["revision"]}
    folder = package_folder(source["module"]) / source["folder"] if "module" in source else SHIPPED / name
    check_files(folder, source["sha256"])
    return {entry["argument"]: str(folder)}


def package_folder(module: str) -> Path:
    """Return the folder of an installed package that carries weights, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        package = module.replace("_", "-")
        raise FileNotFoundError(f"the package {package} is not installed: run `pip install {package}`.")
    return Path(spec.origin).parent


def check_files(folder: Path, sha256: dict[str, str]) -> None:
    """Raise unless every file named in ``sha256`` is in ``folder`` and has that hash.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the contents of a file are not the registered ones.
    """
    for name, expected in sha256.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: the checkpoint is incomplete, install it again.")
        found = file_sha256(path, path.stat().st_mtime_ns)
        if found != expected:
            raise ValueError(
                f"{path} has sha256 {found}, not {expected}: these are not the registered weights. "
                "Install the package again, or mend musicwords/registry.json if the change was meant."
            )


@cache
def file_sha256(path: Path, modified_ns: int) -> str:
    """Return the SHA-256 of a file; hashed once a process for each time of modification."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
