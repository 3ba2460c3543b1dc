"""Turn the attributes of a clip into English captions."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from musicwords.matching import MOODS

from .lexicon import (
    BOWED,
    COLLECTIVE,
    DRUMS,
    FAMILY_FORMS,
    INSTRUMENT_FORMS,
    KIND_FORMS,
    MALLETS,
    NEGATIONS,
    NOUNS,
    PLAYERS,
    SLOTS,
    STYLE_FORMS,
    TABLES,
    Form,
    Forms,
    normalize,
    plural,
    split,
    tempo_class,
)

# How often an attribute of the record is chosen to be said.
WEIGHTS = {
    "instruments": 0.85,
    "tempo_class": 0.7,
    "idiom": 0.65,
    "mode": 0.45,
    "percussion": 0.45,
    "dynamics": 0.35,
    "articulation": 0.3,
    "texture": 0.3,
    "meter": 0.25,
    "room": 0.25,
    "register": 0.2,
}
NUMBER_SHARE, KEY_SHARE, FAMILY_SHARE = 0.12, 0.1, 0.4  # of the tempos, of the modes, where no instrument is named
# How many attributes a caption of a style names, at least and at most.
SIZES = {"tags": (2, 8), "plain": (1, 5), "rich": (3, 8), "request": (1, 4), "note": (2, 7), "telegraphic": (2, 7)}
STYLES = tuple(SIZES)
LABELS = {
    "instruments": "Instruments",
    "families": "Sound",
    "tempo_class": "Speed",
    "idiom": "Style",
    "mode": "Harmony",
    "percussion": "Rhythm",
    "dynamics": "Loudness",
    "articulation": "Articulation",
    "texture": "Players",
    "meter": "Metre",
    "room": "Space",
    "register": "Range",
    "mood": "Character",
}
# Adjectives stand in this order before the noun.
ORDER = (
    "room",
    "mood",
    "dynamics",
    "tempo_class",
    "articulation",
    "register",
    "percussion",
    "mode",
    "meter",
    "texture",
)
ACCIDENTALS = {"": "", "b": " flat", "-": " flat", "♭": " flat", "#": " sharp", "♯": " sharp"}
KEY_MARKS = {"": "", "b": "b", "-": "b", "♭": "b", "#": "#", "♯": "#"}
PARTICIPLES = {"played", "recorded", "built", "backed", "driven", "propelled", "counted", "free"}
MOST_NAMES = 5  # instruments in a list
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


@dataclass(frozen=True)
class Caption:
    """A caption and what it says.

    Attributes
    ----------
    text : the caption
    style : one of ``STYLES``
    mentioned : exactly the attributes that the text states, in the form that ``parse`` returns
    negation : whether the text says that something is not there
    frame : the sentence frame
    items : the surface forms that were chosen from the lexicon
    """

    text: str
    style: str
    mentioned: dict[str, object] = field(hash=False)
    negation: bool
    frame: str
    items: tuple[str, ...]


def statable(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return those attributes of a record that a caption may state, without what would be wrong or says nothing.

    Texture counts every instrument: a violin with drums is not called a solo, and neither is a choir. A string
    quartet that is not played by bowed strings is not called one. ``normal`` articulation is not worth a word.

    Raises
    ------
    ValueError
        If there are no instruments, or a value is none that the lexicon knows.
    """
    known = {name: set(values) for name, values in SLOTS.items() if name != "mood"}
    known |= {
        "articulation": known["articulation"] | {"normal"},
        "percussion": {True, False},
        "idiom": set(KIND_FORMS) | set(STYLE_FORMS),
    }
    names = list(attributes.get("instruments") or ())
    if not names:
        raise ValueError("A record needs at least one instrument.")
    if unknown := [name for name in names if name not in INSTRUMENT_FORMS]:
        raise ValueError(f"The lexicon has no instrument {', '.join(unknown)}.")
    facts = {"instruments": names}
    for name, values in known.items():
        if (value := attributes.get(name)) is None:
            continue
        if value not in values:
            raise ValueError(f"The lexicon has no {name} {value!r}.")
        facts[name] = value
    if any(name in DRUMS for name in names) and facts.setdefault("percussion", True) is False:
        raise ValueError("A record with drums among the instruments has percussion.")
    if (bpm := attributes.get("tempo_bpm")) is not None:
        facts.setdefault("tempo_class", tempo_class(bpm))
        facts["tempo_bpm"] = bpm
    if facts.get("articulation") == "normal":
        del facts["articulation"]
    sounding = len(names) + bool(facts.get("percussion") and not DRUMS.intersection(names))
    together = bool(COLLECTIVE.intersection(names))
    true_texture = "ensemble" if together or sounding > 2 else "duet" if sounding == 2 else "solo"
    if facts.get("texture") != true_texture:
        facts.pop("texture", None)
    if facts.get("idiom") == "string quartet" and not (set(names) <= BOWED or names == ["string ensemble"]):
        del facts["idiom"]
    families = [name for name in attributes.get("families") or () if name in FAMILY_FORMS]
    if families:
        facts["families"] = families
    if attributes.get("key") and "mode" in facts:
        key = str(attributes["key"])
        if not re.fullmatch(r"[A-G][b#♭♯-]?", key):
            raise ValueError(f"A key is written as in C, Bb or F#, not {key!r}.")
        facts["key"] = key
    return facts


