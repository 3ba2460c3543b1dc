"""What a reader of texts is taught: sentences with the facts that they state and deny, drawn and changed a little."""

import re
from collections.abc import Sequence
from random import Random

import torch

from musicwords.captions.matching import Facts
from recipes.clap import sentences
from recipes.clap.sentences import CONCEPTS, Sentence

CAPTIONS = 3  # of each training clip and language
CONCEPT_TEXTS = 6_000  # of each language
EXCHANGED = 0.5  # share of the natural sentences whose instrument is exchanged
MISTYPED = 0.15  # share of the natural sentences that get a small mistake


class Lessons:
    """Sentences by kind, and their facts as tables.

    Parameters
    ----------
    records : of the training clips, whose captions are in the wording of training
    clips : attributes of other clips, whose facts have columns too

    Attributes
    ----------
    pools : kind -> sentences
    names : the facts that have a column
    facts : of the training clips and then of the others
    """

    def __init__(self, records: Sequence[dict], clips: Sequence[dict] = ()):
        self.pools = {
            "natural en": sentences.natural("train", "en"),
            "natural zh": sentences.natural("train", "zh"),
            "grammar en": sentences.english(records, CAPTIONS),
            "grammar zh": sentences.mandarin(records, CAPTIONS),
            "concepts": concept_texts(),
        }
        claims = [one.said | one.denied for pool in self.pools.values() for one in pool]
        self.facts = Facts([record["attributes"] for record in records] + list(clips), claims)
        # A number of beats a minute is read and not understood: its tempo class is a fact.
        self.names = [name for name in self.facts.names if name[0] != "tempo_bpm"]
        self.column = {name: index for index, name in enumerate(self.names)}

    def texts(self) -> list[str]:
        return [one.text for pool in self.pools.values() for one in pool]

    def table(self, some: Sequence[Sentence]) -> torch.Tensor:
        """What sentences state and deny, shape (sentences, 2 * facts)."""
        found = torch.zeros(len(some), 2 * len(self.names))
        for row, one in zip(found, some, strict=True):
            row[[self.column[fact] for fact in one.said if fact in self.column]] = 1
            row[[len(self.names) + self.column[fact] for fact in one.denied if fact in self.column]] = 1
        return found

    def drawn(self, kind: str, rng: Random) -> Sentence:
        """A sentence of a kind, perhaps changed."""
        one = rng.choice(self.pools[kind])
        if kind.startswith("natural"):
            if rng.random() < EXCHANGED:
                one = sentences.exchanged(one, kind[-2:], rng)
            if rng.random() < MISTYPED:
                one = Sentence(mistyped(one.text, rng), one.said, one.denied)
        return one


def mistyped(text: str, rng: Random) -> str:
    """A text as one types in haste: two letters exchanged, one left out, without capitals or without marks."""
    kind = rng.randrange(4)
    if kind == 0:
        return text.lower()
    if kind == 1:
        return re.sub(r"[.,!?;:，。！？、]", " ", text).strip()
    places = [match.start() for match in re.finditer(r"(?<=[a-z])[a-z](?=[a-z])", text)]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :] if kind == 2 else text[:at] + text[at + 1 :]


def concept_texts() -> list[Sentence]:
    """Texts that say some of musicnn's concepts, drawn at random, in both languages."""
    rng, found = Random(0), []
    for language in ("en", "zh"):
        while len(found) < CONCEPT_TEXTS * (1 if language == "en" else 2):
            if one := sentences.of_concepts(list(CONCEPTS), language, rng):
                found.append(one)
    return found
