"""Sphinx extension: tables of lessons, with how long each takes.

::

    :::{lessons} core
    :::

    :::{course} term
    :::

The argument of ``lessons`` is ``core``, for the core path in its order, or the name of a part, such as ``retrieval``,
for the lessons of that part that go deeper. That of ``course`` is the name of a course in ``book/data/courses.yml``.
Each lesson says itself, in its box *On this page*, what the reader will do and how many minutes it takes; the last row
adds the minutes up.
"""

import re
from pathlib import Path

import nbformat
import yaml
from core_path import is_lesson, read_paths
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from table_nodes import line, page_link, table

YIELDS = re.compile(r"^- \*\*You will\*\* (.+)$", re.MULTILINE)
MINUTES = re.compile(r"\*\*It takes\*\* about (\d+) minutes")
COURSES = Path("book") / "data" / "courses.yml"
LESSON_COLUMNS = {"Lesson": 30, "You will": 58, "Minutes": 12}  # head of a column, and its share of the width
COURSE_COLUMNS = {"When": 11, "Lessons": 25, "Minutes": 9, "In class": 24, "Exercises": 12, "Prepare": 19}


def prose(path: Path) -> str:
    """Return the text of a page, or of the Markdown cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


class LessonTable(SphinxDirective):
    """What both tables share."""

    required_arguments = 1

    def minutes(self, name: str) -> int | None:
        """Return how many minutes a lesson takes, by itself."""
        found = MINUTES.search(self.text(name))
        return int(found[1]) if found else None

    def text(self, name: str) -> str:
        """Return the text of a lesson, and note that the table depends on it."""
        path = Path(self.env.doc2path(name))
        self.env.note_dependency(str(path))
        return prose(path)

    def warn(self, message: str) -> list[nodes.Node]:
        """Warn at the place of the directive, and show nothing."""
        logging.getLogger(__name__).warning(message, location=self.get_location())
        return []


class Lessons(LessonTable):
    """Show the lessons of a path or of a part."""

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
            yields, minutes = YIELDS.search(self.text(name)), self.minutes(name)
            if not yields or not minutes:
                self.warn(f"{name} does not say what the reader will do, or how many minutes it takes")
                continue
            total += minutes
            link = nodes.paragraph("", "", page_link(self, name))
            rows.append([[link], [line(self, yields[1])], [nodes.paragraph("", str(minutes))]])
        if not rows:
            return self.warn(
                f"there are no lessons for {chosen!r}: give `core`, or a part with lessons off the core path"
            )
        rows.append([[line(self, "together")], [nodes.paragraph()], [nodes.paragraph("", str(total))]])
        return [table(self, LESSON_COLUMNS, rows, "lessons")]


class Course(LessonTable):
    """Show the meetings of a course."""

    def run(self) -> list[nodes.Node]:
        """Return the table, or warn of a course that there is not."""
        path = Path(self.env.srcdir) / COURSES
        self.env.note_dependency(str(path))
        courses = yaml.safe_load(path.read_text(encoding="utf-8"))
        if self.arguments[0] not in courses:
            return self.warn(f"there is no course {self.arguments[0]!r}: {COURSES.as_posix()} has {', '.join(courses)}")
        rows, total = [], 0
        for meeting in courses[self.arguments[0]]:
            minutes = sum(self.minutes(name) or 0 for name in meeting["lessons"])
            total += minutes
            lessons = [nodes.paragraph("", "", page_link(self, name)) for name in meeting["lessons"]]
            exercises = [line(self, f"{{ref}}`{label}`") for label in meeting["exercises"]]
            when, in_class, prepare = (line(self, meeting[field]) for field in ("when", "in_class", "prepare"))
            rows.append([[when], lessons, [nodes.paragraph("", str(minutes))], [in_class], exercises, [prepare]])
        together = [[line(self, "together")], [], [nodes.paragraph("", str(total))], [], [], []]
        return [table(self, COURSE_COLUMNS, [*rows, together], "lessons")]


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("core_path")
    app.add_directive("lessons", Lessons)
    app.add_directive("course", Course)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