def caption(
    attributes: Mapping[str, object],
    rng: Random,
    style: str | None = None,
    wording: str = "train",
    negation: bool = False,
    mood: bool = False,
) -> Caption:
    """Write one caption, which states a random part of the attributes.

    Parameters
    ----------
    attributes : the record of a clip; only ``instruments`` is needed
    rng : where the choices come from
    style : one of ``STYLES``, or None for any
    wording : "train", or "validation" or "test" for frames and, where a value has them, words of their own
    negation : whether to say that there are no drums, where the record says so
    mood : whether to add the mood that most people hear in this tempo and mode

    Raises
    ------
    ValueError
        As ``statable``, or if a rich caption is asked for and there is nothing to add to instruments and idiom.
    """
    facts = statable(attributes)
    describable = _describing(facts)
    if style is None:
        style = rng.choice([name for name in STYLES if name != "rich" or describable])
    elif style == "rich" and not describable:
        raise ValueError("A rich caption needs more than instruments, families and idiom.")
    return _Writer(facts, rng, style, wording).write(negation, mood)


def captions(attributes: Mapping[str, object], rng: Random, n: int, **options) -> list[Caption]:
    """Write up to ``n`` captions with different texts; fewer if the record does not give as many in ``20 n`` tries."""
    found: dict[str, Caption] = {}
    for _ in range(20 * n):
        if len(found) == n:
            break
        new = caption(attributes, rng, **options)
        found.setdefault(normalize(new.text), new)
    return list(found.values())


def novelty(test: Iterable[Caption], train: Iterable[Caption]) -> dict[str, float]:
    """Return which shares of test captions never occur in training.

    Numbers count as equal in texts, so that a new number alone makes no new text.

    Returns
    -------
    dict
        ``surface``: the whole normalized text is new; ``frame``: the frame is; ``any_item``: at least one lexical item
        is; ``all_items``: all are.
    """
    train, test = list(train), list(test)
    texts = {_surface(c.text) for c in train}
    frames = {c.frame for c in train}
    items = {_surface(item) for c in train for item in c.items}
    new = [[_surface(item) not in items for item in c.items] for c in test]
    shares = {
        "surface": sum(_surface(c.text) not in texts for c in test),
        "frame": sum(c.frame not in frames for c in test),
        "any_item": sum(map(any, new)),
        "all_items": sum(map(all, new)),
    }
    return {name: count / len(test) for name, count in shares.items()}


