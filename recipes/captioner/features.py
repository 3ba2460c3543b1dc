"""Audio embeddings of all clips, by the audio tower of the exported CLAP."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from transformers import ClapModel

from recipes.clap.audio_tower import embed_mels
from recipes.clap.features import log_mels
from recipes.common.files import write_array


def pooled_features(
    records: list[dict], corpus: Path, clap: Path, mels: Path, work: Path, processes: int
) -> np.ndarray:
    """Pooled features of the clips, shape (clips, 192), float32, in the order of the records.

    They are kept in ``work`` under the hash of CLAP's weights, and spectrograms in ``mels``.

    Raises
    ------
    FileNotFoundError
        If there is no CLAP.
    ValueError
        If what was kept is of another corpus.
    """
    weights = clap / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"There is no {weights}: train the CLAP first, with python -m recipes.clap")
    path = work / f"embeddings-{sha256(weights.read_bytes()).hexdigest()[:12]}.npy"
    if not path.is_file():
        model = ClapModel.from_pretrained(clap).eval()
        write_array(path, embed_mels(model, log_mels(records, corpus, mels, processes))[0].numpy())
    embeddings = np.load(path)
    if len(embeddings) != len(records):
        raise ValueError(f"{path} has {len(embeddings)} rows and the corpus {len(records)} clips: delete the file.")
    return embeddings
