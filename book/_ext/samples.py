"""Sphinx extension: the directive ``samples``, where the authors of generators let them be heard.

::

    :::{samples}
    :::

It reads ``book/data/timeline.yml``, from which ``book/img/generation_timeline.py`` draws. It shows a row for
each lane: what a user gives, and the models in the order of their dates, linked where a page of samples was seen.
"""

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from table_nodes import line, same, table

DATA = Path("book") / "data" / "timeline.yml"
LANES = {
    "notes": "nothing, or notes",
    "sound": "nothing, or sound",
    "text": "a description",
    "lyrics": "lyrics and a style",
    "live": "changes while it plays",
}
COLUMNS = {"A user gives": 24, "To hear": 76}


def linked(entry: dict) -> str:
    """The name of a model, linked to its samples, and its year."""
    name = f"[{entry['name']}]({entry['samples']})" if entry["samples"] else entry["name"]
    return f"{name} {entry['date'][:4]}"


def cells(entries: list[dict]) -> list[tuple[str, str]]:
    """For each lane what a user gives, and its models in the order of their dates."""
    chosen = {lane: sorted((e for e in entries if e["gives"] == lane), key=lambda e: e["date"]) for lane in LANES}
    return [(title, " · ".join(map(linked, chosen[lane]))) for lane, title in LANES.items()]


class Samples(SphinxDirective):
    """Show the table."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.env.note_dependency(str(Path(self.env.srcdir) / DATA))
        entries = yaml.safe_load((Path(self.env.srcdir) / DATA).read_text(encoding="utf-8"))
        return [table(self, COLUMNS, ([[line(self, given)], [same(self, models)]] for given, models in cells(entries)))]


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_directive("samples", Samples)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
