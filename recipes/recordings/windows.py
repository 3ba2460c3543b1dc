"""Cut recordings into windows of ten seconds."""

import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from musicwords.clips import load_audio
from recipes.clap.features import SAMPLE_RATE, log_mel

TRACKS = Path(__file__).with_name("tracks.toml")
SECONDS = 10
HOP = {"train": 8.0, "test": None}  # seconds from one window to the next; None: TEST_WINDOWS, evenly
MOST = {"train": 36, "test": 5}  # windows of a track
LABELS = {"style", "vocals", "instruments"}
QUIETEST = 1e-3  # root mean square: below it a window counts as silence


@dataclass(frozen=True)
class Track:
    """A recording and what is documented of it."""

    path: str  # under the root of the file system; a colon stands before the name in a zip file
    facts: dict

    @property
    def use(self) -> str:
        return self.facts["use"]


def tracks(use: str) -> list[Track]:
    """The recordings for ``"train"`` or ``"test"``, in the order of the table; of the latter those with a label."""
    table = tomllib.loads(TRACKS.read_text(encoding="utf-8"))
    return [
        Track(path, facts)
        for path, facts in table.items()
        if facts["use"] == use and (use == "train" or LABELS.intersection(facts))
    ]


def load(track: Track, folder: Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A recording, mono; where it lacks a part that is a file of its own, with this part."""
    audio = load_audio(find(track.path, folder), sample_rate)
    if part := track.facts.get("mix_with"):
        other = load_audio(Path("/") / part, sample_rate)
        length = min(len(audio), len(other))
        audio = np.clip(audio[:length] + other[:length], -1, 1)
    return audio


def find(name: str, folder: Path) -> Path:
    """The file of a key of the table; one in a zip file is unpacked into ``folder``.

    Raises
    ------
    FileNotFoundError
        If its package is not installed.
    """
    outer, _, inner = name.partition(":")
    path = Path("/") / outer.partition("/")[2]
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: apt install {outer.partition('/')[0]}")
    if not inner:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / Path(inner).name
    if not copy.is_file():
        with zipfile.ZipFile(path) as archive:
            copy.write_bytes(archive.read(inner))
    return copy


def cut(audio: np.ndarray, use: str) -> list[float]:
    """Where the windows of a recording begin, in seconds; silence is passed over."""
    last = len(audio) / SAMPLE_RATE - SECONDS
    if last < 0:
        return []
    if HOP[use] is None:
        starts = np.linspace(0.05 * last, 0.95 * last, MOST[use])
    else:
        starts = np.arange(0, last, HOP[use])
        if len(starts) > MOST[use]:
            starts = np.linspace(0, last, MOST[use])
    return [float(start) for start in starts if np.sqrt((window(audio, start) ** 2).mean()) > QUIETEST]


def window(audio: np.ndarray, start: float) -> np.ndarray:
    first = round(start * SAMPLE_RATE)
    return audio[first : first + SECONDS * SAMPLE_RATE]


@cache
def taggers() -> list:
    """musicnn, trained on MagnaTagATune and on the Million Song Dataset."""
    import torch  # in the workers only: they are spawned

    from musicwords.checkpoints import checkpoint
    from musicwords.musicnn import Musicnn

    torch.set_num_threads(1)
    return [Musicnn.from_pretrained(**checkpoint(f"musicnn-{name}")).eval() for name in ("mtt", "msd")]


def tag(audio: np.ndarray) -> np.ndarray:
    """What both taggers say of a window, shape (500,): probabilities (50 + 50) and embeddings, means over patches."""
    import torch

    from musicwords.musicnn import log_mel_patches

    with torch.inference_mode():
        heard = [tagger(log_mel_patches(audio)) for tagger in taggers()]
    parts = [one.probabilities for one in heard] + [one.embedding for one in heard]
    return np.concatenate([part.mean(0).numpy() for part in parts]).astype(np.float32)


def listen(track: Track, folder: Path) -> None:
    """Write spectrograms (windows, 512, 128), tags and starts of the windows of a recording to ``folder``."""
    audio = load(track, folder / "unpacked")
    starts = cut(audio, track.use)
    windows = [window(audio, start) for start in starts]
    path = window_file(track, folder)
    np.savez(
        path.with_suffix(".part.npz"),
        mels=np.asarray([log_mel(one) for one in windows], np.float16).reshape(-1, 512, 128),
        heard=np.asarray([tag(one) for one in windows], np.float32).reshape(-1, 500),
        starts=np.asarray(starts, np.float32),
    )
    path.with_suffix(".part.npz").rename(path)


def window_file(track: Track, folder: Path) -> Path:
    return folder / f"{track.path.replace('/', '~').replace(':', '~')}.npz"
