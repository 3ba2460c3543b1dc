"""Sentences to train the text tower on: what each states and what it denies, as facts.

Four kinds: captions of both grammars; sentences as people type them (``recipes/natural``), also with
the instruments exchanged; and what musicnn's tags are called (``recipes/recordings/concepts.toml``).
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from musicwords.captions import Caption, chinese
from musicwords.captions.lexicon import DRUMS, INSTRUMENT_FORMS
from musicwords.matching import Fact, stated
from recipes.corpus.texts import captions_of, draw

NATURAL = Path(__file__).parents[1] / "natural"
CONCEPTS = tomllib.loads((Path(__file__).parents[1] / "recordings" / "concepts.toml").read_text(encoding="utf-8"))
ENHARMONIC = {"Gb": "F#", "C#": "Db", "D#": "Eb", "G#": "Ab", "A#": "Bb", "Cb": "B"}


@dataclass(frozen=True)
class Sentence:
    """A text with what it states and what it says is not there."""

    text: str
    said: frozenset[Fact]
    denied: frozenset[Fact] = frozenset()


def of_states(text: str, states: Mapping) -> Sentence:
    """A sentence of facts as captions and ``recipes/natural`` write them."""
    states = dict(states)
    if key := states.get("key"):
        tonic, _, mode = key.partition(" ")
        states["key"] = ENHARMONIC.get(tonic, tonic)
        states |= {"mode": mode} if mode else {}
    denied = {
        ("instruments", one) if isinstance(one, str) else (one["attribute"], one["value"])
        for one in states.get("absent", ())
    }
    return Sentence(text, stated(states), frozenset(denied))


def natural(split: str, language: str) -> list[Sentence]:
    """The sentences of a file of ``recipes/natural``."""
    lines = (NATURAL / f"{split}-{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return [of_states(one["text"], one["states"]) for one in map(json.loads, lines)]


def of_captions(captions: Sequence[Caption]) -> list[Sentence]:
    return [of_states(caption.text, caption.mentioned) for caption in captions]


def english(records: Sequence[Mapping], count: int) -> list[Sentence]:
    """Captions of the English grammar, up to ``count`` of each clip."""
    return of_captions([caption for record in records for caption in captions_of(record, count)])


def mandarin(records: Sequence[Mapping], count: int) -> list[Sentence]:
    """Captions of the Chinese grammar, up to ``count`` of each clip."""
    return of_captions([caption for record in records for caption in draw(record, count, chinese.caption, "zh")])


@cache
def instrument_words() -> dict[str, dict[str, tuple[str, ...]]]:
    """Language -> instrument -> words that stand for one of it: of the training wording."""
    found = {"en": {}, "zh": {}}
    for name, forms in INSTRUMENT_FORMS.items():
        if name not in DRUMS:
            found["en"][name] = tuple(
                form.text for form in forms["train"] if form.number == "singular" and " with " not in form.text
            )
    for name, forms in chinese.INSTRUMENT_FORMS.items():
        if name not in DRUMS:
            found["zh"][name] = tuple(form.text for form in forms["train"])
    return {language: {n: words for n, words in table.items() if words} for language, table in found.items()}


def exchanged(sentence: Sentence, language: str, rng: Random) -> Sentence:
    """The sentence with one of its instruments exchanged for another one, where its word stands in it just once."""
    words = instrument_words()[language]
    places = []
    for name in sorted(value for attribute, value in sentence.said if attribute == "instruments" and value in words):
        for word in words[name]:
            pattern = rf"\b(?:(an?) )?{re.escape(word)}(s?)\b" if language == "en" else f"()({re.escape(word)})"
            found = list(re.finditer(pattern, sentence.text, re.IGNORECASE))
            if len(found) == 1:
                places.append((name, found[0]))
                break
    if not places:
        return sentence
    name, match = places[rng.randrange(len(places))]
    mentioned = {value for _, value in sentence.said | sentence.denied}
    other = rng.choice([one for one in sorted(words) if one not in mentioned])
    word = rng.choice(words[other])
    if language == "en":
        word += match[2] if not word.endswith("s") else ""
        article = {"": "", "a": "an " if word[0] in "aeio" else "a "}[(match[1] or "")[:1].lower()]
        word = article + word
    text = sentence.text[: match.start()] + word + sentence.text[match.end() :]
    said = (sentence.said - {("instruments", name)}) | {("instruments", other)}
    return replace(sentence, text=text, said=said)


FRAMES = {  # of styles, moods, and what is heard; a frame is left out where it asks for more than there is
    "en": ("{mood} {style} music with {heard}", "{style} with {heard}", "{mood} {style} music", "{style} music",
           "{style}", "a {style} track", "this is {style} music", "{mood} music with {heard}", "{mood} music",
           "music with {heard}", "{heard}", "{style}, {mood}, {heard}", "{style}, {heard}", "some {mood} {style}",
           "a recording of {style} music", "looking for {style} music", "you can hear {heard}",
           "a {mood} {style} song",
           "{mood}, {style}", "a piece of {style} music with {heard}"),
    "zh": ("{mood}{style}，带{heard}", "{style}，有{heard}", "{mood}{style}", "{style}", "一首{style}曲子",
           "想听{style}", "{mood}音乐，{heard}", "{mood}音乐", "有{heard}的音乐", "{heard}",
           "{style} {mood} {heard}", "{style} {heard}",
           "来点{mood}{style}", "一段{style}录音", "这是{style}", "能听到{heard}"),
}  # fmt: skip
JOINERS = {"en": (" and ", ", "), "zh": ("和", "、")}


def fact_of(name: str) -> Fact:
    """The fact that a concept is."""
    return tuple(CONCEPTS[name].get("fact", ("concept", name)))


def of_concepts(names: Sequence[str], language: str, rng: Random, most: int = 3) -> Sentence | None:
    """A text that says some of the concepts; None where no frame fits.

    Parameters
    ----------
    names : keys of ``CONCEPTS``, all true of one recording
    language : "en" or "zh"
    most : concepts that are said
    """
    picked = rng.sample(list(names), min(len(names), rng.randint(1, most)))
    by_kind = {"style": [], "mood": [], "heard": []}
    for name in picked:
        kind = CONCEPTS[name]["kind"]
        by_kind[kind if kind in by_kind else "heard"].append(name)
    # One style and one mood: the others are not said.
    by_kind = {kind: some[: 2 if kind == "heard" else 1] for kind, some in by_kind.items()}
    slots = {kind for kind, some in by_kind.items() if some}
    frames = [frame for frame in FRAMES[language] if set(re.findall(r"{(\w+)}", frame)) == slots]
    if not frames:
        return None
    words = {
        kind: rng.choice(JOINERS[language]).join(rng.choice(CONCEPTS[name][language]) for name in some)
        for kind, some in by_kind.items()
    }
    text = rng.choice(frames).format(**words)
    return Sentence(text, frozenset(fact_of(name) for some in by_kind.values() for name in some))
