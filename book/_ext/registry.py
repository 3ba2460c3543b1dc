"""Sphinx extension: the directive ``registry``, a table of models, data sets, benchmarks or changes from ``book/data``.

::

    :::{registry} models
    :task: description
    :view: makes
    :::

The argument is the name of a file of ``book/data`` without its suffix. With ``task``, only entries with that task are
shown. With ``view: makes``, only generators of which it is known what they make, by year, with columns for that.
Readers sort and filter the table in the page (``registry.js``). What nobody could verify is empty.
"""

from pathlib import Path

import yaml
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from table_nodes import line, same, table

DATA = Path("book") / "data"


def named(entry: dict) -> str:
    """The name, linked to where it is to be had, and its citation."""
    address = entry.get("weights") or entry.get("address")
    name = f"[{entry['name']}]({address})" if address else entry["name"]
    return f"{name} {{cite:p}}`{entry['cite']}`" if entry.get("cite") else name


def year(entry: dict) -> str:
    text = str(entry.get("year") or "")
    return f"{text}, new" if entry.get("newer") else text


def licence(entry: dict) -> str:
    """Of the weights, or why there is none."""
    if not entry.get("weights"):
        return "no weights"
    gated = " (after registration)" if entry.get("gated") else ""
    return f"{entry.get('licence') or ''}{gated}"


def number(field: str):
    def text(entry: dict) -> str:
        value = entry.get(field)
        return f"{value:,}" if isinstance(value, int) else str(value or "")

    return text


def plain(field: str):
    def text(entry: dict) -> str:
        value = entry.get(field)
        return ", ".join(value) if isinstance(value, list) else str(value or "")

    return text


def makes(field: str):
    def text(entry: dict) -> str:
        return str((entry.get("makes") or {}).get(field) or "")

    return text


def code(field: str):
    def text(entry: dict) -> str:
        return f"`{entry[field]}`" if entry.get(field) else ""

    return text


PARTS = ("description", "retrieval", "generation", "evaluation", "rights")  # of the book, for the changes


def month(entry: dict) -> str:
    """A month that does not break at the end of a line."""
    return entry["date"].replace("-", "\N{NON-BREAKING HYPHEN}")


def sourced(entry: dict) -> str:
    """A sentence with its citation, or with a link to where it was read."""
    source = f"{{cite:p}}`{entry['cite']}`" if entry["cite"] else f"[{entry['by']}]({entry['link']})"
    return f"{entry['said']} {source}"


COLUMNS = {  # file -> head of a column, its share of the width, and what stands in it
    "models": (("Model", 30, named), ("Year", 8, year), ("Kind", 18, plain("type")), ("Size", 12, plain("parameters")),
               ("Weights", 14, licence), ("Class", 18, code("library"))),
    "datasets": (("Data set", 26, named), ("Year", 8, year), ("What", 20, plain("content")),
                 ("Recordings", 9, number("items")), ("Texts", 9, number("texts")),
                 ("Text by", 8, plain("text_origin")), ("Audio", 10, plain("audio")),
                 ("License", 10, plain("licence"))),
    "benchmarks": (("Benchmark", 24, named), ("Year", 8, year), ("What it asks", 34, plain("what")),
                   ("Items", 8, number("size")), ("Answers", 10, plain("answers")),
                   ("Without sound", 16, plain("text_only"))),
    "changes": (("Part", 18, plain("task")), ("Month", 14, month), ("What changed", 68, sourced)),
}  # fmt: skip
VIEWS = {  # name of a view -> file, the field that an entry must have, and columns
    "makes": ("models", "makes", (("Model", 26, named), ("Year", 10, year), ("Longest", 14, makes("longest")),
              ("Lyrics", 10, makes("lyrics")), ("Streams", 10, makes("streams")), ("Edits", 16, makes("edits")),
              ("Weights", 14, licence))),
}  # fmt: skip


def read(folder: Path, name: str) -> list[dict]:
    """The entries of a file, in alphabetical order; changes in the order of the book, and of time."""
    entries = yaml.safe_load((folder / DATA / f"{name}.yml").read_text(encoding="utf-8"))
    if name == "changes":
        return sorted(entries, key=lambda entry: (PARTS.index(entry["task"][0]), entry["date"]))
    return sorted(entries, key=lambda entry: entry["name"].lower())


class Registry(SphinxDirective):
    """Show the table."""

    required_arguments = 1
    option_spec = dict.fromkeys(("task", "view"), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        """Return the table, or warn of a name or a task that there is not."""
        name, task = self.arguments[0], self.options.get("task")
        if name not in COLUMNS:
            return self.warn(f"there is no registry {name!r}: give {', '.join(COLUMNS)}")
        self.env.note_dependency(str(Path(self.env.srcdir) / DATA / f"{name}.yml"))
        entries = [one for one in read(Path(self.env.srcdir), name) if task is None or task in one["task"]]
        if not entries:
            return self.warn(f"no entry of {name} has the task {task!r}")
        columns, view = COLUMNS[name], self.options.get("view")
        if view is not None:
            file, needed, columns = VIEWS.get(view, (None, None, None))
            if file != name:
                return self.warn(f"{name} has no view {view!r}")
            entries = sorted((one for one in entries if one.get(needed)), key=lambda one: one["year"])
        widths = {head: width for head, width, _ in columns}
        rows = [[[(same if text is named else line)(self, text(entry))] for _, _, text in columns] for entry in entries]
        return [table(self, widths, rows, "registry")]

    def warn(self, message: str) -> list[nodes.Node]:
        """Warn at the place of the directive, and show nothing."""
        logging.getLogger(__name__).warning(message, location=self.get_location())
        return []


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_directive("registry", Registry)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
