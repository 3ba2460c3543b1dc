"""Which clips a caption is true of: for losses with several positives, oracles and scores."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from .grammar import statable
from .lexicon import MOODS

Fact = tuple[str, Hashable]
TEMPO_TOLERANCE = 0.04  # a stated number of beats a minute is true of tempos so close to it
LISTS = ("instruments", "families")


def facts(attributes: Mapping[str, object]) -> frozenset[Fact]:
    """Return all that a caption could truly state of a clip, as (attribute, value) pairs."""
    found = set()
    for name, value in statable(attributes).items():
        if name == "tempo_bpm":
            near = range(round(value * (1 - TEMPO_TOLERANCE)), round(value * (1 + TEMPO_TOLERANCE)) + 1)
            found |= {(name, number) for number in near}
        else:
            found |= {(name, one) for one in (value if name in LISTS else [value])}
    if mood := MOODS.get((attributes.get("tempo_class"), attributes.get("mode"))):
        found.add(("mood", mood))
    return frozenset(found)


def stated(mentioned: Mapping[str, object]) -> frozenset[Fact]:
    """Return what a caption states, as (attribute, value) pairs, from ``Caption.mentioned`` or ``parse``."""
    return frozenset(
        (name, one)
        for name, value in mentioned.items()
        for one in (value if name in LISTS else [value])
        if name != "absent"
    )


def unknown(attributes: Mapping[str, object]) -> frozenset[str]:
    """Return the attributes of which a record does not say what they are."""
    names = {name for name, value in attributes.items() if value is None}
    if {"tempo_class", "mode"} & names:
        names.add("mood")
    return frozenset(names)


class Matcher:
    """Compares captions with clips, all with all.

    Parameters
    ----------
    clips : sequence of mapping
        Attributes of each clip.
    captions : sequence of mapping
        What each caption states: ``Caption.mentioned``, or the result of ``parse``.

    Attributes
    ----------
    true : numpy.ndarray, shape (captions, clips), bool
        Whether a caption is true of a clip: all that it states is recorded of the clip.
    open : numpy.ndarray, shape (captions, clips), bool
        Whether the record leaves this open: nothing that the caption states is contradicted, but some of it is unknown.
    information : numpy.ndarray, shape (captions, clips), float32
        Bits of the statements that are true of the clip (a rare value says more), less ``PENALTY`` for each
        one that is not: what an oracle with the true attributes ranks by.
    """

    PENALTY = 100.0

    def __init__(self, clips: Sequence[Mapping], captions: Sequence[Mapping]):
        claims = [stated(caption) for caption in captions]
        names = sorted(frozenset().union(*claims), key=repr)
        column = {fact: i for i, fact in enumerate(names)}
        said = np.zeros((len(claims), len(names)), np.float32)
        for row, claim in zip(said, claims, strict=True):
            row[[column[fact] for fact in claim]] = 1
        holds = np.zeros((len(clips), len(names)), np.float32)
        missing = np.zeros_like(holds)
        for have, lack, attributes in zip(holds, missing, clips, strict=True):
            have[[column[fact] for fact in facts(attributes) if fact in column]] = 1
            blank = unknown(attributes)
            lack[[i for (name, _), i in column.items() if name in blank]] = 1
        bits = -np.log2((holds.sum(axis=0) + 1) / (len(clips) + 1))
        count = said.sum(axis=1, keepdims=True)
        met = said @ holds.T
        self.true = met == count
        self.open = (met + said @ missing.T >= count) & ~self.true
        self.information = said * bits @ holds.T - self.PENALTY * (count - met)
