"""Files that are either whole or not there."""

import csv
import io
import os
from pathlib import Path

import numpy as np


def write_bytes(path: Path, data: bytes) -> None:
    """Write under another name, then rename: a killed process leaves no partial file under ``path``."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_rows(path: Path, rows: list[dict]) -> None:
    """Write a CSV file with the keys of the first row as its head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a NumPy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_state(path: Path, state: dict) -> None:
    """Write what a training run needs to go on, with torch."""
    import torch  # here, since most processes that write files do without

    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(path, buffer.getvalue())
