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


class Texts:
    """Captions of clips, with what they state and what is true of the clips, over one list of facts.

    Attributes
    ----------
    captions : list of Caption
        ``count`` or fewer of each clip, one clip after the other.
    clip : numpy.ndarray, shape (captions,)
        The clip of each caption.
    said : numpy.ndarray, shape (captions, facts), bool
    holds, blank : numpy.ndarray, shape (clips, facts), bool
        Whether a fact is true of a clip, and whether the record leaves it open.
    """

    def __init__(self, records: list[dict], count: int):
        self.captions: list[Caption] = []
        clips = []
        for index, record in enumerate(records):
            drawn = captions_of(record, count)
            self.captions += drawn
            clips += [index] * len(drawn)
        self.clip = np.array(clips)
        claims = [stated(caption.mentioned) for caption in self.captions]
        known = [facts(record["attributes"]) for record in records]
        self.facts = sorted(frozenset().union(*claims, *known), key=repr)
        column = {fact: index for index, fact in enumerate(self.facts)}
        self.said = np.zeros((len(claims), len(column)), bool)
        for row, claim in zip(self.said, claims, strict=True):
            row[[column[fact] for fact in claim]] = True
        self.holds = np.zeros((len(records), len(column)), bool)
        self.blank = np.zeros_like(self.holds)
        for have, lack, record, true in zip(self.holds, self.blank, records, known, strict=True):
            have[[column[fact] for fact in true]] = True
            empty = unknown(record["attributes"])
            lack[[index for fact, index in column.items() if fact[0] in empty]] = True


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
