"""Sphinx extension: what the Chinese edition needs besides its catalogues.

- The search of the pages finds Chinese text by its pairs of characters, since it has no spaces between words.
- A translated message finds what its notebook glues: MyST-NB looks for it in the message alone, and finds nothing.
  Words among that are translated by ``glued.yml``; a value that the table lacks stays as it is.
"""

import re
from functools import cached_property
from pathlib import Path

import yaml
from docutils import nodes
from myst_nb.ext.glue import roles
from myst_nb.ext.glue.crossref import ReplacePendingGlueReferences
from myst_nb.ext.glue.utils import create_pending_glue_ref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.zh import SearchChinese
from sphinx.transforms.post_transforms import SphinxPostTransform

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
        import snowballstemmer

        self.stemmer = snowballstemmer.stemmer("english")

    def split(self, text: str) -> list[str]:
        """Return the pairs of characters and the words of a text."""
        words = []
        for word in WORDS.findall(text):
            if word[0] > "z" and len(word) > 1:
                words += [word[place : place + 2] for place in range(len(word) - 1)]
            else:
                words.append(word)
        self.latin_terms.extend(word for word in words if word[0] <= "z")
        return words


def spaced(text: str) -> str:
    """Return a text with a space between a Chinese character and a Latin one."""
    return re.sub(rf"(?<=[{CHINESE}])(?=[a-zA-Z0-9])|(?<=[a-zA-Z0-9])(?=[{CHINESE}])", " ", text)


class Glued(nodes.General, nodes.Inline, nodes.TextElement):
    """A value with the ``name`` under which it was glued."""


class PasteText(roles.PasteTextRole):
    """``glue:text``, which in a translated message asks for the value when the page is written."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the value, or a place for it."""
        if "::" in self.text:
            return super().run()
        name, _, form = self.text.partition(":")
        env = self.document.settings.env
        page = "/" + Path(env.doc2path(env.docname, base=False)).as_posix()
        kind = {"inline": True, "gtype": "text", "fmt_spec": form or "s"}
        return [
            Glued("", "", create_pending_glue_ref(self.document, self.source, self.line, page, name, **kind), name=name)
        ], []


class TranslateGlued(SphinxPostTransform):
    """Put the words of the table in place of what was glued."""

    default_priority = ReplacePendingGlueReferences.default_priority + 1

    def run(self, **kwargs) -> None:
        """Change the values of one page."""
        path = Path(self.app.srcdir) / "book" / "locale" / self.config.language / "glued.yml"
        values = Values(yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {})
        for glued in list(self.document.findall(Glued)):
            glued.replace_self(nodes.Text(values.translated(glued["name"], glued.astext())))


class Values:
    """The table of glued values: English to Chinese, with names in braces for what may be anything."""

    INTERVALS = (
        (re.compile(r"^([^ ]+) \(([^ ]+) to ([^ ]+)\)$"), r"\1（\2 至 \3）"),
        (re.compile(r"^([^ ]+) to ([^ ]+)$"), r"\1 至 \2"),
        (re.compile(r"^(\d+) of (\d+)$"), r"\2 个中的 \1 个"),
    )
    SEPARATOR = re.compile(r", and |, | and ")

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

    def item(self, value: str) -> str | None:
        """Return what the table has for a value: itself, a pattern, or an interval."""
        if value in self.table:
            return self.table[value]
        for pattern, chinese in self.patterns:
            if match := pattern.fullmatch(value):
                caught = {key: self.item(one) or self.listed(one) or one for key, one in match.groupdict().items()}
                return chinese.format(**caught)
        for pattern, form in self.INTERVALS:
            if any(character.isdigit() for character in value) and pattern.match(value):
                return pattern.sub(form, value)
        return None

    def listed(self, value: str) -> str | None:
        """Return a list in Chinese, if each of its items is in the table or starts with a capital letter."""
        items = self.SEPARATOR.split(value)
        if len(items) < 2:
            return None
        found = []
        for written in items:
            bare = written.strip("*")
            chinese = self.item(bare) or (bare if bare[:1].isupper() else None)
            if chinese is None:
                return None
            found.append(written.replace(bare, chinese))
        return spaced(f"{'、'.join(found[:-1])}和{found[-1]}")


def find_glue(app: Sphinx, config: Config) -> None:
    """Let translated messages find what their notebooks glue."""
    if config.language != "en":
        app.add_role_to_domain("glue", "text", PasteText(), override=True)
        app.add_post_transform(TranslateGlued)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_search_language(SearchPairs)
    app.connect("config-inited", find_glue, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
