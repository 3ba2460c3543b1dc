"""What musicnn hears: windows of recordings and some rendered clips, with its tags and the layer before them."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from musicwords.checkpoints import checkpoint
from musicwords.musicnn import Musicnn
from recipes.clap.features import log_mels_of
from recipes.clap.sentences import CONCEPTS, fact_of
from recipes.clap.styles import read
from recipes.common.parallel import in_chunks
from recipes.recordings.windows import tag

RENDERED = 600  # clips with more timbres that musicnn tags as well
CHECKED = 7  # one artist in so many is kept to measure on
TAGS = 100  # of both taggers
# A concept holds where it is more probable than both: this, and all but a share of the training windows; it does not
# hold where it is less probable than the least of both. Between them it is left open.
CERTAIN, RAREST = 0.2, 0.85
ABSENT, COMMONEST = 0.1, 0.5


@dataclass
class Heard:
    """Windows with what the taggers say.

    Attributes
    ----------
    mels : shape (windows, 512, 128), float16
    tags : shape (windows, 100), probabilities
    layer : shape (windows, 400), the layers before them
    artist : shape (windows,); empty where rendered
    """

    mels: np.ndarray
    tags: np.ndarray
    layer: np.ndarray
    artist: np.ndarray

    def part(self, chosen: np.ndarray) -> "Heard":
        return Heard(self.mels[chosen], self.tags[chosen], self.layer[chosen], self.artist[chosen])


def tags_of(paths: list[Path]) -> np.ndarray:
    """What both taggers say of some clips, shape (clips, 500)."""
    return np.stack([tag(soundfile.read(path, dtype="float32")[0]) for path in paths])


def heard_windows(recordings: Path, timbres: Path, processes: int) -> Heard:
    """The training windows of recordings, and the first ``RENDERED`` clips with more timbres."""
    found = read("train", recordings)
    paths = sorted((timbres / "clips").glob("*.flac"))[:RENDERED]
    heard = in_chunks(tags_of, paths, timbres / "heard", processes, "musicnn")
    mels = in_chunks(log_mels_of, paths, timbres / "heard-mel", processes, "log-mel")
    both = np.concatenate([found["heard"], heard])
    return Heard(
        np.concatenate([found["mels"], mels]),
        both[:, :TAGS],
        both[:, TAGS:],
        np.concatenate([found["artist"], np.full(len(paths), "")]),
    )


def divided(heard: Heard) -> tuple[Heard, Heard]:
    """Windows to train on and to measure on, by other artists; layers standardized over the first."""
    kept = np.array([bool(name) and zlib.crc32(name.encode()) % CHECKED == 0 for name in heard.artist])
    train, check = heard.part(~kept), heard.part(kept)
    mean, std = train.layer.mean(0), train.layer.std(0) + 1e-3
    for one in (train, check):
        one.layer = ((one.layer - mean) / std).astype(np.float32)
    return train, check


def probabilities(tags: np.ndarray) -> np.ndarray:
    """How probable each concept is, shape (windows, concepts), from tags of shape (windows, 100)."""
    labels = [
        f"{name}:{label}"
        for name in ("mtt", "msd")
        for label in Musicnn.from_pretrained(**checkpoint(f"musicnn-{name}")).labels
    ]
    found = []
    for concept in CONCEPTS.values():
        columns = tags[:, [labels.index(name) for name in concept["tags"]]]
        found.append(columns.min(1) if concept.get("all") else columns.max(1))
    return np.stack(found, 1)


def concepts(tags: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which concepts hold of windows, and which are left open, both of shape (windows, concepts).

    Parameters
    ----------
    tags : shape (windows, 100)
    training : of the windows of recordings that are trained on, shape (windows, 100)
    """
    here, there = probabilities(tags), probabilities(training)
    holds = here > np.maximum(CERTAIN, np.quantile(there, RAREST, axis=0))
    absent = here < np.minimum(ABSENT, np.quantile(there, COMMONEST, axis=0))
    return holds, ~(holds | absent)


def facts_of(holds: np.ndarray, blank: np.ndarray, names: list) -> tuple[np.ndarray, np.ndarray]:
    """The same over a list of facts, of which those that are no concepts are left open."""
    column = {name: index for index, name in enumerate(names)}
    found, opened = np.zeros((len(holds), len(names)), bool), np.ones((len(holds), len(names)), bool)
    for index, fact in enumerate(map(fact_of, CONCEPTS)):
        if fact in column:
            found[:, column[fact]] = holds[:, index]
            opened[:, column[fact]] = blank[:, index]
    return found, opened
