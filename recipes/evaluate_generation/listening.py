"""Everything that is measured of clips one by one: embeddings, the probe's features, health and codec tokens."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile

from musicwords.health import health
from musicwords.musicnn import log_mel_patches
from musicwords.probe import features
from recipes.clap.audio_tower import embed_mels
from recipes.clap.features import log_mel
from recipes.codec.encode import load
from recipes.common.inputs import fingerprint, kept_file
from recipes.common.parallel import in_chunks
from recipes.corpus.table import tagger

EMBEDDINGS = ("musicnn", "clap")


@cache
def clap_model(folder: Path):
    """The mini CLAP, in a worker."""
    from transformers import ClapModel

    return ClapModel.from_pretrained(folder).eval()


def hear(rows: list[int], audio: Path, codec: Path, clap: Path) -> np.ndarray:
    """What is measured of some rows of a file of audio, one entry a clip, in fields.

    ``rhythm`` and ``timbre``: what the probe reads. ``musicnn`` (200): its embedding, mean over patches of 3 s.
    ``clap`` (192): pooled features of the audio tower. ``onsets``, ``silence``, ``self_similarity``: see
    ``musicwords.health``. ``codes`` (codebooks, frames): the tokens of the codec.
    """
    import torch

    clips, found = np.load(audio, mmap_mode="r"), []
    model = load(codec)
    with torch.inference_mode():
        for row in rows:
            clip = np.array(clips[row])
            readings, state = features(clip), health(clip)
            embedding = tagger()(log_mel_patches(clip)).embedding.mean(dim=0).numpy()
            pooled = embed_mels(clap_model(clap), log_mel(clip)[None])[0][0].numpy()
            tokens = model.encode(torch.from_numpy(clip)[None, None], bandwidth=model.config.target_bandwidths[-1])
            codes = tokens.audio_codes[0, 0].numpy().astype(np.int16)
            found.append((readings.rhythm, readings.timbre, embedding, pooled, *state.values(), codes))
    fields = [
        *((name, "f4", one.shape) for name, one in zip(("rhythm", "timbre", *EMBEDDINGS), found[0], strict=False)),
        *((name, "f4") for name in state),
        ("codes", "i2", codes.shape),
    ]
    return np.array(found, dtype=fields)


def heard(audio: Path, codec: Path, clap: Path, folder: Path, processes: int = 2) -> np.ndarray:
    """The same of all clips of a file, computed where it is not in ``folder`` yet."""
    rows = list(range(len(np.load(audio, mmap_mode="r"))))
    return in_chunks(partial(hear, audio=audio, codec=codec, clap=clap), rows, folder, processes, folder.name)


def real_audio(records: list[dict], corpus: Path, path: Path) -> Path:
    """Write the clips of some records into one file, shape (clips, samples), float32; return its path."""
    paths = [corpus / record["file_name"] for record in records]

    def read() -> np.ndarray:
        return np.stack([soundfile.read(one, dtype="float32")[0] for one in paths])

    return kept_file(path, fingerprint(paths), read)


def through_codec(rows: list[int], audio: Path, codec: Path) -> np.ndarray:
    """What the codec makes of some rows of a file of audio, with all its codebooks, float32."""
    import torch

    model, clips, found = load(codec), np.load(audio, mmap_mode="r"), []
    with torch.inference_mode():
        for row in rows:
            clip = torch.from_numpy(np.array(clips[row]))[None, None]
            codes = model.encode(clip, bandwidth=model.config.target_bandwidths[-1]).audio_codes
            found.append(model.decode(codes, [None]).audio_values[0, 0, : clip.shape[2]].numpy())
    return np.stack(found)


def resynthesized(audio: Path, codec: Path, path: Path, processes: int = 2) -> Path:
    """Write what the codec makes of the clips of a file; return its path."""
    function = partial(through_codec, audio=audio, codec=codec)

    def make() -> np.ndarray:
        rows = list(range(len(np.load(audio, mmap_mode="r"))))
        return in_chunks(function, rows, path.with_suffix(".parts"), processes, path.stem)

    return kept_file(path, fingerprint(function), make)