def article(words: str) -> str:
    """Return words with "a" or "an" before them."""
    vowel = re.match(r"[aeiou8]|hour", words.lower()) and not re.match(r"(uni(?!n)|eu|one\b|one-|uk)", words.lower())
    return f"{'an' if vowel else 'a'} {words}"


def listed(words: list[str], last: str = " and ") -> str:
    """Return words with commas, and "and" before the last."""
    return last.join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _describing(facts: Mapping[str, object]) -> list[str]:
    """Return the attributes that a verb can always state, whichever instruments are named."""
    drummed = bool(DRUMS.intersection(facts["instruments"]))
    return [name for name in WEIGHTS if name in SLOTS and facts.get(name) and not (drummed and name == "percussion")]


def _surface(text: str) -> str:
    return re.sub(r"\d{2,3}", "#", normalize(text))


class _Writer:
    """What one caption is made of, while it is written."""

    def __init__(self, facts: dict[str, object], rng: Random, style: str, wording: str):
        self.facts, self.rng, self.style, self.wording = facts, rng, style, wording
        frames = [
            f
            for f in TABLES["frames"][style][wording]
            if "{players}" not in f or len(facts["instruments"]) <= MOST_NAMES
        ]
        self.frame = rng.choice(frames)
        self.mentioned: dict[str, object] = {}
        self.items: list[str] = []
        # The room that the frame has for words of each slot.
        inside = any(part in self.frame for part in ("{piece}", "{work}"))
        self.free = {
            "adj": 2 * inside + 2 * ("{bare}" in self.frame),
            "pp": 2 * inside,
            "vp": 3 * ("{vps}" in self.frame),
            "tag": 99 * (not inside),
        }
        self.said: dict[str, list[tuple[str, str]]] = {slot: [] for slot in self.free}  # attribute, words
        self.noun, self.by, self.players, self.plural = "", "", "", False
        self.for_verb = ""  # the attribute that is kept for the verb of the frame

    def write(self, negation: bool, mood: bool) -> Caption:
        """Choose what to say, say it, and return the caption."""
        negated = negation and self.facts.get("percussion") is False
        feeling = MOODS.get((self.facts.get("tempo_class"), self.facts.get("mode"))) if mood else None
        chosen = self.choose()
        self.say_noun(chosen)
        self.say_players(chosen)
        if negated:
            bars = bool(MALLETS.intersection(self.facts["instruments"]))
            slots = self.rng.choice(NEGATIONS[: 1 if bars else 2])
            if not self.say("percussion", False, slots):  # the first has an adjective, for which there is room
                self.say("percussion", False, NEGATIONS[0])
        if feeling:
            self.say("mood", feeling, SLOTS["mood"][feeling])
        for attribute in chosen:
            if attribute not in self.mentioned and attribute in SLOTS:
                self.say_attribute(attribute)
        return Caption(self.fill(), self.style, self.mentioned, negated, self.frame, tuple(self.items))

    def choose(self) -> list[str]:
        """Return the attributes to say, in random order, those first that must be said."""
        sayable = [name for name in WEIGHTS if name in self.facts and self.facts[name] is not False]
        names = [name for name in sayable if self.rng.random() < WEIGHTS[name]]
        self.rng.shuffle(names)
        least, most = SIZES[self.style]
        needed = ["instruments"] if "{players}" in self.frame or "{bare}" in self.frame else []
        if "{vps}" in self.frame:
            describing = _describing(self.facts)
            self.for_verb = self.rng.choice([name for name in names if name in describing] or describing)
            needed.append(self.for_verb)
        names = needed + [name for name in names if name not in needed][: most - len(needed)]
        others = [name for name in sayable if name not in names]
        self.rng.shuffle(others)
        return names + others[: max(0, least - len(names))]

    def pick(self, forms: Forms, share: float = 1) -> Form:
        """Return a random form of the wording; ``share`` is how often one of validation or test is taken there."""
        held_out = self.wording != "train" and forms[self.wording] and self.rng.random() < share
        return self.rng.choice(forms[self.wording if held_out else "train"])

    def say_players(self, chosen: list[str]) -> None:
        """Name all instruments, some of them, or the families."""
        names = self.facts["instruments"]
        pitched = [name for name in names if name not in DRUMS]
        if "instruments" in chosen:
            attribute, complete = "instruments", True
            if len(names) > MOST_NAMES or (
                len(names) > 1 and "{players}" not in self.frame and self.rng.random() < 0.2
            ):
                names, complete = names[: self.rng.choice((1, 1, 2))], False
            elif pitched and len(pitched) < len(names) and "percussion" in chosen and self.rng.random() < 0.5:
                names = pitched  # percussion is said apart
                chosen.remove("percussion")
                chosen.insert(0, "percussion")
            counted = [(self.pick(INSTRUMENT_FORMS[n], 0.5), count) for n, count in Counter(names).items()]
            if DRUMS.intersection(names):
                self.mentioned["percussion"] = True
        elif "families" in self.facts and self.rng.random() < FAMILY_SHARE:
            attribute, names = "families", self.facts["families"]
            alone = len(self.facts["instruments"]) == 1 and not COLLECTIVE.intersection(self.facts["instruments"])
            complete = not DRUMS.intersection(self.facts["instruments"]) and self.facts.get("percussion") is not True
            counted = [(self.pick(FAMILY_FORMS[name][0 if alone else 1]), 1) for name in dict.fromkeys(names)]
        else:
            return
        self.mentioned[attribute] = list(dict.fromkeys(names))
        self.items += [form.text for form, _ in counted]
        bare = [self.counted(form, count) for form, count in counted]
        full = [
            article(words) if form.number == "singular" and count == 1 else words
            for words, (form, count) in zip(bare, counted, strict=True)
        ]
        self.players = listed(full)
        self.plural = len(counted) > 1 or counted[0][0].number == "plural" or counted[0][1] > 1
        if self.free["tag"]:
            joined = "{labels}" in self.frame or (self.style != "tags" and self.rng.random() < 0.5)
            self.said["tag"] += [(attribute, words) for words in ([listed(bare)] if joined else bare)]
        elif "{players}" not in self.frame:
            template = self.pick(PLAYERS["all" if complete else "some"]).text
            if " for " in self.noun:  # no "piece for two players for flute and harp"
                template = "with {an}" if "for {}" in template else template
            self.by = template.format(listed(bare), an=self.players)

    @staticmethod
    def counted(form: Form, count: int) -> str:
        """Return the name of an instrument with the number of players, where there are several."""
        if count == 1 or form.number != "singular":
            return form.text
        return f"{COUNTS.get(count, 'several')} {plural(form.text)}"

    def say_noun(self, chosen: list[str]) -> None:
        """Choose the noun: a kind of piece, a texture, or just "piece"."""
        idiom, texture = self.facts.get("idiom"), self.facts.get("texture")
        if "idiom" in chosen:
            form = self.pick(KIND_FORMS.get(idiom) or STYLE_FORMS[idiom])
            self.mentioned["idiom"] = idiom
            self.items.append(form.text)
            self.noun = form.text
            if not self.free["adj"]:
                self.said["tag"].append(("idiom", form.text))
            elif idiom in STYLE_FORMS:
                self.noun += " " + self.pick(NOUNS["style"]).text
        elif "texture" in chosen and self.for_verb != "texture" and self.free["adj"] and self.rng.random() < 0.6:
            form = self.pick(SLOTS["texture"][texture]["noun"])
            self.mentioned["texture"] = texture
            self.items.append(form.text)
            self.noun = form.text
        else:
            self.noun = self.pick(NOUNS["bare"]).text

    def say_attribute(self, attribute: str) -> None:
        """Say tempo, mode or another attribute, where the frame has room for it."""
        value = self.facts[attribute]
        bpm = round(self.facts.get("tempo_bpm", 0))
        by_number = 10 <= bpm <= 999 and tempo_class(bpm) == value and self.rng.random() < NUMBER_SHARE
        if attribute == "tempo_class" and by_number:
            slots = {slot: split(cell.replace("{}", str(bpm))) for slot, cell in TABLES["numbers"].items()}
            if self.say(attribute, value, slots):
                self.mentioned["tempo_bpm"] = bpm
        elif attribute == "mode" and "key" in self.facts and self.rng.random() < KEY_SHARE:
            name = f"{self.facts['key'][0]}{ACCIDENTALS[self.facts['key'][1:]]} {value}"
            if self.say(
                attribute, value, {slot: split(cell.replace("{}", name)) for slot, cell in TABLES["keys"].items()}
            ):
                self.mentioned["key"] = self.facts["key"][0] + KEY_MARKS[self.facts["key"][1:]]
        else:
            self.say(attribute, value, SLOTS[attribute][value])

    def say(self, attribute: str, value: object, slots: Mapping[str, Forms]) -> bool:
        """Put a form into a slot that is free, and return whether there was one."""
        open_slots = [slot for slot in slots if self.free.get(slot)]
        if "tag" in open_slots and "adj" in slots and "adj" not in open_slots and self.rng.random() < 0.4:
            open_slots = ["adj"]
        if "vp" in open_slots and not self.said["vp"]:
            open_slots = ["vp"]  # the frame has to have one
        self.rng.shuffle(open_slots)
        for slot in open_slots:
            form = self.pick(slots[slot])
            if slot == "pp" and self.clashes(attribute, form.text):
                continue
            place = "tag" if slot == "adj" and not self.free["adj"] else slot
            self.said[place].append((attribute, form.text))
            self.free[place] -= 1
            self.mentioned[attribute] = value
            self.items.append(form.text)
            return True
        return False

    def clashes(self, attribute: str, words: str) -> bool:
        """Return whether a phrase would repeat the first word of another, or say twice who plays."""
        first = [phrase.split()[0] for phrase in (self.by, *(words for _, words in self.said["pp"])) if phrase]
        return words.split()[0] in first or (attribute == "texture" and bool(self.players))

    def fill(self) -> str:
        """Put everything into the frame."""
        adjectives = sorted(self.said["adj"], key=lambda said: ORDER.index(said[0]))
        near = [words for attribute, words in adjectives if attribute == "texture"]
        bare = " ".join([*filter(None, [", ".join(w for a, w in adjectives if a != "texture")]), *near, self.noun])
        work = article(bare) + self.phrases(article(bare))
        piece = " ".join(filter(None, [article(bare), self.by]))
        tags = self.said["tag"]
        if self.style == "tags":
            self.rng.shuffle(tags)
        words = [words for _, words in tags]
        text = self.frame.format(
            work=work,
            piece=piece + self.phrases(piece),
            bare=bare,
            players=self.players,
            plays="play" if self.plural else "plays",
            vps=listed([words for _, words in self.said["vp"]]) if self.said["vp"] else "",
            tags=", ".join(words),
            semicolons="; ".join(words),
            bars=" | ".join(words),
            sentences=". ".join(w[0].upper() + w[1:] for w in words),
            labels=". ".join(f"{LABELS[a]}: {w}" for a, w in tags),
        )
        return text if self.style == "tags" else re.sub(r"^\w|(?<=\. )[a-z]", lambda m: m[0].upper(), text)

    def phrases(self, before: str) -> str:
        """Return the phrases that follow a noun and its players, with commas where they read better."""
        text = ""
        for i, (_, words) in enumerate(self.said["pp"]):
            apart = i > 0 or "," in before.partition(" for ")[2] or words.split()[0] in PARTICIPLES
            text += (", " if apart else " ") + words
        return text
