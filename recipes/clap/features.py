"""What the audio tower is trained on, computed once: log-mel spectrograms, captions, and facts as 0 and 1."""

import json
import os
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile
from captions import Caption
from captions.matching import facts, stated, unknown
from corpus.build import in_parallel
from corpus.texts import captions_of

SAMPLE_RATE = 16_000
MELS, FRAMES = 128, 512
CHUNK = 128  # clips of one task


@cache
def feature_extractor():
    """The extractor of the mini CLAP: 128 mel bands up to 8 kHz, and a hop that makes 10 s just 512 frames."""
    from transformers import ClapFeatureExtractor

    return ClapFeatureExtractor(
        feature_size=MELS,
        sampling_rate=SAMPLE_RATE,
        hop_length=313,
        max_length_s=10,
        fft_window_size=2048,
        frequency_min=30,
        frequency_max=8_000,
        truncation="rand_trunc",
        padding="repeatpad",
    )


def log_mel(audio: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram of a clip, shape (512, 128), in dB, as the published extractor makes it."""
    return feature_extractor()(audio, sampling_rate=SAMPLE_RATE, return_tensors="np")["input_features"][0, 0]


def _chunk(first: int, paths: list[Path], folder: Path) -> None:
    mels = [log_mel(soundfile.read(path, dtype="float32")[0]) for path in paths[first : first + CHUNK]]
    partial_file = folder / f"{first:06d}.{os.getpid()}.part.npy"
    np.save(partial_file, np.asarray(mels, np.float16))
    partial_file.replace(folder / f"{first:06d}.npy")


def log_mels(records: list[dict], corpus: Path, folder: Path, processes: int = 2) -> np.ndarray:
    """Spectrograms of all clips, shape (clips, 512, 128), float16; parts that are there are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [corpus / record["file_name"] for record in records]
    firsts = range(0, len(paths), CHUNK)
    todo = [first for first in firsts if not (folder / f"{first:06d}.npy").exists()]
    if todo:
        in_parallel(partial(_chunk, paths=paths, folder=folder), todo, processes, f"log-mel, {CHUNK} clips each")
    return np.concatenate([np.load(folder / f"{first:06d}.npy") for first in firsts])


class Facts:
    """What is true of clips, over one list of facts.

    Attributes
    ----------
    names : list of (attribute, value)
    holds, blank : numpy.ndarray, shape (clips, facts), bool
        Whether a fact is true of a clip, and whether the record leaves it open.
    """

    def __init__(self, records: list[dict], also: frozenset = frozenset()):
        true = [facts(record["attributes"]) for record in records]
        self.names = sorted(also.union(*true), key=repr)
        self.column = {fact: index for index, fact in enumerate(self.names)}
        self.holds = np.zeros((len(records), len(self.names)), bool)
        self.blank = np.zeros_like(self.holds)
        for have, lack, record, known in zip(self.holds, self.blank, records, true, strict=True):
            have[[self.column[fact] for fact in known]] = True
            empty = unknown(record["attributes"])
            lack[[index for fact, index in self.column.items() if fact[0] in empty]] = True


class Texts(Facts):
    """Captions of clips, what they state, and what is true of the clips.

    Attributes
    ----------
    captions : list of Caption
        ``count`` or fewer of each clip, one clip after the other.
    clip : numpy.ndarray, shape (captions,)
        The clip of each caption.
    said : numpy.ndarray, shape (captions, facts), bool
        Which facts a caption states.
    """

    def __init__(self, records: list[dict], count: int):
        drawn = [captions_of(record, count) for record in records]
        self.captions: list[Caption] = [caption for some in drawn for caption in some]
        self.clip = np.repeat(np.arange(len(records)), [len(some) for some in drawn])
        claims = [stated(caption.mentioned) for caption in self.captions]
        super().__init__(records, frozenset().union(*claims))
        self.said = np.zeros((len(claims), len(self.names)), bool)
        for row, claim in zip(self.said, claims, strict=True):
            row[[self.column[fact] for fact in claim]] = True


def read_records(corpus: Path) -> list[dict]:
    """The records of a rendered corpus.

    Raises
    ------
    FileNotFoundError
        If the corpus has not been rendered.
    """
    listing = corpus / "corpus.jsonl"
    if not listing.is_file():
        raise FileNotFoundError(f"There is no {listing}: render the corpus first, with python -m corpus")
    return [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
