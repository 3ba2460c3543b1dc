"""Sphinx extension: what the Chinese edition needs besides its catalogues.

- The search of the pages finds Chinese text by its pairs of characters, since it has no spaces between words.
- A translated message finds what its notebook glues: MyST-NB looks for it in the message alone, and finds nothing.
  Words among that are translated by ``glued.yml``; a value that the table lacks stays as it is.
- What ``musicwords.listen`` writes beside a sound is translated by the same table, and what it says of a spectrogram.
- The nodes of a translated message belong to their page, which is built much faster then.
"""

import html
import json
import re
from functools import cache, cached_property
from pathlib import Path

import snowballstemmer
import yaml
from babel.messages.pofile import read_po
from docutils import nodes
from glued import GluedText, shown
from myst_nb.core.variables import format_plain_text
from myst_nb.ext.glue.utils import glue_warning
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.zh import SearchChinese
from sphinx.transforms import SphinxTransform
from sphinx.transforms.i18n import Locale
from words import _, of_page

CHINESE = "\u4e00-\u9fff"
WORDS = re.compile(rf"[{CHINESE}]+|[a-zA-Z0-9_]+")


class SearchPairs(SearchChinese):
    """Finds a text of Chinese characters by its pairs of neighbors, and words of Latin letters by their stems."""

    lang = "zh_CN"
    js_splitter_code = f"""
var splitQuery = (query) => [...query.matchAll(/[{CHINESE}]+|[a-zA-Z0-9_]+/g)].flatMap(([word]) =>
  /[{CHINESE}]{{2}}/.test(word) ? [...word].slice(1).map((one, place) => word[place] + one) : [word]);
"""

    def init(self, options: dict[str, str]) -> None:
        """Prepare the stemmer, without the dictionary of words that the class above would load."""
        self.stemmer = snowballstemmer.stemmer("english")

    def split(self, text: str) -> list[str]:
        """Return the pairs of characters and the words of a text."""
        words = []
        for word in WORDS.findall(text):
            if word[0] > "z" and len(word) > 1:
                words += [word[place : place + 2] for place in range(len(word) - 1)]
            else:
                words.append(word)
        return words

    def stem(self, word: str) -> str:
        """Return the stem of a word in Latin letters, as the script in the browser does; a pair stays as it is."""
        stem = self.stemmer.stemWord(word.lower())
        return word.lower() if len(stem) < 3 <= len(word) else stem


INTERVALS = (
    (re.compile(r"^([^ ]+) \(([^ ]+) to ([^ ]+)\)$"), r"\1（\2 至 \3）"),
    (re.compile(r"^([^ ]+) to ([^ ]+)$"), r"\1 至 \2"),
    (re.compile(r"^(\d+) of (\d+)$"), r"\2 个中的 \1 个"),
)
SIGN = f"[{CHINESE}，。：；？！、（）《》“”]"
CLOSE_START, CLOSE_END = re.compile(f"^ ({SIGN})"), re.compile(f"({SIGN}) $")
PLAYER = re.compile(r'<figure class="sound".*?</figure>', re.DOTALL)
CAPTION = re.compile(r"<figcaption><strong>(.*?)</strong>(.*?)</figcaption>", re.DOTALL)
SPECTROGRAM = re.compile(
    r'alt="Mel spectrogram of ([^"]+), ([\d.]+) seconds'
    r'(?: of silence|: most of its energy lies between (\d+) and (\d+) Hz)\."'
)
SEPARATOR = re.compile(r", and |, | and ")


def is_chinese(character: str) -> bool:
    """Tell whether a character is a Chinese one, or a full-width sign; an empty text is none."""
    return re.fullmatch(SIGN, character) is not None


def spaced(text: str) -> str:
    """Return a text with a space between a Chinese character and a Latin one."""
    return re.sub(rf"(?<=[{CHINESE}])(?=[a-zA-Z0-9])|(?<=[a-zA-Z0-9])(?=[{CHINESE}])", " ", text)


class Glued(nodes.Inline, nodes.TextElement):
    """A value in Chinese, until it is known what stands beside it."""


