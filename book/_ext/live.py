"""Base of the directives for live pages, whose widgets run a model in the browser of the reader.

A widget shows nothing of its own: its words are text in the doctree, so that the gettext catalogue has them, and its
script takes them from the page. What the script loads comes in groups, which ``book/live/parts.py`` makes; those that a
page needs are copied to ``_static/live``, where they wait until the reader acts. Builders other than HTML say that the
widget is in the pages.
"""

import html
import json
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

MADE = Path("_build") / "live"  # see book/live/parts.py
NO_DATA = "?"  # in place of a number that was not computed, since the parts were not made
# What a widget says that book/offline/bundle.py has marked.
LEFT_OUT = (
    "This copy of the book was packed without the models of this page, which are large. Run make book to have them."
)


class Live(nodes.General, nodes.Element):
    """A widget, with ``Words`` of each kind.

    ``parts`` names the folders of what the browser loads, and ``bytes`` is how much of that is packed. The words of
    the kind ``elsewhere`` are what other builders than HTML show.
    """

    def words(self, kind: str) -> list[str]:
        """Return the words of one kind, as HTML."""
        return [html.escape(one.astext()) for one in self if one["kind"] == kind]

    def attributes_of_parts(self) -> str:
        """Return the attributes by which the script knows what to load."""
        return f'data-parts="{self["parts"]}" data-bytes="{self["bytes"]}"'

    def examples(self) -> str:
        """Return a button for each example, off until the script turns it on."""
        words = self.words("example")
        return " ".join(f'<button type="button" class="live-example" disabled>{one}</button>' for one in words)

    def messages(self) -> str:
        """Return the element that holds the messages of the script, by their names."""
        said = [one for one in self if one["kind"] == "message"]
        spans = (f'<span data-name="{one["name"]}">{html.escape(one.astext())}</span>' for one in said)
        return f'<div class="live-messages" hidden>{"".join(spans)}</div>'


class Words(nodes.General, nodes.TextElement):
    """Words of a widget: ``kind`` says which, and ``name`` of a message what it is about."""


def parts_of(root: Path) -> dict | None:
    """Return what ``parts.json`` holds, or None where the parts were not made."""
    index = root / MADE / "parts.json"
    return json.loads(index.read_text(encoding="utf-8")) if index.exists() else None


class LiveDirective(SphinxDirective):
    """What the directives for live pages share."""

    def parts(self) -> dict | None:
        """Return what ``parts.json`` holds, on which the page depends from now on."""
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / MADE / "parts.json"))
        return parts_of(root)

    def widget(self, kind: type[Live], parts: dict, groups: tuple[str, ...], elsewhere: str, **attributes) -> Live:
        """Return a widget which loads these groups, with what other builders show in place of it."""
        files = [file for group in groups for file in parts[group]["files"].items()]
        return kind(
            "",
            self.said(Words, elsewhere, kind="elsewhere"),
            parts=" ".join(parts[group]["key"] for group in groups),
            bytes=sum(length for name, length in files if name.endswith(".gzip")),
            **attributes,
        )

    def messages(self, words: dict[str, str]) -> list[Words]:
        """Return what the script says, by its names."""
        named = (words | {"left_out": LEFT_OUT}).items()
        return [self.said(Words, one, kind="message", name=name) for name, one in named]

    def said(self, node_type: type, source: str, **attributes) -> nodes.TextElement:
        """Return words as a node that can be translated: the catalogues leave out what has no source."""
        node = node_type(source, "", nodes.Text(source), **attributes)
        self.set_source_info(node)
        return node


class ReplaceElsewhere(SphinxPostTransform):
    """Let other builders say where the widget is."""

    default_priority = 200

    def run(self, **kwargs) -> None:
        """Change the widgets of one page."""
        builder = self.app.builder
        if builder.name == "gettext" or builder.format == "html":
            return
        for widget in list(self.document.findall(Live)):
            widget.replace_self([nodes.paragraph("", one.astext()) for one in widget if one["kind"] == "elsewhere"])


def add_widget(app: Sphinx, name: str, groups: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Let a page with a widget of this class have its scripts and styles, and copy what they load."""

    def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
        if f'class="{name}"' not in context.get("body", ""):
            return
        for file in ("live.css", "live_widget.js", *files):
            app.add_css_file(file) if file.endswith(".css") else app.add_js_file(file)
        copy_parts(Path(app.srcdir), Path(app.outdir) / "_static", groups)

    app.connect("html-page-context", add)


def copy_parts(root: Path, static: Path, groups: tuple[str, ...]) -> None:
    """Copy groups, and the sounds and pictures, to where the pages look for them, unless they are there."""
    made, parts = root / MADE, parts_of(root)
    for group in groups:
        target = static / "live" / parts[group]["key"]
        if target.exists():
            continue
        for old in (static / "live").glob(f"{group}-*"):
            shutil.rmtree(old)
        shutil.copytree(made / "media", static / "media", dirs_exist_ok=True)
        shutil.copytree(made / "parts" / target.name, target)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(Words)
    app.add_post_transform(ReplaceElsewhere)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
