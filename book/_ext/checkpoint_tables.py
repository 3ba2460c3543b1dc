"""Sphinx extension: numbers of the mini checkpoints, read from the files beside their weights when the book is built.

The role ``score`` tells a number of ``book/data/scores.yml`` in a sentence: ``{score}`clap-r1```.
The directive ``trainings`` shows what was trained, on what and for how long, out of ``book/data/trainings.yml``, the
model cards, the curves and ``musicwords/registry.json``. The directive ``published`` shows figures from other people's
papers beside our own of the nearest kind, out of ``book/data/published.yml``. The directive ``followed`` tells what
became of the clips of ``book/data/followed.json``::

    :::{trainings}
    :::

    :::{published} retrieval
    :::

    :::{followed}
    :::

The argument of ``published`` is a task of that file.
"""

import csv
import json
import re
from pathlib import Path
from typing import ClassVar

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from table_nodes import line, table
from words import _

DATA = Path("book") / "data"
PACKAGE = Path("musicwords")
CHECKPOINTS = PACKAGE / "data" / "checkpoints"
SHOWN = 8  # digits of a hash
TRAININGS = {"Model": 14, "Trained on": 34, "Command": 22, "Hours": 8, "License": 12, "Hash": 10}
FOLLOWED = {
    "Clip": 24,
    "True statements": 14,
    "Place": 12,
    "Fact": 14,
    "Real clip": 12,
    "MusicGen": 12,
    "Diffusion": 12,
}
PUBLISHED = {"Published": 30, "Value": 10, "Ours, of the nearest kind": 26, "Why this is no comparison": 34}


def read_rows(path: Path) -> list[dict]:
    """Return the lines of a table."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_data(root: Path, name: str):
    """Return what a file of ``book/data`` holds."""
    return yaml.safe_load((root / DATA / f"{name}.yml").read_text(encoding="utf-8"))


def select(root: Path, entry: dict) -> str:
    """Return the cell that an entry of ``scores.yml`` names, as it stands in the file.

    Raises
    ------
    ValueError
        If not just one row is meant.
    """
    rows, column = read_rows(root / entry["file"]), entry.get("column", "value")
    if "row" in entry:
        least = entry.get("of", column)
        row = {
            "first": lambda: rows[0],
            "last": lambda: rows[-1],
            "least": lambda: min((one for one in rows if one[least]), key=lambda one: float(one[least])),
        }[entry["row"]]()
        return row[column]
    found = [row for row in rows if all(row[key] == value for key, value in entry["where"].items())]
    if len(found) != 1:
        raise ValueError(f"{len(found)} rows of {entry['file']} have {entry['where']}, and one is meant")
    return found[0][column]


def score(root: Path, name: str) -> str:
    """Return a number of ``scores.yml`` as it is shown.

    Raises
    ------
    ValueError
        If there is no such name, or not just one such row.
    """
    entries = read_data(root, "scores")
    if name not in entries:
        raise ValueError(f"there is no score {name!r} in {(DATA / 'scores.yml').as_posix()}")
    entry = entries[name]
    return entry.get("as", "{:.2f}").format(float(select(root, entry))).replace("%", "\u00a0%").replace("-", "−")


def seconds(root: Path, entry: dict) -> tuple[float, bool]:
    """Return how long a training took, and whether all of its curves say so."""
    tables = [read_rows(root / CHECKPOINTS / entry["folder"] / name) for name in entry["curves"]]
    told = [table for table in tables if "seconds" in table[0]]
    return sum(float(row["seconds"]) for table in told for row in table), len(told) == len(tables)


def hours(total: float, whole: bool) -> str:
    """Return hours with a decimal, and with a plus where something is not counted; nothing if nothing is."""
    return f"{total / 3600:.1f}{'' if whole else '+'}" if total else ""


def trained_on(root: Path, entry: dict) -> str:
    """Return what a model was trained on, with the numbers of its card.

    Raises
    ------
    ValueError
        If the card has no such number: it was worded anew, and ``trainings.yml`` has to follow.
    """
    card = " ".join((root / CHECKPOINTS / entry["folder"] / "README.md").read_text(encoding="utf-8").split())
    found = [re.search(pattern, card) for pattern in entry["numbers"]]
    if None in found:
        raise ValueError(f"the card of {entry['folder']} has nothing like {entry['numbers'][found.index(None)]!r}")
    return entry["trained_on"].format(*(match[1] for match in found))


def training_rows(root: Path) -> list[list[str]]:
    """Return the rows of the table of trainings, in Markdown; the last one has the sum of the hours."""
    registry = json.loads((root / PACKAGE / "registry.json").read_text(encoding="utf-8"))
    rows, total, whole = [], 0.0, True
    for entry in read_data(root, "trainings"):
        registered = registry[entry["folder"]]
        took, told = seconds(root, entry)
        total, whole = total + took, whole and told
        digest = registered["mini"]["sha256"][entry["weights"]][:SHOWN]
        licence = entry.get("licence", registered["licence"])
        on = trained_on(root, entry)
        rows.append([entry["name"], on, f"`{entry['command']}`", hours(took, told), licence, f"`{digest}`"])
    return [*rows, ["together", "", "`make checkpoints`", hours(total, whole), "", ""]]


def published_rows(root: Path, task: str) -> list[list[str]]:
    """Return the rows of the table of published figures of a task, in Markdown."""
    rows = []
    for entry in read_data(root, "published"):
        if entry["task"] == task:
            where = f"{entry['place']}, quoted" if entry["seen"]["how"] == "quoted" else entry["place"]
            theirs = f"{entry['model']} {{cite:p}}`{entry['cite']}`: {entry['metric']}, {entry['data']} ({where})"
            value = str(entry["value"]).replace(" %", "\u00a0%")  # the sign stays with its number
            rows.append([theirs, value, entry["ours"], entry["why"]])
    return rows


def followed_rows(root: Path) -> list[list[str]]:
    """Return a row for each fact that the sentence of a followed clip states, in Markdown; not those of the first."""
    __, *others = json.loads((root / DATA / "followed.json").read_text(encoding="utf-8"))["followed"]
    rows = []
    for found in others:
        true, said = found["caption_true"]
        place = _("{some} of {all}").format(some=found["places"]["by the sentence"], all=found["clips"])
        beginning = [found["title"], _("{some} of {all}").format(some=true, all=said), place]
        for name, value in found["stated"].items():
            fact = {True: "drums", False: "no drums"}.get(value, value)
            heard = [made["probe"][name] for made in found["made"].values()]
            counts = (_("{some} of {all}").format(some=sum(right), all=len(right)) for right in heard)
            rows.append([*beginning, fact, *counts])
            beginning = ["", "", ""]
    return rows


class Score(SphinxRole):
    """A number of ``scores.yml`` in a sentence."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, or report that there is no such name."""
        root = Path(self.env.srcdir)
        try:
            text = score(root, self.text)
        except ValueError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        for file in (DATA / "scores.yml", Path(read_data(root, "scores")[self.text]["file"])):
            self.env.note_dependency(str(root / file))
        return [nodes.Text(text)], []


