"""What the captioner hears of all clips, by the audio tower of the exported CLAP."""

from pathlib import Path

import numpy as np
import torch
from transformers import ClapModel

from musicwords.captioner import audio_vectors
from recipes.clap.features import log_mels
from recipes.common.inputs import Code, fingerprint, kept_array

BATCH = 64


def heard(records: list[dict], folder: Path, clap: Path, mels: Path, path: Path, processes: int) -> np.ndarray:
    """Vectors of clips as ``audio_vectors`` gives them, float16, in the order of the records.

    Parameters
    ----------
    records : of clips in ``folder``
    clap : the exported CLAP
    mels : where spectrograms are kept
    path : the file that keeps the vectors

    Raises
    ------
    FileNotFoundError
        If there is no CLAP.
    """
    weights = clap / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"There is no {weights}: train the CLAP first, with python -m recipes.clap")

    def listen() -> np.ndarray:
        tower, found = ClapModel.from_pretrained(clap).eval().audio_model, []
        spectrograms = log_mels(records, folder, mels, processes)
        with torch.inference_mode():
            for at in range(0, len(spectrograms), BATCH):
                inputs = torch.from_numpy(spectrograms[at : at + BATCH].astype(np.float32))[:, None]
                found.append(audio_vectors(tower(input_features=inputs).last_hidden_state).half())
        return torch.cat(found).numpy()

    made_of = fingerprint(weights, [folder / one["file_name"] for one in records], Code("recipes.clap.features"))
    return np.array(kept_array(path, made_of, listen))
