"""The CLAP that embeds windows and texts, and how it is told from others."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# What decides what an embedding is, besides the weights; and what else is needed to load the model.
SETTINGS = ("config.json", "processor_config.json", "preprocessor_config.json")
PATTERNS = ("*.json", "*.txt", "*.jinja")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first kind that is there
BOOK = "clap"  # the name of the book's CLAP, that of musicwords/registry.json


@dataclass(frozen=True)
class Checkpoint:
    """A CLAP in a folder, with what of it can be known without loading it.

    ``name`` finds it again, together with ``revision``, the commit of a repository on the Hugging Face hub.
    ``sha256`` is that of weights and settings together.
    """

    folder: Path
    name: str
    revision: str
    sha256: str
    sample_rate: int
    seconds: float
    dimension: int

    def files(self) -> dict[str, bytes]:
        """Return the contents of the files that loading needs, by name."""
        return {path.name: path.read_bytes() for path in self._paths()}

    def size(self) -> int:
        """Return the bytes of these files together."""
        return sum(path.stat().st_size for path in self._paths())

    def _paths(self) -> list[Path]:
        return [*_weights(self.folder), *_matching(self.folder, *PATTERNS)]


def find_checkpoint(name: str) -> Checkpoint:
    """Find a CLAP: ``clap`` is that of the book, others go by folder or by identifier on the Hugging Face hub.

    An identifier may end in ``@revision``. With ``MUSICWORDS_TIER=full`` the CLAP of the book is a published one.

    Raises
    ------
    ValueError
        If there is no such checkpoint, or if it is no CLAP.
    """
    place = name
    if name == BOOK:
        from musicwords.checkpoints import checkpoint

        book = checkpoint(BOOK)
        place = "@".join([book["pretrained_model_name_or_path"], *filter(None, [book.get("revision")])])
    if Path(place).is_dir():
        folder, revision = Path(place).resolve(), ""
        name = name if name == BOOK else str(folder)
    else:
        name = place.partition("@")[0]
        folder = _download(place)
        revision = folder.name
    if not (folder / "config.json").is_file() or not _weights(folder):
        raise ValueError(f"{name} holds no checkpoint: config.json and weights are expected. Give a CLAP.")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "clap":
        raise ValueError(f"{name} is a checkpoint of type {config.get('model_type')!r}: give a CLAP.")
    extractor = {}
    for file in SETTINGS[1:]:
        if not extractor and (folder / file).is_file():
            settings = json.loads((folder / file).read_text(encoding="utf-8"))
            extractor = settings.get("feature_extractor", settings)
    if "sampling_rate" not in extractor:
        raise ValueError(f"{name} says no sampling rate: {SETTINGS[1]} or {SETTINGS[2]} is missing or incomplete.")
    rate = extractor["sampling_rate"]
    samples = extractor.get("nb_max_samples") or rate * extractor.get("max_length_s", 10)
    return Checkpoint(
        folder, name, revision, _sha256(folder), rate, samples / rate, config.get("projection_dim", 512)
    )  # fmt: skip


class Embedder:
    """A CLAP that is loaded; it runs on a GPU where Ray or the machine gives it one.

    Parameters
    ----------
    folder : Path
        A checkpoint in the format of transformers.
    """

    def __init__(self, folder: str | Path):
        import torch
        from transformers import ClapModel, ClapProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.torch, self.device = torch, "cuda" if torch.cuda.is_available() else "cpu"
        self.model = ClapModel.from_pretrained(folder, dtype=torch.float32).eval().to(self.device)
        self.processor = ClapProcessor.from_pretrained(folder)

    def audio(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Return one embedding of length 1 for each window, (windows, dimension)."""
        extractor = self.processor.feature_extractor
        features = extractor(list(windows), sampling_rate=extractor.sampling_rate, return_tensors="pt")
        # No window is longer than the model hears. transformers says of one at random that it is.
        features["is_longer"] = self.torch.zeros(len(windows), 1, dtype=self.torch.bool)
        return self._normal(self.model.get_audio_features, features)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return one embedding of length 1 for each text, (texts, dimension)."""
        tokens = self.processor(text=list(texts), padding=True, truncation=True, return_tensors="pt")
        return self._normal(self.model.get_text_features, tokens)

    def _normal(self, function, inputs) -> np.ndarray:
        with self.torch.inference_mode():
            found = function(**{name: value.to(self.device) for name, value in inputs.items()}).pooler_output
        return self.torch.nn.functional.normalize(found.float(), dim=-1).cpu().numpy()


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        for weights in WEIGHTS:
            folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=[*PATTERNS, weights]))
            if _matching(folder, weights):
                break
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"no folder {name} and nothing to download under that name ({reason}).") from error
    return folder


def _matching(folder: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def _weights(folder: Path) -> list[Path]:
    return next(filter(None, (_matching(folder, pattern) for pattern in WEIGHTS)), [])


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in (*_weights(folder), *(folder / name for name in SETTINGS)):
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while chunk := file.read(1 << 24):
                    digest.update(chunk)
    return digest.hexdigest()
