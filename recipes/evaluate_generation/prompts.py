"""Prompts from records of test works: captions that state a family of instruments and two more things at least.

Beside them stand sentences as people type them, which state a family and perhaps more.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from random import Random
from typing import NamedTuple

from musicwords.captions import caption
from recipes.corpus.orchestration import BASSES, INSTRUMENTS
from recipes.prompt_encoder.prompts import TrueSentences

ATTRIBUTES = ("family", "percussion", "tempo_class", "texture", "dynamics")  # what the probe tells
LEAST = 2  # attributes stated beside the family
COUNT, UNSEEN = 320, 4  # prompts, and one of so many in wording that training never had
TRIES = 60  # captions drawn of a record
NEGATIONS = 0.5  # share of captions that may say that there are no drums, so that percussion is stated both ways
FAMILY = {one.name: one.family for one in INSTRUMENTS + BASSES}


class Prompt(NamedTuple):
    """A text and what it asks for."""

    text: str
    states: dict[str, str | bool]  # by name in ATTRIBUTES; always the family
    wording: str  # "train" or "test" of captions, or "typed"
    clip: str  # id of the clip that it describes


def label(record: dict, attribute: str) -> str | bool:
    """The true value of an attribute of a clip; the family is that of the lead."""
    attributes = record["attributes"]
    return attributes["families"][0] if attribute == "family" else attributes[attribute]


def draw(record: dict, wording: str) -> Prompt | None:
    """A prompt from a record, always the same one; None if no caption of it states enough.

    The instruments and families in the text are all of the family of the lead.
    """
    rng, lead = Random(f"prompt of {record['id']}"), label(record, "family")
    for _ in range(TRIES):
        new = caption(record["attributes"], rng, wording=wording, negation=rng.random() < NEGATIONS)
        said = new.mentioned
        named = {FAMILY[name] for name in said.get("instruments", ()) if name in FAMILY}
        stated = {name: said[name] for name in ATTRIBUTES[1:] if name in said}
        if named | set(said.get("families", ())) == {lead} and len(stated) >= LEAST:
            return Prompt(new.text, {"family": lead} | stated, wording, record["id"])
    return None


def select(records: Sequence[dict], count: int = COUNT) -> list[Prompt]:
    """So many prompts, each from another record, families in turn; every fourth one in the wording of test.

    Raises
    ------
    ValueError
        If the records do not give as many.
    """
    by_family = defaultdict(list)
    for record in Random("records for prompts").sample(list(records), len(records)):
        by_family[label(record, "family")].append(record)
    in_turn = [one for one in chain(*zip_longest(*(by_family[name] for name in sorted(by_family)))) if one]
    found: list[Prompt] = []
    for record in in_turn:
        if len(found) == count:
            break
        new = draw(record, "test" if len(found) % UNSEEN == UNSEEN - 1 else "train")
        found += [new] if new else []
    if len(found) < count:
        raise ValueError(f"{len(records)} records give {len(found)} prompts, and {count} are asked for: give more.")
    return found


def typed(records: Sequence[dict], language: str) -> list[Prompt]:
    """The sentences of test that name instruments of one family, and of each a clip that it describes.

    Sentences that are true of no clip are left out. Many of them state nothing else that the probe tells.
    """
    source, leads, found = TrueSentences(records, language, "test"), [label(one, "family") for one in records], []
    for place, sentence in enumerate(source.sentences):
        families = {value for name, value in sentence.said if name == "families"}
        families |= {FAMILY[value] for name, value in sentence.said if name == "instruments" and value in FAMILY}
        described = [row for row, lead in enumerate(leads) if source.true[row, place] and families == {lead}]
        if described:
            row = Random(f"clip of {sentence.text}").choice(described)
            stated = {name: value for name, value in sentence.said if name in ATTRIBUTES[1:]}
            found.append(Prompt(sentence.text, {"family": leads[row]} | stated, "typed", records[row]["id"]))
    return found


def halves(records: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """Two halves without a common work: one gives the prompts, the other the clips to compare distributions with."""
    works = sorted({record["work"] for record in records})
    first = set(Random("halves of the works").sample(works, len(works) // 2))
    return ([one for one in records if one["work"] in first], [one for one in records if one["work"] not in first])