class PasteText(GluedText):
    """``glue:text`` in a translated message: the value that MyST-NB has written for the page, in Chinese."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the value."""
        env = self.document.settings.env
        name, __, form = self.text.partition(":")
        if "nb_renderer" in self.document or "::" in self.text:  # a message that is the same in both languages
            found, messages = super().run()
            for node in (one for one in found if isinstance(one, nodes.inline)):
                value = read_values(Path(env.srcdir), env.config.language).translated(name, node.rawsource)
                node.children = []
                node += shown(value)
            return found, messages
        written = Path(env.mystnb_config.output_folder, f"{env.docname}.glue.json")
        outputs = json.loads(written.read_text(encoding="utf-8")) if written.is_file() else {}
        if name not in outputs:
            return [], [
                glue_warning(f"No key {name!r} found in glue data for this document.", self.document, self.line)
            ]
        value = format_plain_text(outputs[name]["data"]["text/plain"], form or "s")
        return [Glued("", read_values(Path(env.srcdir), env.config.language).translated(name, value))], []


class Adopt(SphinxTransform):
    """Let the nodes of translated messages belong to the page, each with a name of its own.

    Each message is parsed as a document of its own. With those, the parsed pages take eight times the space. A message
    that cites a work twice gets one name for both places.
    """

    default_priority = Locale.default_priority + 1

    def apply(self, **kwargs) -> None:
        """Change one page."""
        names: set[str] = set()
        for node in self.document.findall():
            node.document = self.document
            if isinstance(node, addnodes.pending_xref):
                node["ids"] = [name for name in node["ids"] if name not in names]
                names.update(node["ids"])


class JoinGlued(SphinxTransform):
    """Take away the spaces between values and the text around them, which numbers need and Chinese does not."""

    default_priority = Locale.default_priority + 1

    def apply(self, **kwargs) -> None:
        """Change one page."""
        for glued in list(self.document.findall(Glued)):
            parent, text = glued.parent, glued.astext()
            place = parent.index(glued)
            bare = text.strip("*")
            if place and isinstance(parent[place - 1], nodes.Text) and is_chinese(bare[:1]):
                parent[place - 1] = nodes.Text(CLOSE_END.sub(r"\1", parent[place - 1]))
            if place + 1 < len(parent) and isinstance(parent[place + 1], nodes.Text) and is_chinese(bare[-1:]):
                parent[place + 1] = nodes.Text(CLOSE_START.sub(r"\1", parent[place + 1]))
            parent.replace(glued, shown(text))


