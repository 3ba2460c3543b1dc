"""Publish a checkpoint in this repository: its files, their hashes in musicwords/registry.json, its card."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from recipes.common.command_line import CHECKPOINTS
from recipes.common.files import write_text
from recipes.common.inputs import model_files

REGISTRY = Path(__file__).parents[2] / "musicwords" / "registry.json"


def register(name: str, argument: str, licence: str, folder: Path) -> None:
    """Write or replace the entry of a mini checkpoint; what the full tier loads under its name stays.

    Parameters
    ----------
    name, argument, licence
        What the checkpoint is called, the keyword by which its library takes the folder, and its licence.
    folder
        Where its files are. Cards and tables of scores beside the weights may change without a new entry.
    """
    files = {path.relative_to(folder).as_posix(): path for path in model_files(folder)}
    hashes = {name: sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    full = {tier: entry for tier, entry in registry.get(name, {}).items() if tier == "full"}
    registry[name] = {"argument": argument, "licence": licence, "mini": {"sha256": hashes}} | full
    write_text(REGISTRY, json.dumps(registry, indent=2) + "\n")


def publish(made: Path, output: Path, enter: Callable[[Path], None]) -> None:
    """Copy an exported checkpoint to where it is loaded from, and enter it if that is in this repository."""
    shutil.copytree(made, output, dirs_exist_ok=True)
    if output.resolve().parent == CHECKPOINTS:
        enter(output)


def write_model_card(output: Path, text: str) -> None:
    """Write the card of a checkpoint, and say how large the whole is."""
    write_text(output / "README.md", text)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"{output}: {size / 1e6:.1f} MB", flush=True)
