"""Read attributes back from a caption, whoever wrote it."""

import re
from collections.abc import Iterator

from .lexicon import DRUMS, SYNONYMS, normalize, plural, split, tempo_class, vocabulary

LISTS = ("instruments", "families")
NEGATION = re.compile(
    r"(?:\b(?:no|without|lacks|lacking|free of|minus|not|never|non|isn't|neither)"
    r"(?: (?:any|a|an|the|too|very|so|really|particularly|played|in))*) $"
)
ALTERNATIVE = re.compile(r",? (?:or|nor) (?:any |a |an |the )?$")
BPM = re.compile(r"\b(\d{2,3})(?:\.\d+)? ?(?:bpm\b|beats (?:per|a) minute\b)")
KEY = re.compile(
    r"(?:\bin |\bkey of |\bkey: )([a-g])(#|♯|b|♭| sharp| flat)? (major|minor)\b"
    r"(?! (?:key|mode|scale|tonality|flavour)\b)"
)
ACCIDENTALS = {None: "", "#": "#", "♯": "#", " sharp": "#", "b": "b", "♭": "b", " flat": "b"}


def _meanings() -> dict[str, tuple[str, object]]:
    """Return normalized surface forms with what they mean."""
    meanings = {}
    for attribute, values in SYNONYMS.items():
        for value, cell in values.items():
            meanings |= {normalize(form.text): (attribute, value) for forms in split(cell).values() for form in forms}
    for form, attribute, value, _ in vocabulary():
        meanings[normalize(form.text)] = attribute, value
    for form, attribute, value, _ in vocabulary():
        if attribute in ("instruments", "idiom") and form.number == "singular":
            meanings.setdefault(normalize(plural(form.text)), (attribute, value))
    return meanings


MEANINGS = _meanings()
LONGEST = max(len(form.split()) for form in MEANINGS)
WORD = re.compile(r"\w+(?:['/]\w+)*|[^\w\s]")


def _forms(text: str) -> Iterator[tuple[int, int, tuple[str, object]]]:
    """Yield where a surface form begins and ends, and what it means, the longest first: a bass guitar is no guitar."""
    words = [(match[0], match.start(), match.end()) for match in WORD.finditer(text)]
    i = 0
    while i < len(words):
        for size in range(min(LONGEST, len(words) - i), 0, -1):
            if meaning := MEANINGS.get(" ".join(word for word, *_ in words[i : i + size])):
                yield words[i][1], words[i + size - 1][2], meaning
                break
        i += size


def parse(text: str) -> dict[str, object]:
    """Return the attributes that a caption states.

    Parameters
    ----------
    text : a caption in any case, also with the spaces that a tokenizer leaves around punctuation

    Returns
    -------
    dict
        The attributes of a record that were found, ``tempo_bpm`` as an integer, and ``absent``, a list of the
        instruments that are said to be missing. Lists are in the order of the text. Where a text contradicts
        itself, the first statement counts.
    """
    text = normalize(text)
    found: dict[str, object] = {}
    absent: list[str] = []
    if match := KEY.search(text):
        letter, accidental, mode = match.groups()
        found |= {"key": letter.upper() + ACCIDENTALS[accidental], "mode": mode}
    if match := BPM.search(text):
        found["tempo_bpm"] = int(match[1])
    end, negated = 0, False
    for start, stop, (attribute, value) in _forms(text):
        before = text[end:start]
        negated = bool(NEGATION.search(before)) or (negated and bool(ALTERNATIVE.fullmatch(before)))
        end = stop
        if attribute == "percussion" and value is False:
            negated = True  # "no drums or guitar" denies the guitar too
        elif negated:
            if attribute == "instruments" and value not in DRUMS:
                absent.append(value)
            elif attribute == "percussion" or value in DRUMS:
                attribute, value = "percussion", False
            if attribute != "percussion":
                continue
        if attribute in LISTS:
            names = found.setdefault(attribute, [])
            if value not in names:
                names.append(value)
        else:
            found.setdefault(attribute, value)
        if attribute == "instruments" and value in DRUMS:
            found.setdefault("percussion", True)
    if "tempo_bpm" in found:
        found.setdefault("tempo_class", tempo_class(found["tempo_bpm"]))
    if absent:
        found["absent"] = absent
    return found
