"""Which checkpoint a name stands for, in the tier that is set (``MUSICWORDS_TIER=mini`` or ``full``)."""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
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


def device() -> str:
    """Return where the models of a notebook compute, as torch names it.

    In the mini tier "cpu", where the numbers of the book come from. In the full tier "cuda" if torch finds such a GPU.
    The environment variable ``MUSICWORDS_DEVICE`` names another one, such as "mps" or "cuda:1".
    """
    found = "cpu"
    if tier() == "full":
        import torch  # what the mini tier is asked needs none

        found = "cuda" if torch.cuda.is_available() else "cpu"
    return os.environ.get("MUSICWORDS_DEVICE", found)


def checkpoint(name: str) -> dict[str, str]:
    """Return the keyword arguments with which a model library loads the checkpoint ``name``.

    They name a local folder, or a file in one: in the mini tier what comes with the package, in the full tier a
    published checkpoint at the revision that the book is pinned to, which the first call downloads.

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
        the registered ones.
    FileNotFoundError
        If the checkpoint, or a file of it, is missing.
    OSError, MemoryError
        If a published checkpoint cannot be downloaded, or does not fit; see ``musicwords.hub.download``.
    """
    if name not in REGISTRY:
        raise ValueError(f"no checkpoint is called {name!r}: the known ones are {', '.join(sorted(REGISTRY))}.")
    entry = REGISTRY[name]
    if tier() not in entry:
        other = next(one for one in TIERS if one in entry)
        raise ValueError(f"the checkpoint {name!r} exists only in the {other} tier: set MUSICWORDS_TIER to {other}.")
    source = entry[tier()]
    if "repository" in source:
        from musicwords.hub import download  # the mini tier does without the client of the hub

        folder = download(name, source["repository"], source["revision"], source["files"], source["gigabytes"])
    elif "module" in source:
        folder = package_folder(source["module"]) / source["folder"]
    else:
        folder = SHIPPED / name
    check_files(folder, source.get("sha256", {}))
    only = len(source.get("files", ())) == 1
    return {entry["argument"]: str(folder / source["files"][0] if only else folder)}


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


def published() -> dict[str, dict]:
    """Return what the full tier downloads from the hub, by name."""
    entries = {name: entry.get("full", {}) for name, entry in REGISTRY.items()}
    return {name: full for name, full in entries.items() if "repository" in full}


def in_cache(name: str) -> bool:
    """Tell whether a published checkpoint has been downloaded."""
    from musicwords.hub import cached

    full = published()[name]
    return cached(full["repository"], full["revision"], full["files"]) is not None


def main(arguments: list[str] | None = None) -> int:
    """Download published checkpoints, and say which were not given: ``python -m musicwords.checkpoints clap codec``."""
    parser = argparse.ArgumentParser(description="Download the checkpoints of the full tier into the cache of the hub.")
    parser.add_argument("names", nargs="*", choices=[[], *published()], metavar="name", help="all but qwen2-audio")
    names = parser.parse_args(arguments).names or [name for name in published() if name != "qwen2-audio"]
    for name in names:
        full = published()[name]
        state = "in the cache" if in_cache(name) else f"{full['gigabytes']:.1f} GB"
        print(f"{name:14} {full['repository']:42} {state:14} {full.get('licence', REGISTRY[name]['licence'])}")
    os.environ["MUSICWORDS_TIER"] = "full"
    failed = 0
    for name in names:
        try:
            checkpoint(name)
        except (OSError, ValueError, MemoryError) as error:
            failed += 1
            print(f"\n{name}: {error}", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
