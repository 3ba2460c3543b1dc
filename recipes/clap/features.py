"""What the audio tower is trained on, computed once: log-mel spectrograms, captions, and facts as 0 and 1."""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from musicwords.captions import Caption
from musicwords.captions.matching import Facts, stated
from recipes.common.parallel import in_chunks
from recipes.corpus.texts import captions_of

SAMPLE_RATE = 16_000
MELS = 128


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


def log_mels_of(paths: list[Path]) -> np.ndarray:
    """Spectrograms of some files, shape (clips, 512, 128), float16."""
    return np.asarray([log_mel(soundfile.read(path, dtype="float32")[0]) for path in paths], np.float16)


def log_mels(records: list[dict], corpus: Path, folder: Path, processes: int = 2) -> np.ndarray:
    """Spectrograms of all clips, shape (clips, 512, 128), float16; parts that are there are not made again."""
    return in_chunks(log_mels_of, [corpus / one["file_name"] for one in records], folder, processes, "log-mel")


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
        super().__init__([record["attributes"] for record in records], claims)
        self.said = self.table(claims)
