"""Sphinx extension: the directive ``live-search``, a field in which a reader searches the clips of the book by words.

::

    :::{live-search}
    :examples: slow piano | fast folk dance | 安静的钢琴曲
    What the search cannot do, in two or three sentences.
    :::

The browser of the reader ranks the clips: ``_static/live_search.js`` shows them, ``_static/live_model.js`` runs the
text tower of the mini CLAP. What both load is made by ``book/live/parts.py`` and copied to ``_static/live``, where it
waits for the first key. If it was not made, the page says how to make it. ``{difference}`` in the text stands for what
the rounding of the weights changes in a similarity, at most.

All words that the script shows are text in the doctree, so that the gettext catalogue has them. Builders other than
HTML show the text of the directive, and that the search is in the pages.
"""

import html
import json
import math
import shutil
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
MADE = Path("_build") / "live"  # see book/live/parts.py
NO_DATA = "?"  # in place of a number that was not computed, since the parts were not made
LABEL = "What do you want to hear? Write in English or Chinese."
EXAMPLES = "For example:"
# What the script says: the names are those of live_search.js, the words in braces are filled in by it.
MESSAGES = {
    "loading": "Loading the model, once: {percent} % of {size} MB.",
    "preparing": "The model is here, and is being prepared.",
    "found": "The {shown} of {clips} clips that fit best, the best one first:",
    "similarity": "similarity {value}",
    "failed": "The search could not be loaded: {file} did not arrive. "
    "Look whether there is a connection, and press Enter to try again.",
    "broken": "The search does not run in this browser: {reason}",
    "file": "The search needs a web server, and this page was opened as a file. Run “python -m http.server” in the "
    "folder that has index.html, and open http://localhost:8000 in the browser.",
}
NO_SCRIPT = "The search needs JavaScript, which is off in this browser."
NOT_MADE = (
    "This copy of the book was built without its search by words. Install Node.js, which brings npm, and run make book."
)
ELSEWHERE = "In the pages of the book there is a search field here."


class LiveSearch(nodes.General, nodes.Element):
    """A search field: ``Words`` of each kind.

    ``key`` names the folder of what the browser loads, and ``bytes`` is how much of that is packed.
    """


class Words(nodes.General, nodes.TextElement):
    """Words of a search field: ``kind`` says which, and ``name`` of a message what it is about."""


class ShowLiveSearch(SphinxDirective):
    """Show a search field."""

    option_spec = {"examples": directives.unchanged_required}  # noqa: RUF012 -- docutils asks for a plain attribute
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the field, or what to do where its parts were not made, or warn of what the directive lacks."""
        if not self.content or "examples" not in self.options:
            logger.warning(
                "a live-search needs `:examples:`, and a text that says what it cannot do", location=self.get_location()
            )
            return []
        index = Path(self.env.srcdir) / MADE / "parts.json"
        self.env.note_dependency(str(index))
        parts = json.loads(index.read_text(encoding="utf-8")) if index.exists() else None
        difference = f"{math.ceil(parts['difference'] * 1000) / 1000:.3f}" if parts else NO_DATA
        described = nodes.container(classes=["live-limits"])
        lines = [line.replace("{difference}", difference) for line in self.content]
        self.state.nested_parse(lines, self.content_offset, described)
        if parts is None:
            return [self.said(nodes.paragraph, NOT_MADE, classes=["live-missing"]), described]
        size = sum(length for name, length in parts["files"].items() if name.endswith(".gzip"))
        field = LiveSearch("", key=parts["key"], bytes=size, number=self.env.new_serialno("live-search"))
        field += [self.said(Words, LABEL, kind="label"), self.said(Words, EXAMPLES, kind="before")]
        field += [self.said(Words, one.strip(), kind="example") for one in self.options["examples"].split("|")]
        field += [self.said(Words, NO_SCRIPT, kind="noscript"), self.said(Words, ELSEWHERE, kind="elsewhere")]
        field += [self.said(Words, words, kind="message", name=name) for name, words in MESSAGES.items()]
        return [field, described]

    def said(self, node_type: type, source: str, **attributes) -> nodes.TextElement:
        """Return words as a node that can be translated: the catalogues leave out what has no source."""
        node = node_type(source, "", nodes.Text(source), **attributes)
        self.set_source_info(node)
        return node


class ReplaceElsewhere(SphinxPostTransform):
    """Let other builders say where the field is."""

    default_priority = 200

    def run(self, **kwargs) -> None:
        """Change the fields of one page."""
        builder = self.app.builder
        if builder.name == "gettext" or builder.format == "html":
            return
        for field in list(self.document.findall(LiveSearch)):
            field.replace_self([nodes.paragraph("", one.astext()) for one in field if one["kind"] == "elsewhere"])


def write_field(translator: object, node: LiveSearch) -> None:
    """Write the field, off until the script turns it on, with a place for what is found."""
    kinds = ("label", "before", "example", "message", "noscript")
    words = {kind: [one for one in node if one["kind"] == kind] for kind in kinds}
    name = f"live-search-{node['number']}"

    def text(one: Words) -> str:
        return html.escape(one.astext())

    examples = " ".join(
        f'<button type="button" class="live-example" disabled>{text(one)}</button>' for one in words["example"]
    )
    messages = "".join(f'<span data-name="{one["name"]}">{text(one)}</span>' for one in words["message"])
    translator.body.append(
        f'<div class="live-search" data-key="{node["key"]}" data-bytes="{node["bytes"]}">\n'
        f'<form><label for="{name}">{text(words["label"][0])}</label>\n'
        f'<input type="search" id="{name}" autocomplete="off" spellcheck="false" maxlength="400" disabled>\n'
        f"<p>{text(words['before'][0])} {examples}</p></form>\n"
        f'<p class="live-status" role="status"></p>\n<ol class="live-results sounds"></ol>\n'
        f'<div class="live-messages" hidden>{messages}</div>\n'
        f"<noscript><p>{text(words['noscript'][0])}</p></noscript>\n</div>\n"
    )
    raise nodes.SkipNode


def add_parts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Let a page with a field have its script and style, and copy what these load."""
    if 'class="live-search"' not in context.get("body", ""):
        return
    app.add_js_file("live_search.js")
    app.add_css_file("live_search.css")
    made, static = Path(app.srcdir) / MADE, Path(app.outdir) / "_static"
    key = json.loads((made / "parts.json").read_text(encoding="utf-8"))["key"]
    if (static / "live" / key).exists():
        return
    shutil.rmtree(static / "live", ignore_errors=True)
    shutil.copytree(made / "media", static / "media", dirs_exist_ok=True)
    shutil.copytree(made / "parts" / key, static / "live" / key)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(LiveSearch, html=(write_field, None))
    app.add_node(Words)
    app.add_directive("live-search", ShowLiveSearch)
    app.add_post_transform(ReplaceElsewhere)
    app.connect("html-page-context", add_parts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
