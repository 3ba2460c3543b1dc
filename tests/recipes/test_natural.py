"""Sentences in natural wording state facts that there are, each once, and none is on both sides of a split."""

import json
import re

import pytest
from run_notebooks import ROOT

from musicwords.corpus import load_corpus
from musicwords.matching import LISTS, MOODS

NATURAL = ROOT / "recipes" / "natural"
FILES = sorted(path.stem for path in NATURAL.glob("*.jsonl"))
LEAST = {"train-en": 2800, "train-zh": 1200, "validation-en": 200, "validation-zh": 150, "test-en": 300, "test-zh": 200}
ATTRIBUTES = ("instruments", "families", "percussion", "tempo_class", "meter", "mode", "texture", "idiom", "dynamics",
              "articulation", "register", "room")  # fmt: skip
KEY = re.compile(r"[A-G][b#]? (major|minor)")


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (NATURAL / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def values() -> dict[str, set]:
    """The values of each attribute of the corpus."""
    corpus = load_corpus()["train"]
    found = {}
    for name in ATTRIBUTES:
        column = corpus[name]
        found[name] = set().union(*column) if name in LISTS else set(column) - {None}
    return found | {"mood": set(MOODS.values())}


def wrong(row: dict, values: dict[str, set]) -> list[str]:
    """Return what a row says that it may not say."""
    found = []
    for name, value in row["states"].items():
        if name == "absent":
            found += [f"{one}" for one in value if one["value"] not in values[one["attribute"]]]
        elif name == "tempo_bpm":
            found += [] if 20 <= value <= 320 else [f"{value} bpm"]
        elif name == "key":
            found += [] if KEY.fullmatch(value) else [value]
        else:
            found += [f"{name} {one}" for one in (value if name in LISTS else [value]) if one not in values[name]]
    return found


def test_all_sets_are_there():
    assert sorted(LEAST) == FILES


@pytest.mark.parametrize("name", LEAST)
def test_sentences_state_what_there_is(name, values):
    found = rows(name)
    assert len(found) >= LEAST[name]
    assert [(row["text"], bad) for row in found if (bad := wrong(row, values))] == []
    assert all(row["text"].strip() and row["states"] for row in found)


def test_wrong_facts_are_found(values):
    states = {"idiom": "polka", "instruments": ["harp", "kazoo"], "key": "H dur", "tempo_bpm": 3}
    assert len(wrong({"states": states}, values)) == 4


def test_readme_counts_what_is_there():
    text = (NATURAL / "README.md").read_text(encoding="utf-8")
    for kind in ("train", "validation", "test"):
        english, chinese = (f"{len(rows(f'{kind}-{language}')):,}" for language in ("en", "zh"))
        assert f"| `{kind}-en.jsonl`, `{kind}-zh.jsonl` | {english} and {chinese} |" in text


def test_no_sentence_stands_twice():
    texts = [row["text"].lower().strip() for name in LEAST for row in rows(name)]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("name", [name for name in LEAST if not name.startswith("train")])
def test_every_value_is_tested(name, values):
    """So that a score of an attribute is no score of a few of its values."""
    states = [row["states"] for row in rows(name)]
    for attribute, known in values.items():
        stated = [one.get(attribute) for one in states if attribute in one]
        seen = set().union(*stated) if attribute in LISTS else set(stated)
        assert seen == known, attribute
