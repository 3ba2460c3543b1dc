"""Sphinx extension: the directive ``lessons``, a table of lessons with what each yields and how long it takes.

::

    :::{lessons} core
    :::

The argument is ``core``, for the core path in its order, or the name of a part, such as ``retrieval``, for the
lessons of that part that go deeper. Each lesson says itself, in its box *On this page*, what the reader will do and
how many minutes it takes; the last row adds the minutes up.
"""

import re
from pathlib import Path

import nbformat
from core_path import is_lesson, read_paths
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

YIELDS = re.compile(r"^- \*\*You will\*\* (.+)$", re.MULTILINE)
MINUTES = re.compile(r"\*\*It takes\*\* about (\d+) minutes")
HEADS = ("Lesson", "You will", "Minutes")
WIDTHS = (30, 58, 12)


def prose(path: Path) -> str:
    """Return the text of a page, or of the Markdown cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


class Lessons(SphinxDirective):
    """Show the table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, or warn of an argument that is neither ``core`` nor a part."""
        chosen, core = self.arguments[0], read_paths(Path(self.env.srcdir))
        if chosen == "core":
            names = [name for name in core if name in self.env.found_docs]
        else:
            contents = self.config.external_site_map  # in their order
            names = [n for n in contents if is_lesson(n) and n.split("/")[1] == chosen and n not in core]
        rows, total = [], 0
        for name in names:
            path = Path(self.env.doc2path(name))
            self.env.note_dependency(str(path))
            text = prose(path)
            yields, minutes = YIELDS.search(text), MINUTES.search(text)
            if not yields or not minutes:
                self.warn(f"{name} does not say what the reader will do, or how many minutes it takes")
                continue
            total += int(minutes[1])
            link = addnodes.pending_xref("", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{name}",
                                         refexplicit=False, refwarn=True, refdoc=self.env.docname)  # fmt: skip
            said, _ = self.state.inline_text(yields[1], self.lineno)
            rows.append(([nodes.paragraph("", "", link)], [nodes.paragraph("", "", *said)], minutes[1]))
        if not rows:
            self.warn(f"there are no lessons for {chosen!r}: give `core`, or a part with lessons off the core path")
            return []
        rows.append(([nodes.paragraph("", "together")], [nodes.paragraph()], str(total)))
        return [self.table(rows)]

    def warn(self, message: str) -> None:
        """Warn at the place of the directive."""
        logging.getLogger(__name__).warning(message, location=self.get_location())

    def table(self, rows: list[tuple]) -> nodes.table:
        """Return the rows as a table."""
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in WIDTHS), cols=len(HEADS))
        heads = [nodes.entry("", nodes.paragraph("", head)) for head in HEADS]
        group += nodes.thead("", nodes.row("", *heads))
        body = nodes.tbody()
        for link, yields, minutes in rows:
            cells = (link, yields, [nodes.paragraph("", minutes)])
            body += nodes.row("", *(nodes.entry("", *cell) for cell in cells))
        group += body
        return nodes.table("", group, classes=["lessons"])


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("core_path")
    app.add_directive("lessons", Lessons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
