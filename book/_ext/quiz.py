"""Sphinx extension: the directive ``quiz``, questions out of ``book/data/quizzes.yml`` with a reason for each answer.

::

    :::{quiz} description-1
    :::

The argument is the name of a quiz of that file. Each answer is a line that opens, and says whether it is right and why:
plain HTML, which needs no script. ``quiz.js`` counts what was right at the first try.

All words that a page shows, also those of this file, are text in its doctree, so that its gettext catalogue has them.
The notebooks of the readers have the same folds. Other builders show the questions, and the reasons after the last one.
"""

import html
from pathlib import Path
from string import ascii_uppercase

import yaml
from docutils import nodes
from plain_markdown import Folded
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from words import _

logger = logging.getLogger(__name__)
QUIZZES = Path("book") / "data" / "quizzes.yml"
HOW = "Choose an answer to each question, and open it: it says whether it is right, and why."
RIGHT, WRONG = "Right.", "Wrong."
AGAIN = "To read again:"
SCORE = "Right at the first try: {right} of {answered}."


class Quiz(nodes.General, nodes.Element):
    """A quiz: a paragraph, its questions, and the score."""


class Question(nodes.General, nodes.Element):
    """A question, with its ``number`` and its ``name`` in the page: what is asked, the options, and where to read."""


class Asked(nodes.General, nodes.Element):
    """What is asked: paragraphs."""


class Option(nodes.General, nodes.Element):
    """An option with its ``letter``, ``right`` or not: the answer, a verdict, and the reason."""


class Answer(nodes.General, nodes.TextElement):
    """The words of an option."""


class Score(nodes.General, nodes.TextElement):
    """What the script says after each question that was answered."""


def read(root: Path, name: str) -> list[dict]:
    """Return the questions of a quiz.

    Raises
    ------
    ValueError
        If there is no such quiz, or if a question lacks something.
    """
    quizzes = yaml.safe_load((root / QUIZZES).read_text(encoding="utf-8"))
    if name not in quizzes:
        raise ValueError(f"there is no quiz {name!r}: {QUIZZES.as_posix()} has {', '.join(quizzes)}")
    for number, question in enumerate(quizzes[name], start=1):
        where = f"question {number} of the quiz {name!r}"
        check(question, {"question": str, "see": str, "options": list}, where)
        for letter, option in lettered(question["options"]):
            check(option, {"answer": str, "reason": str}, f"option {letter} of {where}")
        right = sum(option.get("right", False) for option in question["options"])
        if right != 1:
            raise ValueError(f"{where} has {right} right answers: give `right: true` to one option")
    return quizzes[name]


def lettered(options: list[dict]) -> zip:
    """Return each option with its letter."""
    return zip(ascii_uppercase, options, strict=False)


def check(part: dict, fields: dict[str, type], where: str) -> None:
    """Raise a ValueError if a question or an option lacks a field, or has something else in it."""
    for field, kind in fields.items():
        if not isinstance(part.get(field), kind) or not part[field]:
            expected = "a list" if kind is list else "a text, in quotes if it is a number,"
            raise ValueError(f"{where} has {part.get(field)!r} as its `{field}`: {expected} is expected")


class ShowQuiz(SphinxDirective):
    """Show a quiz."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the quiz, or warn of what is wrong with it."""
        root, name = Path(self.env.srcdir), self.arguments[0]
        self.env.note_dependency(str(root / QUIZZES))
        try:
            entries = read(root, name)
        except ValueError as error:
            logger.warning("%s", error, location=self.get_location())
            return []
        quiz = Quiz("", self.said(nodes.paragraph, HOW))
        for number, entry in enumerate(entries, start=1):
            question = Question("", Asked("", *self.parsed(entry["question"])), number=number, name=f"{name}-{number}")
            question += [self.option(letter, one) for letter, one in lettered(entry["options"])]
            page = entry["see"].partition("#")[0]
            if page in self.env.found_docs:
                self.env.note_dependency(self.env.doc2path(page))  # for its headings
            question += self.said(nodes.paragraph, AGAIN, see=entry["see"], classes=["quiz-again"])
            quiz += question
        quiz += self.said(Score, SCORE)
        return [quiz]

    def option(self, letter: str, entry: dict) -> Option:
        """Return an option."""
        right = entry.get("right", False)
        words, __ = self.state.inline_text(entry["answer"], self.lineno)
        option = Option("", self.said(Answer, entry["answer"], *words), letter=letter, right=right)
        option += self.said(nodes.paragraph, RIGHT if right else WRONG, classes=["quiz-verdict"])
        option += self.parsed(entry["reason"])
        return option

    def said(self, kind: type, source: str, *children: nodes.Node, **attributes) -> nodes.TextElement:
        """Return words as a node that can be translated: the catalogues leave out what has no source."""
        node = kind(source, "", *(children or [nodes.Text(source)]), **attributes)
        self.set_source_info(node)
        return node

    def parsed(self, text: str) -> list[nodes.Node]:
        """Return the paragraphs of a text in MyST."""
        holder = nodes.Element()
        self.state.nested_parse(text.splitlines(), 0, holder)
        return holder.children