class Values:
    """The table of glued values: English to Chinese, with names in braces for what may be anything."""

    def __init__(self, table: dict[str, str]):
        self.table = table

    @cached_property
    def patterns(self) -> list[tuple[re.Pattern, str]]:
        """The keys with braces, as regular expressions."""
        found = []
        for key, chinese in self.table.items():
            if "{" in key:
                parts = re.split(r"\{(\w+)\}", key)
                written = (f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
                found.append((re.compile("".join(written)), chinese))
        return found

    def translated(self, name: str, value: str) -> str:
        """Return a value in Chinese, or as it is if the table lacks it."""
        return self.table.get(f"{name}={value}") or self.item(value) or self.listed(value) or value

    @cached_property
    def separator(self) -> re.Pattern:
        """What stands between items of a list, or an item of the table that has such a thing inside."""
        whole = [key for key in self.table if SEPARATOR.search(key) and not set("{=.") & set(key)]
        keys = "|".join(map(re.escape, sorted(whole, key=len, reverse=True)))
        item = rf"(?P<item>{keys})(?=\*?(?:, | and |$))|" if whole else ""
        return re.compile(item + SEPARATOR.pattern)

    def item(self, value: str) -> str | None:
        """Return what the table has for a value: itself, a pattern, or an interval."""
        if value in self.table:
            return self.table[value]
        for pattern, chinese in self.patterns:
            if match := pattern.fullmatch(value):
                caught = {key: self.item(one) or self.listed(one) or one for key, one in match.groupdict().items()}
                return spaced(chinese.format(**caught))
        for pattern, form in INTERVALS:
            if any(character.isdigit() for character in value) and pattern.match(value):
                return pattern.sub(form, value)
        return None

    def listed(self, value: str) -> str | None:
        """Return a list in Chinese, if each of its items is in the table, a name or a number."""
        items, end = [""], 0
        for match in self.separator.finditer(value):
            item = match.groupdict().get("item")
            items[-1] += value[end : match.start()] + (item or "")
            end = match.end()
            if item is None:
                items.append("")
        items[-1] += value[end:]
        if len(items) < 2 and not value.startswith("*"):
            return None
        bare = [item.strip("*") for item in items]
        found = [self.item(item) or (item if item[:1].isupper() or item[:1].isdigit() else None) for item in bare]
        if None in found:
            return None
        return spaced("和".join(filter(None, ["、".join(found[:-1]), found[-1]])))


def translate_captions(app: Sphinx, doctree: nodes.document) -> None:
    """Translate the captions of the parts, which come into a page after its messages have been translated."""
    for toctree in doctree.findall(addnodes.toctree):
        if caption := toctree.get("caption"):
            toctree["caption"] = of_page(app, app.env.docname, caption)


@cache
def read_values(root: Path, language: str) -> Values:
    """Return the table of a language, which may be empty."""
    path = root / "book" / "locale" / language / "glued.yml"
    return Values(yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {})


def name_sound(player: str, values: Values) -> str:
    """Return the HTML of a player with its label and its description in Chinese, as far as the table has them."""
    label, description = CAPTION.search(player).groups()
    if said := values.item(html.unescape(label)):
        for place in ("<strong>{}</strong>", 'aria-label="{}"', 'alt="Mel spectrogram of {},'):
            player = player.replace(place.format(label), place.format(html.escape(said)))
    if said := values.item(html.unescape(description.strip())):
        player = player.replace(f"{description}</figcaption>", f" {html.escape(said)}</figcaption>")
    return player


def translate_sounds(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Translate what ``musicwords.listen`` writes beside a sound, and what it says of a spectrogram."""
    values = read_values(Path(app.srcdir), app.config.language)

    def translated(match: re.Match) -> str:
        label, seconds, low, high = match.groups()
        words = _("Mel spectrogram of {label}, {seconds} seconds of silence.")
        if low:
            words = _(
                "Mel spectrogram of {label}, {seconds} seconds: most of its energy lies between {low} and {high} Hz."
            )
        return f'alt="{words.format(label=label, seconds=seconds, low=low, high=high)}"'

    if "body" in context:
        body = PLAYER.sub(lambda match: name_sound(match[0], values), context["body"])
        context["body"] = SPECTROGRAM.sub(translated, body)


def name_parts(app: Sphinx, error: Exception | None) -> None:
    """Name the parts of a page that Sphinx and the theme name in English, for screen readers and for the mouse."""
    names = {
        "Main": _("Main"),
        "Page": _("Page"),
        "Color mode": _("Color mode"),
        "Toggle primary sidebar": _("Toggle primary sidebar"),
        "Toggle secondary sidebar": _("Toggle secondary sidebar"),
        "Link to this heading": _("Link to this heading"),
        "Link to this image": _("Link to this image"),
        "Link to this equation": _("Link to this equation"),
        "Link to this table": _("Link to this table"),
        "Link to this term": _("Link to this term"),
    }
    named = re.compile(rf'\b(title|aria-label)="({"|".join(names)})"')
    for path in [] if error or app.builder.name != "html" else Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        path.write_text(named.sub(lambda match: f'{match[1]}="{names[match[2]]}"', page), encoding="utf-8")


def script_words(app: Sphinx) -> dict[str, str]:
    """Return the words of the book's own scripts, with their translations."""
    path = Path(app.srcdir) / "book" / "locale" / app.config.language / "LC_MESSAGES" / "scripts.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id and message.string}


def write_translations(app: Sphinx, error: Exception | None) -> None:
    """Write the words of all scripts without code in a string, which the policy of the pages forbids."""
    path = Path(app.outdir) / "_static" / "translations.js"
    if error or app.builder.name != "html" or not path.is_file():
        return
    catalogue = re.fullmatch(r"Documentation\.addTranslations\((.*)\);\s*", path.read_text(encoding="utf-8"), re.DOTALL)
    if catalogue:
        messages = json.dumps(json.loads(catalogue[1])["messages"] | script_words(app), ensure_ascii=False)
        plural = "Documentation.PLURAL_EXPR = () => 0;"  # Chinese has one form
        path.write_text(f"Object.assign(Documentation.TRANSLATIONS, {messages});\n{plural}\n", encoding="utf-8")


def mend_translations(app: Sphinx, config: Config) -> None:
    """Let translated messages find what their notebooks glue, and belong to their page."""
    if config.language != "en":
        app.add_role_to_domain("glue", "text", PasteText(), override=True)
        app.add_transform(Adopt)
        app.add_transform(JoinGlued)
        app.connect("doctree-read", translate_captions, priority=900)
        app.connect("html-page-context", translate_sounds)
        app.connect("build-finished", write_translations)
        app.connect("build-finished", name_parts)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    for extension in ("glued", "words"):
        app.setup_extension(extension)
    app.add_search_language(SearchPairs)
    app.connect("config-inited", mend_translations, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
