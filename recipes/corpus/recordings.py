"""The real recordings among the test sets, cut or repeated to ten seconds."""

import tomllib
from pathlib import Path

import numpy as np

from recipes.corpus.render import SECONDS, finished
from recipes.music.pieces.from_recordings import loop, place, sample

TAGS = tomllib.loads(Path(__file__).with_name("recordings.toml").read_text(encoding="utf-8"))
LEVEL = -25.0  # dBFS, root mean square
UNKNOWN = ["tempo_bpm", "tempo_class", "meter", "key", "mode", "texture"]
UNKNOWN += ["idiom", "dynamics", "articulation", "register", "room"]


def make_clip(name: str) -> tuple[np.ndarray, dict]:
    """Samples at 16 kHz and the record of one recording; what its file name does not say is None."""
    tags = dict(TAGS[name])
    every = tags.pop("every", None)
    if every:
        sound = sample(name)
        audio = place([(time, sound) for time in np.arange(0, SECONDS, every)], SECONDS)
    else:
        audio = loop(name, SECONDS)
    record = {
        "id": f"recordings-{name}",
        "file_name": f"clips/recordings-{name}.flac",
        "split": "recordings",
        "source_family": "recording",
        "collection": "sonic-pi-samples",
        "work": f"sonic-pi-samples/{name}",
        "soundfont": None,
        "attributes": tags | dict.fromkeys(UNKNOWN),
    }
    return finished(audio, LEVEL), record
