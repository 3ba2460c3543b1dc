"""Enter a checkpoint of this repository into musicwords/registry.json, with the hashes of its files."""

import json
from hashlib import sha256
from pathlib import Path

from recipes.common.files import write_text

REGISTRY = Path(__file__).parents[2] / "musicwords" / "registry.json"


def register(name: str, argument: str, licence: str, folder: Path, full: dict | None = None) -> None:
    """Write or replace the entry of a checkpoint.

    Parameters
    ----------
    name, argument, licence
        What the checkpoint is called, the keyword by which its library takes the folder, and its licence.
    folder
        Where its files are. Cards and tables of scores beside the weights may change without a new entry.
    full
        The published checkpoint of the full tier: "repository" and "revision", and its "licence" where that differs.
        None if there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".md", ".csv"))
    hashes = {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
    entry = {"argument": argument, "licence": licence, "mini": {"sha256": hashes}}
    if full:
        entry["full"] = full
    registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    registry[name] = entry
    write_text(REGISTRY, json.dumps(registry, indent=2) + "\n")