class Table(SphinxDirective):
    """A table whose cells are Markdown."""

    columns: ClassVar[dict[str, int]] = {}

    def rows(self, root: Path) -> list[list[str]]:
        """Return the cells."""
        raise NotImplementedError

    def depends(self) -> list[Path]:
        """Return the files that the table is made from, from the root."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the table, or warn of what a file lacks."""
        root = Path(self.env.srcdir)
        for path in self.depends():
            self.env.note_dependency(str(root / path))
        try:
            rows = self.rows(root)
        except ValueError as error:
            logging.getLogger(__name__).warning(str(error), location=self.get_location())
            return []
        return [table(self, self.columns, ([[line(self, cell)] for cell in cells] for cells in rows))]


class Trainings(Table):
    """What was trained, on what, by which command, for how long."""

    columns = TRAININGS

    def rows(self, root: Path) -> list[list[str]]:
        """Return the cells."""
        return training_rows(root)

    def depends(self) -> list[Path]:
        """Return the data file, the registry, cards and curves."""
        entries = read_data(Path(self.env.srcdir), "trainings")
        beside = {CHECKPOINTS / one["folder"] / name for one in entries for name in ("README.md", *one["curves"])}
        return [DATA / "trainings.yml", PACKAGE / "registry.json", *sorted(beside)]


class Followed(Table):
    """What became of the clips that were followed through the book."""

    columns = FOLLOWED

    def rows(self, root: Path) -> list[list[str]]:
        """Return the cells."""
        return followed_rows(root)

    def depends(self) -> list[Path]:
        """Return the file that ``book/data/followed.py`` writes."""
        return [DATA / "followed.json"]


class Published(Table):
    """Published figures of a task, and ours."""

    required_arguments = 1
    columns = PUBLISHED

    def rows(self, root: Path) -> list[list[str]]:
        """Return the cells."""
        rows = published_rows(root, self.arguments[0])
        if not rows:
            raise ValueError(f"no published figure has the task {self.arguments[0]!r}")
        return rows

    def depends(self) -> list[Path]:
        """Return the data file; what the role ``score`` reads in a cell, it notes itself."""
        return [DATA / "published.yml"]


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("words")
    app.add_role("score", Score())
    app.add_directive("trainings", Trainings)
    app.add_directive("published", Published)
    app.add_directive("followed", Followed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
