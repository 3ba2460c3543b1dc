"""The captions of each clip, always the same ones: drawn from its id."""

from collections.abc import Callable, Mapping
from random import Random

from musicwords.captions import Caption, caption

NEGATIONS = 0.1  # share of captions that may say that there are no drums
MOODS = 0.1  # share of captions that may name a mood
HELD_OUT_WORDING = ("test", "collection", "font", "combination", "recordings")


def wording(split: str) -> str:
    """Wording of the captions of a split: training, validation and the test sets have their own."""
    return "test" if split in HELD_OUT_WORDING else split


def captions_of(record: Mapping, count: int) -> list[Caption]:
    """Draw up to ``count`` English captions with different texts; the first ones do not depend on ``count``."""
    return draw(record, count, caption)


def draw(record: Mapping, count: int, write: Callable[..., Caption], language: str = "") -> list[Caption]:
    """Draw up to ``count`` captions that ``write`` writes, a function like ``musicwords.captions.caption``."""
    rng, found = Random(f"captions of {record['id']}" + language), {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        new = write(
            record["attributes"],
            rng,
            wording=wording(record["split"]),
            negation=rng.random() < NEGATIONS,
            mood=rng.random() < MOODS,
        )
        found.setdefault(new.text.lower(), new)
    return list(found.values())
