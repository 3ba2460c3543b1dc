"""Sphinx extension: what the Chinese edition needs besides its catalogues.

- The search of the pages finds Chinese text by its pairs of characters, since it has no spaces between words.
- A translated message finds what its notebook glues: MyST-NB looks for it in the message alone, and finds nothing.
"""

import re
from pathlib import Path

from docutils import nodes
from myst_nb.ext.glue import roles
from myst_nb.ext.glue.utils import create_pending_glue_ref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.zh import SearchChinese

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


class PasteText(roles.PasteTextRole):
    """``glue:text``, which in a translated message asks for the value when the page is written."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the value, or a place for it."""
        if "::" in self.text or "nb_renderer" in self.document:
            return super().run()
        key, _, form = self.text.partition(":")
        env = self.document.settings.env
        page = "/" + Path(env.doc2path(env.docname, base=False)).as_posix()
        return [
            create_pending_glue_ref(
                self.document, self.source, self.line, page, key, inline=True, gtype="text", fmt_spec=form or "s"
            )
        ], []


def find_glue(app: Sphinx, config: Config) -> None:
    """Let translated messages find what their notebooks glue."""
    if config.language != "en":
        app.add_role_to_domain("glue", "text", PasteText(), override=True)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_search_language(SearchPairs)
    app.connect("config-inited", find_glue, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
