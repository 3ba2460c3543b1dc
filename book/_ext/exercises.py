"""Sphinx extension: the directive ``exercises``, a list of all exercises of the book, and a build without solutions.

::

    :::{exercises}
    :::

An entry is the number of an exercise, linked to its place, and the first line of its text: in the sources of this book,
that is its first sentence. A translation stands in one line, whose first sentence ends with a full-width sign. Lessons
stand in the order of the contents.

With ``BOOK_SOLUTIONS=no`` in the environment, or ``with_solutions: false`` in the configuration, neither the pages nor
the notebooks of the readers have a solution.
"""

import os
import re
from collections.abc import Iterable

from core_path import is_lesson
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_enumerable_node, solution_node
from words import _

FIRST_LINE = re.compile(r"\n|(?<=[。？！])")  # what stands between the first line of a text and the rest


class ExerciseList(nodes.General, nodes.Element):
    """The place of the list, until the exercises of all pages are known."""


class Exercises(SphinxDirective):
    """Leave a place for the list."""

    def run(self) -> list[nodes.Node]:
        """Return the place."""
        self.env.exercise_lists.add(self.env.docname)
        return [ExerciseList()]


def first_line(exercise: nodes.Element) -> list[nodes.Node]:
    """Return copies of what stands in the first line of the first paragraph of an exercise.

    Links with words of their own become these words. Citations are left out: they belong to the page of the exercise.
    """
    line = []
    for part in next(exercise.findall(nodes.paragraph), nodes.paragraph()).children:
        if isinstance(part, pending_xref) and (part.get("refexplicit") or part.get("refdomain") == "cite"):
            line += [nodes.Text(part.astext())] if part.get("refexplicit") else []
            continue
        if not isinstance(part, nodes.Text):
            line.append(part.deepcopy())
            continue
        words, *rest = FIRST_LINE.split(part.astext(), maxsplit=1)
        line.append(nodes.Text(words))
        if rest:
            break
    return line


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the label and the first line of each exercise of a page."""
    found = [(one["label"], first_line(one)) for one in doctree.findall(exercise_enumerable_node)]
    if found:
        app.env.exercise_lines[app.env.docname] = found


def prepare(app: Sphinx) -> None:
    """Give the environment its places for exercises and lists."""
    for name, empty in (("exercise_lines", {}), ("exercise_lists", set())):
        if not hasattr(app.env, name):
            setattr(app.env, name, empty)


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the exercises of a page that is read again."""
    env.exercise_lines.pop(docname, None)
    env.exercise_lists.discard(docname)


def merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    env.exercise_lines |= {name: other.exercise_lines[name] for name in docnames if name in other.exercise_lines}
    env.exercise_lists |= other.exercise_lists & set(docnames)


def write_again(app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Return the pages with a list: they are written again with every change, for the numbers, and show formulas."""
    for name in env.exercise_lists:
        env.domains["math"].data["has_equations"][name] = True  # so that MathJax is loaded
    return env.exercise_lists


class FillLists(SphinxPostTransform):
    """Put the list in its place."""

    default_priority = 5  # before references are resolved, at 9 and 10

    def run(self, **kwargs) -> None:
        """Fill the lists of one page."""
        for place in list(self.document.findall(ExerciseList)):
            place.parent.replace(place, nodes.bullet_list("", *map(self.lesson, self.lessons()), bullet="-"))

    def lessons(self) -> list[str]:
        """Return the lessons that have exercises, in the order of the contents."""
        return [n for n in self.config.external_site_map if is_lesson(n) and n in self.env.exercise_lines]

    def lesson(self, name: str) -> nodes.list_item:
        """Return a lesson with its exercises."""
        link = self.link(name, "", self.env.titles[name].astext())
        entries = [self.entry(name, label, line) for label, line in self.env.exercise_lines[name]]
        return nodes.list_item("", nodes.paragraph("", "", link), nodes.bullet_list("", *entries, bullet="-"))

    def entry(self, name: str, label: str, line: list[nodes.Node]) -> nodes.list_item:
        """Return an exercise."""
        number = ".".join(map(str, self.env.toc_fignumbers[name]["exercise"][label]))
        link = self.link(name, f"#{label}", self.config.numfig_format["exercise"] % number)
        words = [nodes.Text(_(": ")), *(part.deepcopy() for part in line)]
        for reference in (part for part in words if isinstance(part, pending_xref)):
            reference["refdoc"] = self.env.docname
        return nodes.list_item("", nodes.paragraph("", "", link, *words))

    def link(self, name: str, place: str, words: str) -> nodes.reference:
        """Return a link to a place in a lesson."""
        address = self.app.builder.get_relative_uri(self.env.docname, name) + place
        return nodes.reference("", words, internal=True, refuri=address)


class LeaveOutSolutions(SphinxPostTransform):
    """Take the solutions out of a build for a class."""

    default_priority = 2  # before outputs of their cells are looked at
    formats = ("html", "notebooks")

    def run(self, **kwargs) -> None:
        """Change one page."""
        for solution in [] if self.config.with_solutions else list(self.document.findall(solution_node)):
            solution.parent.remove(solution)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    for extension in ("core_path", "sphinx_exercise", "words"):
        app.setup_extension(extension)
    app.add_config_value("with_solutions", os.environ.get("BOOK_SOLUTIONS") != "no", "html", bool)
    app.add_directive("exercises", Exercises)
    app.connect("builder-inited", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", collect)
    app.connect("env-get-updated", write_again)
    app.add_post_transform(FillLists)
    app.add_post_transform(LeaveOutSolutions)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
