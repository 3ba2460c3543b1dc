"""The words of the captions: what each attribute value is called, and which wordings are kept for validation and test.

They stand in ``lexicon.toml``. In its cells ``;`` separates surface forms and ``//`` wordings: forms for training
captions, for validation captions, for test captions. A surface form means one value of one attribute. An instrument's
form is a singular noun, or a plural if it ends in ``*``, or a mass noun if it ends in ``~``. Slots: "adj" stands before
a noun, "noun" takes an article, "pp" follows a noun, "vp" follows "it", "tag" stands alone (adjectives do too).

The words of test were chosen first. Of the others, a form that shares a word with a test form of its value, which that
value did not have in training before, was left out.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

TEMPO_LIMITS = (76, 120)  # BPM: slow up to the first, fast from the second, as in corpus

TABLES = tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))
WORDINGS = ("train", "validation", "test")

BOWED = {"violin", "viola", "cello", "contrabass", "fiddle"}
COLLECTIVE = {"string ensemble", "brass section", "choir"}  # many players under one name
MALLETS = {"marimba", "vibraphone", "glockenspiel", "music box"}  # percussion, but not drums
DRUMS = {"drums", "electronic drums", "hand drums", "tabla", "timpani"}

SYNONYMS = {  # understood when read, never written
    "tempo_class": {"slow": "slowly", "medium": "midtempo; moderate", "fast": "quickly; fast paced; uptempo"},
    "dynamics": {"soft": "softly; quietly; gently", "strong": "loudly; strong"},
    "articulation": {"legato": "smoothly", "staccato": "detached"},
    "percussion": {True: "percussive; drum beats; drum; drum loop; drum pattern"},
    "room": {"dry": "dry room", "hall": "big hall; church acoustics; cathedral acoustics; reverb"},
    "families": {
        "strings": "strings",
        "woodwind": "woodwind",
        "keyboard": "keyboard",
        "voice": "vocal",
        "electronic": "electronics",
    },
    "texture": {"ensemble": "group of instruments; full band"},
}


@dataclass(frozen=True)
class Form:
    """One surface form.

    Attributes
    ----------
    text : the words, without a mark of number
    number : "singular", "plural" or "mass"
    """

    text: str
    number: str = "singular"


Forms = dict[str, tuple[Form, ...]]  # wording -> surface forms


def split(cell: str) -> Forms:
    """Return the surface forms of a cell of the tables, by the wording that may use them."""
    parts = cell.split("//")
    forms = {}
    for wording, part in zip(WORDINGS, parts + [""] * (len(WORDINGS) - len(parts)), strict=True):
        texts = [text.strip() for text in part.split(";") if text.strip()]
        numbers = [{"*": "plural", "~": "mass"}.get(text[-1], "singular") for text in texts]
        forms[wording] = tuple(Form(t.rstrip("*~"), n) for t, n in zip(texts, numbers, strict=True))
    return forms


def plural(noun: str) -> str:
    """Return the plural of the name of an instrument."""
    if noun.startswith(("group of ", "instrument with ", "drums played")):
        return noun.replace("group", "groups").replace("instrument", "instruments")
    return noun + ("es" if re.search(r"(s|x|ch|sh|brass)$", noun) else "s")


def normalize(text: str) -> str:
    """Return text in lower case with plain quotes, without hyphens and extra spaces."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"(?<=\w)\s*[-‐‑]\s*(?=\w)", " ", text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    return re.sub(r"\s*/\s*(?=\d)", "/", re.sub(r"\s+", " ", text)).strip()


def tempo_class(bpm: float) -> str:
    """Return "slow", "medium" or "fast" for beats a minute."""
    slow, fast = TEMPO_LIMITS
    return "slow" if bpm <= slow else "fast" if bpm >= fast else "medium"


def slots(table: dict[str, str]) -> dict[str, Forms]:
    """Return the forms of a table of cells."""
    return {name: split(cell) for name, cell in table.items()}


# attribute -> value -> slot -> forms
SLOTS: dict[str, dict[object, dict[str, Forms]]] = {
    attribute: {value == "yes" or value: slots(table) for value, table in values.items()}
    for attribute, values in TABLES["words"].items()
}
KIND_FORMS, STYLE_FORMS = slots(TABLES["kinds"]), slots(TABLES["styles"])
INSTRUMENT_FORMS = {name: split(cell.partition("|")[0]) for name, cell in TABLES["instruments"].items()}
KIN = {name: frozenset(cell.partition("|")[2].split()) for name, cell in TABLES["instruments"].items()}
FAMILY_FORMS = {name: tuple(split(part) for part in cell.split("|")) for name, cell in TABLES["families"].items()}
NEGATIONS = [slots(TABLES["no_drums"]), slots(TABLES["no_percussion"])]
NOUNS, PLAYERS = slots(TABLES["nouns"]), slots(TABLES["players"])


def vocabulary() -> list[tuple[Form, str, object, str]]:
    """Return every surface form that means something, with attribute, value and wording."""
    tables = [("percussion", False, forms) for table in NEGATIONS for forms in table.values()]
    tables += [(a, v, forms) for a, values in SLOTS.items() for v, slots in values.items() for forms in slots.values()]
    tables += [("idiom", name, forms) for name, forms in (KIND_FORMS | STYLE_FORMS).items()]
    tables += [("instruments", name, forms) for name, forms in INSTRUMENT_FORMS.items()]
    tables += [("families", name, forms) for name, both in FAMILY_FORMS.items() for forms in both]
    return [(form, a, v, wording) for a, v, forms in tables for wording, row in forms.items() for form in row]
