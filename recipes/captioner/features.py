"""Audio embeddings of all clips, by the audio tower of the exported CLAP."""

from pathlib import Path

import numpy as np
from transformers import ClapModel

from recipes.clap.audio_tower import embed_mels
from recipes.clap.features import log_mels
from recipes.common.inputs import Code, fingerprint, kept_array


def pooled_features(
    records: list[dict], corpus: Path, clap: Path, mels: Path, work: Path, processes: int
) -> np.ndarray:
    """Pooled features of the clips, shape (clips, 192), float32, in the order of the records.

    They are kept in ``work``, and spectrograms in ``mels``.

    Raises
    ------
    FileNotFoundError
        If there is no CLAP.
    """
    weights = clap / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"There is no {weights}: train the CLAP first, with python -m recipes.clap")

    def listen() -> np.ndarray:
        model = ClapModel.from_pretrained(clap).eval()
        return embed_mels(model, log_mels(records, corpus, mels, processes))[0].numpy()

    heard = fingerprint(weights, [corpus / one["file_name"] for one in records], Code("recipes.clap.features"))
    return np.array(kept_array(work / "embeddings.npy", heard, listen))
