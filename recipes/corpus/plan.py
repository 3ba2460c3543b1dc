"""What each clip is to be: drawn from its id alone, so that a clip does not depend on how many there are."""

import zlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from recipes.corpus.idioms import ANY
from recipes.corpus.orchestration import FAMILIES
from recipes.corpus.works import Work

SOURCES = {"chorale": 0.2, "quartet": 0.15, "dance tune": 0.25, "procedural": 0.4}
TRAINED_FONTS = ("FluidR3Mono", "MuseScore General Lite")
UNHEARD_FONT = "TimGM6mb"
# Clips of each split; besides these there is "recordings". Of train, the first ``EMBEDDED`` ones come with the book
# as embeddings (see table.py); the others only train the checkpoints.
SIZES = {"train": 12_640, "validation": 640, "test": 1_040, "collection": 400, "font": 400, "combination": 400}
EMBEDDED = 6_320

# (family of the lead, tempo class, percussion) that only the set "combination" has: one for each pair of tempo class
# and percussion, so that leaving them out makes no tempo class rarer, nor clips with percussion.
HELD_OUT = {
    "brass": ("slow", True),
    "woodwind": ("fast", True),
    "strings": ("medium", True),
    "keyboard": ("fast", False),
    "plucked strings": ("slow", False),
    "electronic": ("medium", False),
}
CELLS = [(tempo, percussion) for tempo in ANY for percussion in (False, True)]


def cell_weights(family: str) -> np.ndarray:
    """Chances of each pair of tempo class and percussion for a family in training.

    Without the family's held-out pair, tempo classes are still equally likely, and so is percussion.
    """
    out = HELD_OUT.get(family)
    if out is None:
        return np.full(6, 1 / 6)
    same_tempo, same_percussion, other, none = 1 / 3, 1 / 4, 1 / 12, 0.0
    return np.array(
        [
            (none if p == out[1] else same_tempo) if t == out[0] else (same_percussion if p == out[1] else other)
            for t, p in CELLS
        ]
    )


@dataclass(frozen=True)
class Plan:
    """A clip before it is rendered."""

    id: str
    split: str
    source_family: str
    work: str
    font: str
    family: str  # of the lead
    tempo_class: str
    percussion: bool
    seed: int


def plan_clip(split: str, index: int, works: dict[tuple[str, str], list[str]]) -> Plan:
    """Draw one clip. ``works`` gives the ids of works by split and source family."""
    clip_id = f"{split}-{index:05d}"
    seed = zlib.crc32(clip_id.encode())
    rng = np.random.default_rng(seed)
    source = "quartet" if split == "collection" else str(rng.choice(list(SOURCES), p=list(SOURCES.values())))
    if source == "procedural":
        work = f"procedural/{clip_id}"
    else:
        pool = works["test" if split in ("font", "combination") else split, source]
        work = pool[rng.integers(len(pool))]
    font = UNHEARD_FONT if split == "font" else str(rng.choice(TRAINED_FONTS))
    if split == "combination":
        family = str(rng.choice(list(HELD_OUT)))
        tempo, percussion = HELD_OUT[family]
    else:
        family = str(rng.choice(FAMILIES))
        tempo, percussion = CELLS[rng.choice(6, p=cell_weights(family))]
    return Plan(clip_id, split, source, work, font, family, tempo, percussion, seed)


def plan_all(works: list[Work], splits: dict[str, str], share: float = 1.0) -> list[Plan]:
    """The clips of all splits but the recordings; with a smaller ``share`` the same ones, but fewer of each split."""
    pools = defaultdict(list)
    for work in works:
        pools[splits[work.id], work.source_family].append(work.id)
    return [plan_clip(split, index, pools) for split, size in SIZES.items() for index in range(round(share * size))]
