"""Audio of the corpus as arrays: one file on disk that is read where it is needed, not loaded."""

from pathlib import Path

import numpy as np
import soundfile

from recipes.common.parallel import in_chunks

SAMPLE_RATE = 16_000
SECONDS = 10


def samples_of(paths: list[Path]) -> np.ndarray:
    """Samples of some clips, shape (clips, 160000), int16."""
    return np.stack([soundfile.read(path, dtype="int16")[0] for path in paths])


def samples(records: list[dict], corpus: Path, folder: Path, processes: int = 2) -> np.ndarray:
    """Samples of all clips, shape (clips, 160000), int16, as a memory map in ``folder``."""
    path = folder / "samples.npy"
    if not path.is_file():
        array = in_chunks(samples_of, [corpus / one["file_name"] for one in records], folder / "parts", processes,
                          "samples")  # fmt: skip
        np.save(path.with_suffix(".part.npy"), array)
        path.with_suffix(".part.npy").replace(path)
        for part in (folder / "parts").iterdir():
            part.unlink()
    return np.load(path, mmap_mode="r")


def as_float(array: np.ndarray) -> np.ndarray:
    """From int16 to float32 within -1 and 1."""
    return array.astype(np.float32) / 32768
