"""Which work is in which split: like goes with like, and what evaluates the book is never trained on."""

import re
import tomllib
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from recipes.corpus.orchestration import single_line
from recipes.corpus.works import HELD_OUT_COLLECTIONS, TUNE_TYPES, Work
from recipes.music.scores import Note

SHARES = {"train": 0.79, "validation": 0.08, "test": 0.13}
CLIPS = Path(__file__).parents[1] / "music" / "clips.toml"

GRAM = 8  # intervals
SHARED = 0.25  # of the smaller melody's n-grams: from here on two melodies count as the same
COMMON = 12  # an n-gram in more works than this is a turn of phrase, not a tune


def normalized_title(work: Work) -> str | None:
    """Title of a tune without its type and small words; None for works whose file name is a number."""
    if work.source_family != "dance tune":
        return None
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", Path(work.id).stem)
    drop = {"the", "a", "of", "favorite", "fling", "highland", "slip", *TUNE_TYPES}
    return "".join(word.lower() for word in words if word.lower() not in drop) or None


def fingerprint(melody: list[Note]) -> set[tuple[int, ...]]:
    """Runs of successive intervals in semitones: the same in every key, tempo and rhythm."""
    pitches = [note.pitch for note in single_line(melody)]
    steps = [second - first for first, second in pairwise(pitches)]
    return {tuple(steps[index : index + GRAM]) for index in range(len(steps) - GRAM + 1)}


def alike(first: set, second: set) -> bool:
    return len(first & second) >= SHARED * max(1, min(len(first), len(second)))


def clusters(works: list[Work]) -> list[list[Work]]:
    """Works that share a title or a melody, together; everything else alone."""
    prints = {work.id: fingerprint(work.parts[0]) for work in works}
    owners = defaultdict(list)
    for work in works:
        for gram in prints[work.id]:
            owners[gram].append(work.id)
        if title := normalized_title(work):
            owners[title].append(work.id)

    parent = {work.id: work.id for work in works}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    candidates = Counter()
    for key, names in owners.items():
        if isinstance(key, str):
            for first, second in pairwise(names):
                parent[root(first)] = root(second)
        elif len(names) <= COMMON:
            candidates.update((first, second) for i, first in enumerate(names) for second in names[i + 1 :])
    for first, second in candidates:
        if alike(prints[first], prints[second]):
            parent[root(first)] = root(second)
    groups = defaultdict(list)
    for work in works:
        groups[root(work.id)].append(work)
    return list(groups.values())


def works_of_clips() -> set[str]:
    """Scores that the book's own clip set plays."""
    entries = tomllib.loads(CLIPS.read_text(encoding="utf-8")).values()
    found = (re.search(r"music21 \S+ corpus, (\S+?)(?:,| |$)", entry["source"]) for entry in entries)
    return {match[1] for match in found if match}


def assign(works: list[Work], seed: int = 0) -> dict[str, str]:
    """Split of each work by id.

    Clusters are dealt out whole, within each source family. A work of a held-out collection is in "collection"; its
    likenesses, and those of the works that the book's clips play, are in "test".
    """
    rng = np.random.default_rng(seed)
    splits, evaluated = {}, works_of_clips()
    by_family = defaultdict(list)
    for group in clusters(works):
        held_out = any(work.collection in HELD_OUT_COLLECTIONS for work in group)
        if held_out or any(work.id in evaluated for work in group):
            splits |= {w.id: "collection" if w.collection in HELD_OUT_COLLECTIONS else "test" for w in group}
        else:
            by_family[group[0].source_family].append(group)
    for family, groups in by_family.items():
        total = sum(work.source_family == family and work.collection not in HELD_OUT_COLLECTIONS for work in works)
        have = Counter({"test": sum(w.source_family == family and splits.get(w.id) == "test" for w in works)})
        for index in rng.permutation(len(groups)):
            split = next((s for s in ("test", "validation") if have[s] < SHARES[s] * total), "train")
            splits |= {work.id: split for work in groups[index]}
            have[split] += len(groups[index])
    return splits
