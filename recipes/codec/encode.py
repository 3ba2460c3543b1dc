"""All clips through the trained codec: what the generators are trained on."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile

from recipes.codec.audio import as_float
from recipes.common.inputs import fingerprint, kept_array
from recipes.common.parallel import in_chunks


@cache
def load(folder: Path):
    """The codec of a folder, in a worker."""
    import torch

    from musicwords.codec import SpectralCodec

    torch.set_num_threads(1)
    return SpectralCodec.from_pretrained(folder, dtype=torch.float32).eval()


def encode(paths: list[Path], codec: Path) -> np.ndarray:
    """Latents and codes of some clips side by side, shape (clips, frames, dimensions + codebooks), float16.

    Codes are whole numbers below 2,048, which float16 holds exactly.
    """
    import torch

    model = load(codec)
    rows = []
    with torch.inference_mode():
        for path in paths:
            latents = model.encoder(torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None, None])
            codes = model.quantizer.encode(latents, model.config.target_bandwidths[-1])
            rows.append(torch.cat([latents[0].T, codes[:, 0].T], dim=1).numpy())
    return np.asarray(rows, np.float16)


def encoded(
    records: list[dict], corpus: Path, codec: Path, folder: Path, processes: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Latents (clips, frames, dimensions), float16, and codes (clips, codebooks, frames), int16, of all clips.

    Both are memory maps in ``folder``, in the order of the records.
    """
    paths = [corpus / record["file_name"] for record in records]
    function, dimensions = partial(encode, codec=codec), load(codec).config.hidden_size
    made_of = fingerprint(function, paths)

    def both() -> np.ndarray:
        return in_chunks(function, paths, folder / "encoded", processes, "codec")

    latents = kept_array(folder / "latents.npy", made_of, lambda: both()[..., :dimensions])
    codes = kept_array(
        folder / "codes.npy", made_of, lambda: both()[..., dimensions:].astype(np.int16).transpose(0, 2, 1)
    )
    return latents, codes


def to_train_on(records: list[dict], rows: np.ndarray) -> tuple[list[dict], np.ndarray, list[dict], np.ndarray]:
    """Records and rows of the training clips, and of the validation clips; rows as ``encoded`` gives them."""
    found = []
    for split in ("train", "validation"):
        here = [place for place, record in enumerate(records) if record["split"] == split]
        found += [[records[place] for place in here], rows[here]]
    return tuple(found)


def latent_statistics(model, clips: np.ndarray, count: int = 640) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each dimension of the latents of some clips, evenly taken.

    Parameters
    ----------
    model : SpectralCodec
    clips : shape (clips, samples), int16
    count : how many are taken at most
    """
    import torch

    frames = []
    with torch.inference_mode():
        for row in np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int):
            frames.append(model.encoder(torch.from_numpy(as_float(clips[row]))[None, None])[0].T)
    frames = torch.cat(frames)
    mean, std = ([round(value, 5) for value in one.tolist()] for one in (frames.mean(dim=0), frames.std(dim=0)))
    return mean, std
