"""Which clips a caption is true of: for losses with several positives, oracles and scores.

What a caption states, and the facts of a clip, stand in ``musicwords.matching``. Here the grammar says which attributes
a caption may state, and what a record leaves open is told from what is not true.
"""

from collections.abc import Mapping, Sequence

import numpy as np

import musicwords.matching
from musicwords.matching import Fact, fact_table, stated

from .grammar import statable


def facts(attributes: Mapping[str, object]) -> frozenset[Fact]:
    """Return all that a caption of the grammar could truly state of a clip, as (attribute, value) pairs."""
    return musicwords.matching.facts(statable(attributes))


def unknown(attributes: Mapping[str, object]) -> frozenset[str]:
    """Return the attributes of which a record does not say what they are."""
    names = {name for name, value in attributes.items() if value is None}
    if {"tempo_class", "mode"} & names:
        names.add("mood")
    return frozenset(names)


class Facts:
    """What is true of clips, over one list of facts.

    Parameters
    ----------
    clips : sequence of mapping
        Attributes of each clip.
    claims : sequence of frozenset
        What captions state, so that the list has these facts too.

    Attributes
    ----------
    names : list of (attribute, value)
    holds, blank : numpy.ndarray, shape (clips, facts), bool
        Whether a fact is true of a clip, and whether the record leaves it open.
    """

    def __init__(self, clips: Sequence[Mapping], claims: Sequence[frozenset[Fact]] = ()):
        true = [facts(attributes) for attributes in clips]
        self.names = sorted(frozenset().union(*true, *claims), key=repr)
        self.holds = self.table(true)
        empty = [unknown(attributes) for attributes in clips]
        self.blank = self.table([[fact for fact in self.names if fact[0] in names] for names in empty])

    def table(self, rows: Sequence) -> np.ndarray:
        """Collections of facts as 0 and 1, shape (rows, facts), bool."""
        return fact_table(rows, self.names).astype(bool)

    def targets(self) -> tuple[list[Fact], np.ndarray, np.ndarray]:
        """What a classifier of the clips learns: facts, which of them hold, and which are known, float32.

        A number of beats a minute is for captions only: as labels of clips there are too many.
        """
        kept = [index for index, (name, _) in enumerate(self.names) if name != "tempo_bpm"]
        names = [self.names[index] for index in kept]
        return names, self.holds[:, kept].astype(np.float32), (~self.blank)[:, kept].astype(np.float32)


def comparison(said, holds, blank):
    """Whether each caption is true of each clip, and whether that is open; both of shape (captions, clips).

    Takes tables of 0 and 1 in floating point, shape (captions or clips, facts), of NumPy or torch.
    """
    count = said.sum(1)[:, None]
    met = said @ holds.T
    true = met == count
    return true, (met + said @ blank.T >= count) & ~true


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
        tables = Facts(clips, claims)
        said, holds, blank = (x.astype(np.float32) for x in (tables.table(claims), tables.holds, tables.blank))
        self.true, self.open = comparison(said, holds, blank)
        bits = -np.log2((holds.sum(axis=0) + 1) / (len(clips) + 1))
        self.information = said * bits @ holds.T - self.PENALTY * (said.sum(1)[:, None] - said @ holds.T)
