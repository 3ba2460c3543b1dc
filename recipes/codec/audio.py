"""Audio of the corpus as arrays: one file on disk that is read where it is needed, not loaded."""

import shutil
from pathlib import Path

import numpy as np
import soundfile

from recipes.common.inputs import fingerprint, kept_array
from recipes.common.parallel import in_chunks

SAMPLE_RATE = 16_000
SECONDS = 10


def samples_of(paths: list[Path]) -> np.ndarray:
    """Samples of some clips, shape (clips, 160000), int16."""
    return np.stack([soundfile.read(path, dtype="int16")[0] for path in paths])


def samples(records: list[dict], corpus: Path, folder: Path, processes: int = 2) -> np.ndarray:
    """Samples of all clips, shape (clips, 160000), int16, as a memory map in ``folder``."""
    paths = [corpus / one["file_name"] for one in records]

    def read() -> np.ndarray:
        array = in_chunks(samples_of, paths, folder / "parts", processes, "samples")
        shutil.rmtree(folder / "parts")
        return array

    return kept_array(folder / "samples.npy", fingerprint(samples_of, paths), read)


def as_float(array: np.ndarray) -> np.ndarray:
    """From int16 to float32 within -1 and 1."""
    return array.astype(np.float32) / 32768