class FinishQuizzes(SphinxPostTransform):
    """Link each question to its page, now that all headings are known, and let other builders see no node of ours."""

    default_priority = 200

    def run(self, **kwargs) -> None:
        """Change the quizzes of one page."""
        builder = self.app.builder
        if builder.name == "gettext":  # which takes the words from the page as it was read
            return
        for quiz in list(self.document.findall(Quiz)):
            for paragraph in quiz.findall(nodes.paragraph):
                if "see" in paragraph:
                    paragraph += [nodes.Text(" "), self.link(paragraph)]
            if builder.format != "html":
                mark(quiz)
                quiz.parent.replace(quiz, folded(quiz) if builder.format == "notebooks" else listed(quiz))

    def link(self, paragraph: nodes.paragraph) -> nodes.Node:
        """Return a link to the section that a paragraph names, by its heading, or warn if there is none."""
        page, __, section = paragraph["see"].partition("#")
        entries = self.env.tocs[page].findall(nodes.reference) if page in self.env.tocs else ()
        headings = {entry["anchorname"].removeprefix("#"): entry.astext() for entry in entries}  # "" for the title
        if section not in headings:
            there = f"the sections of {page} are {', '.join(filter(None, headings))}" if headings else "no such page"
            logger.warning("a quiz refers to %s: %s", paragraph["see"], there, location=paragraph)
            return nodes.Text(paragraph["see"])
        words = headings[section]
        if section and page != self.env.docname:
            words = _("{section} ({page})").format(section=words, page=headings[""])
        if self.app.builder.format not in ("html", "notebooks"):
            return nodes.emphasis("", words)
        address = self.app.builder.get_relative_uri(self.env.docname, page) + (f"#{section}" if section else "")
        return nodes.reference("", words, internal=True, refuri=address or "#")


def mark(quiz: Quiz) -> None:
    """Write the numbers and the verdicts into the text, where no HTML shows them."""
    for question in quiz.findall(Question):
        question[0][0].insert(0, [nodes.strong("", f"{question['number']}."), nodes.Text(" ")])
    for option in quiz.findall(Option):
        __, verdict, reason, *__ = option.children
        reason.insert(0, [nodes.strong("", verdict.astext()), nodes.Text(" ")])
        option.remove(verdict)


def folded(quiz: Quiz) -> list[nodes.Node]:
    """Return a quiz with folds as Jupyter shows them."""
    found = [quiz[0]]
    for question in quiz.findall(Question):
        asked, *options, again = question.children
        found += asked.children
        for option in options:
            title = html.escape(f"{option['letter']}. {option[0].astext()}", quote=False)
            found.append(Folded("", *option[1:], title=title))
        found.append(again)
    return found


def listed(quiz: Quiz) -> list[nodes.Node]:
    """Return a quiz as lists: the questions with their options, and then the reasons."""
    found, answers = [], nodes.enumerated_list(enumtype="arabic", prefix="", suffix=".")
    for question in quiz.findall(Question):
        asked, *options, again = question.children
        letters = {"enumtype": "upperalpha", "prefix": "", "suffix": "."}
        answer = [nodes.paragraph("", "", *option[0].children) for option in options]
        found += [*asked.children, nodes.enumerated_list("", *(nodes.list_item("", one) for one in answer), **letters)]
        reasons = nodes.enumerated_list("", *(nodes.list_item("", *option[1:]) for option in options), **letters)
        answers += nodes.list_item("", reasons, again)
    return [*found, nodes.paragraph("", "", nodes.strong("", _("Answers"))), answers]


def open_quiz(translator: object, node: Quiz) -> None:
    """Begin a quiz, which the script finds by its class."""
    translator.body.append('<div class="quiz">\n')


def open_question(translator: object, node: Question) -> None:
    """Begin a group that is named by what is asked."""
    translator.body.append(f'<div class="quiz-question" role="group" aria-labelledby="quiz-{node["name"]}">\n')


def open_asked(translator: object, node: Asked) -> None:
    """Write the number before what is asked."""
    name, number = node.parent["name"], node.parent["number"]
    translator.body.append(f'<div class="quiz-asked" id="quiz-{name}"><span>{number}.</span><div>')


def open_option(translator: object, node: Option) -> None:
    """Begin what opens."""
    translator.body.append(f'<details class="quiz-option quiz-{"right" if node["right"] else "wrong"}">')


def open_answer(translator: object, node: Answer) -> None:
    """Write the letter before the words that are clicked."""
    translator.body.append(f"<summary>{node.parent['letter']}. ")


def write_score(translator: object, node: Score) -> None:
    """Leave a place for the script, which a screen reader reads when something is written there."""
    words = html.escape(node.astext())
    translator.body.append(f'<p class="quiz-score" role="status" data-words="{words}"></p>\n')
    raise nodes.SkipNode


def closing(tags: str):
    """Return a function that writes the ends of some tags."""
    return lambda translator, node: translator.body.append(f"{tags}\n")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("words")
    app.add_node(Quiz, html=(open_quiz, closing("</div>")))
    app.add_node(Question, html=(open_question, closing("</div>")))
    app.add_node(Asked, html=(open_asked, closing("</div></div>")))
    app.add_node(Option, html=(open_option, closing("</details>")))
    app.add_node(Answer, html=(open_answer, closing("</summary>")))
    app.add_node(Score, html=(write_score, None))
    app.add_directive("quiz", ShowQuiz)
    app.add_post_transform(FinishQuizzes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
