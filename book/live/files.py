"""Files that a browser loads: how they are written, and how a change of what they are made of is seen."""

import gzip
import hashlib
from pathlib import Path


def key_of(*paths: Path) -> str:
    """Return a short hash of files, and of the files in folders."""
    state = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                state.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()[:12]


def write(path: Path, data: bytes) -> None:
    """Write a file, compressed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gzip" else data)
