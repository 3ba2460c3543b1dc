"""Chinese captions from the attributes of a clip, and attributes from Chinese captions.

The words stand in ``lexicon_zh.toml``. What is said, and how often, is drawn as for the English captions. In Chinese,
what a piece is like stands before its noun, and more of it follows after commas.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from musicwords.matching import MOODS

from .grammar import (
    FAMILY_SHARE,
    KEY_MARKS,
    KEY_SHARE,
    MOST_NAMES,
    NUMBER_SHARE,
    ORDER,
    STYLES,
    Caption,
    _describing,
    _Writer,
    statable,
)
from .lexicon import DRUMS, MALLETS, Form, Forms, slots, split, tempo_class

TABLES = tomllib.loads((Path(__file__).parent / "lexicon_zh.toml").read_text(encoding="utf-8"))
SLOTS: dict[str, dict[object, dict[str, Forms]]] = {
    attribute: {value == "yes" or value: slots(table) for value, table in values.items()}
    for attribute, values in TABLES["words"].items()
}
NEGATIONS = [slots(TABLES["no_drums"]), slots(TABLES["no_percussion"])]
KIND_FORMS, STYLE_FORMS, FAMILY_FORMS = slots(TABLES["kinds"]), slots(TABLES["styles"]), slots(TABLES["families"])
INSTRUMENT_FORMS = {name: split(cell.partition("|")[0]) for name, cell in TABLES["instruments"].items()}
CLASSIFIERS = {name: cell.partition("|")[2].strip() for name, cell in TABLES["instruments"].items()}
NOUNS, PLAYERS, VERBS = slots(TABLES["nouns"]), slots(TABLES["players"]), slots(TABLES["verbs"])

LABELS = {
    "instruments": "乐器",
    "families": "音色",
    "tempo_class": "速度",
    "idiom": "类型",
    "mode": "调式",
    "percussion": "节奏",
    "dynamics": "强弱",
    "articulation": "奏法",
    "texture": "编制",
    "meter": "拍号",
    "room": "空间",
    "register": "音区",
    "mood": "情绪",
}
LONG = 14  # characters of the players before a noun
COUNTS = {2: "两", 3: "三", 4: "四", 5: "五", 6: "六"}
VOICES = {"choir", "voice"}
COMPOUND = re.compile(r"(?:[琴号笛管盒]|吉他|萨克斯)$")  # 钢琴 makes 钢琴曲, and 钢琴华尔兹
JOINED = re.compile(r"[快慢中]速|[快慢]节奏|[大小]调|[二三四六]拍子")  # 慢速华尔兹, without 的
OF = re.compile(r"(?:[风格味感腔派]|范儿|时期)$")  # 摇滚风格的曲子
WHOLE = re.compile(r"(?:[乐曲景]|电音|嘻哈风)$")  # 摇滚乐 needs no noun


def caption(
    attributes: Mapping[str, object], rng: Random, *, wording: str, negation: bool = False, mood: bool = False
) -> Caption:
    """Write one Chinese caption, which states a random part of the attributes.

    Parameters
    ----------
    attributes : the record of a clip; only ``instruments`` is needed
    rng : where the choices come from
    wording : "train", or "validation" or "test" for frames and, where a value has them, words of their own
    negation : whether to say that there are no drums, where the record says so
    mood : whether to add the mood that most people hear in this tempo and mode

    Raises
    ------
    ValueError
        As ``statable``.
    """
    facts = statable(attributes)
    style = rng.choice([name for name in STYLES if name != "rich" or _describing(facts)])
    return _ChineseWriter(facts, rng, style, wording).write(negation, mood)


def vocabulary() -> list[tuple[Form, str, object, str]]:
    """Return every Chinese surface form that means something, with attribute, value and wording."""
    tables = [("percussion", False, forms) for table in NEGATIONS for forms in table.values()]
    tables += [(a, v, forms) for a, values in SLOTS.items() for v, table in values.items() for forms in table.values()]
    tables += [("idiom", name, forms) for name, forms in (KIND_FORMS | STYLE_FORMS).items()]
    tables += [("instruments", name, forms) for name, forms in INSTRUMENT_FORMS.items()]
    tables += [("families", name, forms) for name, forms in FAMILY_FORMS.items()]
    return [(form, a, v, wording) for a, v, forms in tables for wording, row in forms.items() for form in row]


class _ChineseWriter(_Writer):
    """What one Chinese caption is made of, while it is written; draws as the English writer does."""

    def __init__(self, facts: dict[str, object], rng: Random, style: str, wording: str):
        self.facts, self.rng, self.style, self.wording = facts, rng, style, wording
        few = len(facts["instruments"]) <= MOST_NAMES
        self.frame = rng.choice([f for f in TABLES["frames"][style][wording] if few or "{players}" not in f])
        self.mentioned: dict[str, object] = {}
        self.items: list[str] = []
        inside = any(part in self.frame for part in ("{piece}", "{thing}", "{work}"))
        verbs = "{vps}" in self.frame
        self.free = {
            "adj": 2 * (inside or "{bare}" in self.frame),
            "pp": 2 * inside - verbs,
            "vp": 3 * verbs,
            "tag": 99 * (not inside),
        }
        self.said: dict[str, list[tuple[str, str]]] = {slot: [] for slot in self.free}  # attribute, words
        self.noun, self.by, self.players, self.verb = "", "", "", "play"
        self.compound, self.together = "", ""  # the players, where they can stand before 曲, and before 合奏
        self.whole = False  # whether the noun takes the measure word of whole pieces
        self.for_verb = ""

    def write(self, negation: bool, mood: bool) -> Caption:
        """Choose what to say, say it, and return the caption."""
        negated = negation and self.facts.get("percussion") is False
        feeling = MOODS.get((self.facts.get("tempo_class"), self.facts.get("mode"))) if mood else None
        chosen = self.choose()
        self.say_players(chosen)
        self.say_noun(chosen)
        if negated:
            bars = bool(MALLETS.intersection(self.facts["instruments"]))
            self.say_form("percussion", False, self.rng.choice(NEGATIONS[: 1 if bars else 2]))
        if feeling:
            self.say_form("mood", feeling, SLOTS["mood"][feeling])
        for attribute in chosen:
            if attribute not in self.mentioned and attribute in SLOTS:
                self.say_attribute(attribute)
        return Caption(self.fill(), self.style, self.mentioned, negated, self.frame, tuple(self.items))

    def say_players(self, chosen: list[str]) -> None:
        """Name all instruments, some of them, or the families."""
        names = self.facts["instruments"]
        complete = len(names) <= MOST_NAMES and (
            len(names) == 1 or "{players}" in self.frame or self.rng.random() >= 0.2
        )
        if "instruments" in chosen:
            attribute, pitched = "instruments", [name for name in names if name not in DRUMS]
            if not complete:
                names = names[: self.rng.choice((1, 1, 2))]
            elif pitched and len(pitched) < len(names) and "percussion" in chosen and self.rng.random() < 0.5:
                names = pitched  # percussion is said apart
                chosen.remove("percussion")
                chosen.insert(0, "percussion")
            one = self.rng.random() < 0.3 and "{players}" in self.frame
            forms = [(self.pick(INSTRUMENT_FORMS[n], 0.5), n, count) for n, count in Counter(names).items()]
            words = [self.counted(form.text, CLASSIFIERS[name], count, one) for form, name, count in forms]
            if DRUMS.intersection(names):
                self.mentioned["percussion"] = True
        elif "families" in self.facts and self.rng.random() < FAMILY_SHARE:
            attribute, names = "families", self.facts["families"]
            complete = not DRUMS.intersection(self.facts["instruments"]) and self.facts.get("percussion") is not True
            forms = [(self.pick(FAMILY_FORMS[name]), name, 1) for name in dict.fromkeys(names)]
            words = [form.text for form, *_ in forms]
        else:
            return
        self.mentioned[attribute] = list(dict.fromkeys(names))
        self.items += [form.text for form, *_ in forms]
        self.verb = "sing" if set(names) <= VOICES else "both" if VOICES.intersection(names) else "play"
        self.players = self.listed(words)
        if self.free["tag"]:
            joined = "{labels}" in self.frame or (self.style != "tags" and self.rng.random() < 0.5)
            self.said["tag"] += [(attribute, text) for text in ([self.players] if joined else words)]
        elif "{players}" not in self.frame:
            verb = self.pick(VERBS[self.verb]).text
            template = self.pick(PLAYERS["all" if complete else "some"]).text
            if self.players[-1] in "奏唱":  # no 合唱演唱的
                template = "{}的" if "{v}" in template else template
            self.by = template.format(self.players, v=verb)
            single = attribute == "instruments" and complete and len(names) == 1
            self.compound = self.players if single and COMPOUND.search(self.players) else ""
            whole = attribute == "instruments" and complete and self.players[-1] not in "奏唱色"
            self.together = self.players if whole else ""

    @staticmethod
    def counted(text: str, classifier: str, count: int, one: bool) -> str:
        """Return the name of an instrument with the number of players, where there are several or ``one`` is said."""
        if count == 1 and not one:
            return text
        classifier = "位" if text[-1] in "手师" else classifier
        return (COUNTS.get(count, "好几") if count > 1 else "一") + classifier + text.removesuffix("音色")

    def listed(self, words: list[str]) -> str:
        """Return words with 、 and a conjunction before the last."""
        last = self.rng.choice(("和", "与", "加")) if len(words) == 2 else "和"
        return last.join(filter(None, ["、".join(words[:-1]), words[-1]]))

    def say_noun(self, chosen: list[str]) -> None:
        """Choose the noun: a kind of piece, a texture, or just 曲子; the players may become a part of it."""
        idiom, texture = self.facts.get("idiom"), self.facts.get("texture")
        kind = idiom in KIND_FORMS
        if "idiom" in chosen:
            form = self.pick(KIND_FORMS.get(idiom) or STYLE_FORMS[idiom])
            self.mention("idiom", idiom, form.text)
            self.noun, self.whole = form.text, kind
            if not self.free["adj"]:
                self.said["tag"].append(("idiom", form.text))
            elif not kind and not WHOLE.search(form.text):
                self.noun += ("的" if OF.search(form.text) else "") + self.pick(NOUNS["bare"]).text
            if kind and self.compound and self.rng.random() < 0.5:
                self.noun, self.by = self.compound + self.noun, ""
        elif (
            "texture" in chosen
            and self.for_verb != "texture"
            and self.free["adj"]
            and "families" not in self.mentioned  # 弦乐合奏 is an instrument
            and self.rng.random() < 0.7
        ):
            form = self.pick(SLOTS["texture"][texture]["noun"])
            self.mention("texture", texture, form.text)
            self.noun = form.text
            if self.together and self.rng.random() < 0.8:
                self.noun, self.by = self.together + self.noun, ""
        elif self.compound and self.rng.random() < 0.4:
            self.noun, self.by, self.whole = self.compound + "曲", "", True
        else:
            self.noun = self.pick(NOUNS["bare"]).text
            self.whole = self.noun in ("曲子", "乐曲")

    def mention(self, attribute: str, value: object, text: str) -> None:
        """Note what the caption states, and in which words."""
        self.mentioned[attribute] = value
        self.items.append(text)

    def say_attribute(self, attribute: str) -> None:
        """Say tempo, mode or another attribute, where the frame has room for it."""
        value = self.facts[attribute]
        bpm = round(self.facts.get("tempo_bpm", 0))
        by_number = 10 <= bpm <= 999 and tempo_class(bpm) == value and self.rng.random() < NUMBER_SHARE
        if attribute == "tempo_class" and by_number:
            if self.say_form(attribute, value, self.filled("numbers", str(bpm))):
                self.mentioned["tempo_bpm"] = bpm
        elif attribute == "mode" and "key" in self.facts and self.rng.random() < KEY_SHARE:
            letter, mark = self.facts["key"][0], KEY_MARKS[self.facts["key"][1:]]
            sign = {"": "", "b": "降", "#": "升"}[mark]
            low = letter.lower() if value == "minor" and self.rng.random() < 0.5 else letter
            named = letter + mark if self.rng.random() < 0.2 else sign + low
            if self.say_form(attribute, value, self.filled("keys", named + {"major": "大调", "minor": "小调"}[value])):
                self.mentioned["key"] = self.facts["key"][0] + mark
        else:
            self.say_form(attribute, value, SLOTS[attribute][value])

    @staticmethod
    def filled(table: str, name: str) -> dict[str, Forms]:
        """Return the forms of a table of templates for one number or key."""
        return {slot: split(cell.replace("{}", name)) for slot, cell in TABLES[table].items()}

    def say_form(self, attribute: str, value: object, table: Mapping[str, Forms]) -> bool:
        """Put a form into a slot that is free, and return whether there was one: what follows is a clause or a tag."""
        rows = {slot: forms for slot, forms in table.items() if slot in ("adj", "tag", "vp")}
        if "wish" in table and self.style in ("request", "tags"):
            rows["tag"] = {wording: row + table["wish"][wording] for wording, row in rows["tag"].items()}
        after = "tag" if self.style == "request" or self.rng.random() < 0.3 else "vp"
        return self.say(attribute, value, rows | {"pp": rows[after]})

    def clashes(self, attribute: str, words: str) -> bool:
        """Return False: in Chinese, any two clauses can follow each other."""
        return False

    def fill(self) -> str:
        """Put everything into the frame."""
        adjectives = sorted(self.said["adj"], key=lambda said: ORDER.index(said[0]))
        words = [text for _, text in adjectives]
        own = "的" if words and not (len(words) == 1 and JOINED.fullmatch(words[0]) and self.whole) else ""
        bare = "、".join(words) + own + self.noun
        after = "".join(f"，{text}" for _, text in self.said["pp"])
        one = "一" + self.rng.choice("段首" if self.whole else "段")
        by = self.by
        heavy = len(words) == 2 or len(by) > LONG or (words and by == self.players + "的")
        if heavy or self.rng.random() < 0.2:  # the players are named behind
            by, after = "", "，" * bool(by) + by.removesuffix("的") + after
        thing = by + bare + after
        tags = self.said["tag"]
        if self.style == "tags":
            self.rng.shuffle(tags)
        texts = [text for _, text in tags]
        verb = "带来" if self.players[-1:] in ("奏", "唱") else self.pick(VERBS[self.verb]).text
        return self.frame.format(
            piece=one + thing,
            thing=one + thing if thing[0] in "有没" else thing,  # no 有没有没有鼓的
            work=one + bare + after,
            bare=bare,
            players=self.players,
            plays=verb,
            vps="，".join(text for _, text in self.said["vp"]),
            tags="，".join(texts),
            dun="、".join(texts),
            spaces=" ".join(texts),
            semicolons="；".join(texts),
            bars=" | ".join(texts),
            hashes=" ".join("#" + text.replace(" ", "") for text in texts),
            labels="；".join(
                text if text.startswith(LABELS[attribute]) else f"{LABELS[attribute]}：{text}"
                for attribute, text in tags
            ),
        )


LISTS = ("instruments", "families")
NEGATION = re.compile(r"(?:没有|没|无|不要|不带|不用|不含|不加|别用|别加|别放|别|不|去掉|除去)(?:任何|太|那么|很|有)?$")
ALTERNATIVE = re.compile(r"(?:和|或|或者|也没有|也不要)(?:任何)?")
BPM = re.compile(
    r"(?:bpm\s*=?\s*|速度[是为在]?|节拍器(?:打到)?|(?:每|一)分钟)(\d{2,3})|(\d{2,3})\s*(?:bpm|拍每分钟)", re.I
)
KEY = re.compile(r"(?<![a-z])([降升]?)([a-g])([#♯b♭]?)\s*([大小])调", re.I)
MEANINGS = {
    text: (attribute, value)
    for form, attribute, value, _ in vocabulary()
    for text in (form.text.lower(), form.text.lower().replace(" ", ""))  # as in a hashtag
}
# What makes another word of one that ends in 鼓: 带鼓组 has no 带鼓, and 哪里有鼓打贝斯 no 有鼓.
BEHIND_DRUM = "(?![组机手贝]|[打与]贝)"


def _pattern(form: str) -> str:
    """Return what matches a surface form that is not the beginning of another word."""
    if form.endswith("鼓") and MEANINGS[form][0] == "percussion":
        return form + BEHIND_DRUM
    return re.escape(form) + ("(?![a-z])" if form.isascii() else "")


FORMS = re.compile("|".join(map(_pattern, sorted(MEANINGS, key=len, reverse=True))))  # 电吉他 is no 吉他


def _forms(text: str) -> Iterator[tuple[int, int, tuple[str, object]]]:
    """Yield where a surface form begins and ends, and what it means."""
    for match in FORMS.finditer(text):
        yield match.start(), match.end(), MEANINGS[match[0]]


def read(text: str) -> dict[str, object]:
    """Return the attributes that a Chinese caption states, as ``parse`` does for English.

    Parameters
    ----------
    text : a caption in Simplified Chinese

    Returns
    -------
    dict
        The attributes of a record that were found, ``tempo_bpm`` as an integer, and ``absent``, a list of the
        instruments that are said to be missing. Lists are in the order of the text. Where a text contradicts
        itself, the first statement counts.
    """
    text = text.lower().replace("有没有", "可有")  # a question, no negation
    found: dict[str, object] = {}
    absent: list[str] = []
    if match := KEY.search(text):
        sign, letter, mark, mode = match.groups()
        found["key"] = letter.upper() + ({"降": "b", "升": "#"}.get(sign) or {"♯": "#", "♭": "b"}.get(mark, mark))
        found["mode"] = {"大": "major", "小": "minor"}[mode]
    if match := BPM.search(text):
        found["tempo_bpm"] = int(match[1] or match[2])
    end, negated = 0, False
    for start, stop, (attribute, value) in _forms(text):
        before = text[end:start]
        negated = bool(NEGATION.search(before)) or (negated and bool(ALTERNATIVE.fullmatch(before)))
        end = stop
        if attribute == "percussion" and value is False:
            negated = True
        elif negated:
            if attribute == "percussion" or value in DRUMS:
                attribute, value = "percussion", False
            else:
                absent += [value] if attribute == "instruments" else []
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
    return found | ({"absent": absent} if absent else {})
