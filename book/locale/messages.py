"""What a translated message must keep of its original, and how Chinese is set.

A message is a paragraph, a heading, an item or a cell of a page, in Markdown, as gettext has it.
"""

import re
from collections import Counter

from markdown_it import MarkdownIt

CHINESE = r"[\u4e00-\u9fff]"
ROLE = re.compile(r"\{([\w:+-]+)\}(`+)(.*?)\2")
CODE = re.compile(r"(?<![}`])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$[^$]+?(?<!\\)\$", re.DOTALL)
TARGET = re.compile(r"\]\(([^)\s]*)\)")
SHORT_LINK = re.compile(r"\[[^\]]+\](?![(\[:])")
PLACE = re.compile(r"\{[\w.%-]+\}(?!`)")
TAG = re.compile(r"</?[a-z][^>]*>")
# Large numbers are grouped otherwise in Chinese: 70 billion is 700 亿.
NUMBER = re.compile(r"(?<![\d.,])(\d[\d,.]*\d|\d)(?![\d,.]*\d)(?! (?:thousand|million|billion|trillion)\b)")
# What a reader sees in Latin letters or digits, and what in Chinese.
LATIN_ROLES = {"cite:p", "cite:t", "glue:text", "glue", "score", "eq", "abbr"}
NUMBERED_ROLES = {"numref", "ref", "doc"}  # which show 图 1, 练习 1 or a title
BLOCK = re.compile(r"^(?:\d+[.)] |[-+*] |#+ |>|:::|```)")
RENDER = MarkdownIt()
SENTENCE = re.compile(r"\b(?:the|is|are|of|to|and|what|which|with|for)\b")
LONGEST_NAME = 4  # words, such as "Talk the Walk" with its citation


def kept(message: str) -> Counter:
    """Count what no translation may change: targets of roles and links, code, formulas, places to fill in, tags."""
    found: Counter = Counter()

    def count(kind: str, what: str) -> str:
        found[kind, what] += 1
        return " "

    def role(match: re.Match) -> str:
        target = re.search(r"<([^<>]+)>$", match[3])
        what = (target[1] if target else match[3]).strip()
        return count(match[1], what.lower() if match[1] == "term" else what)

    rest = ROLE.sub(role, message)
    rest = FORMULA.sub(lambda match: count("formula", " ".join(match[0].split())), rest)
    rest = CODE.sub(lambda match: count("code", match[2].strip()), rest)
    rest = TARGET.sub(lambda match: count("link", match[1]), rest)
    rest = TAG.sub(lambda match: count("tag", match[0]), rest)
    PLACE.sub(lambda match: count("place", match[0]), rest)
    return found


def words(message: str) -> str:
    """Return what a reader sees of a message, without code and formulas, which become ``x``."""

    def role(match: re.Match) -> str:
        if match[1] in LATIN_ROLES:
            return "x"
        shown = re.sub(r"\s*<[^<>]*>$", "", match[3])
        return "图" if match[1] in NUMBERED_ROLES and shown == match[3] else shown

    text = ROLE.sub(role, message)
    text = CODE.sub("x", FORMULA.sub("x", text))
    text = re.sub(r"\[\]\([^)]*\)", "页", text)  # the title of a page
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return TAG.sub("", PLACE.sub("x", text)).replace("*", "").replace("\\", "")


def has_words(message: str) -> bool:
    """Tell whether a message has anything to translate: a word of three letters outside of code and formulas."""
    return re.search(r"[a-z]{3}", words(message).lower()) is not None


def emphasis(message: str) -> dict[str, int]:
    """Count what is bold and what is in italics when the message is shown."""
    shown = RENDER.renderInline(ROLE.sub(lambda match: f"`{match[3]}`", message))
    return {tag: shown.count(f"<{tag}>") for tag in ("strong", "em")}


def problems(english: str, chinese: str) -> list[str]:
    """Return what is wrong with a translation, in words."""
    if not chinese.strip():
        return ["is not translated"]
    found = []
    before, after = kept(english), kept(chinese)
    found += [f"has lost {kind} {what!r}" for kind, what in (before - after)]
    # Links that the page defines at its end, [text], have their targets in the translation, which is parsed alone.
    defined = len(SHORT_LINK.findall(english))
    added = [
        (kind, what) for kind, what in after - before if kind != "link" or (after - before)["link", what] > defined
    ]
    found += [f"has {kind} {what!r}, which the original lacks" for kind, what in added]
    if not has_words(english) or ("\\" in english and chinese == english):  # a formula in a line of its own
        return found
    shown, bold = words(chinese), emphasis(english)
    if emphasis(chinese) != bold:
        found.append(f"shows {emphasis(chinese)} where the original shows {bold}: look at the asterisks")
    if "\n" in chinese.strip().replace("\\\n", "") and "\n" not in english.strip():  # \ at its end makes a line break
        found.append("has a line break")
    if BLOCK.match(chinese) and not BLOCK.match(english):
        found.append(f"begins with {chinese[:3]!r}, which Markdown takes for a block")
    missing = Counter(NUMBER.findall(words(english))) - Counter(NUMBER.findall(shown))
    found += [f"has lost the number {number}" for number in missing]
    for half in re.findall(
        rf"{CHINESE}\s?[,;:!?]|{CHINESE}\.(?!\.)|{CHINESE}\(|\){CHINESE}|{CHINESE}\)|\({CHINESE}", shown
    ):
        found.append(f"has the half-width {half!r}")
    for pair in re.findall(rf"{CHINESE}[A-Za-z0-9]|[A-Za-z0-9%]{CHINESE}", shown):
        found.append(f"has no space in {pair!r}")
    for pair in re.findall(r" [，。：；？！、（）《》”]|[，。：；？！、（）《》“] ", shown):
        found.append(f"has a space beside the full-width sign in {pair!r}")
    if not re.search(CHINESE, chinese) and SENTENCE.search(words(english)) and len(english.split()) > LONGEST_NAME:
        found.append("is not in Chinese")
    return found
