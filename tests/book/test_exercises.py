"""Exercises: the list of all, with their numbers and first sentences, and a build without solutions."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from building import build
from small_book import make_book, write_contents, write_page

pytestmark = pytest.mark.slow
LIST, FIRST, SECOND = "book/appendices/exercises", "book/part/first", "book/part/second"


def exercise(label: str, text: str) -> str:
    return f"\n:::{{exercise-start}}\n:label: {label}\n:::\n{text}\n:::{{exercise-end}}\n:::\n"


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    root = make_book(tmp_path_factory.mktemp("book"))
    write_contents(root, SECOND, FIRST, LIST)
    write_page(root, "# All exercises\n\n:::{exercises}\n:::\n", LIST)
    write_page(root, "# Second" + exercise("ex-b", "Why is $x$ [here](first.md) *so* small?\nGuess first."), SECOND)
    write_page(
        root,
        "# First" + exercise("ex-a", "What comes?") + exercise("ex-c", "And then, in [](second.md)?"),
        FIRST,
    )
    return root


def built(root: Path) -> None:
    """Build the book, which must give no warning."""
    done = build(root, root, root / "network.log")
    assert done.returncode == 0, done.stderr


def text(root: Path, name: str) -> str:
    """Return the words of a page."""
    page = (root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")
    return BeautifulSoup(page, "html.parser").article.get_text()


def listed(root: Path) -> list[tuple[str, str]]:
    """Return the words and the links of the lines of the list."""
    page = BeautifulSoup((root / "_build" / "html" / f"{LIST}.html").read_text(encoding="utf-8"), "html.parser")
    lines = page.select("article li > p")
    return [(line.get_text(), line.a["href"]) for line in lines]


def test_exercises_stand_in_the_order_of_the_contents(book):
    built(book)
    assert listed(book) == [
        ("Second", "../part/second.html"),
        ("Exercise 1: Why is \\(x\\) here so small?", "../part/second.html#ex-b"),
        ("First", "../part/first.html"),
        ("Exercise 2: What comes?", "../part/first.html#ex-a"),
        ("Exercise 3: And then, in Second?", "../part/first.html#ex-c"),
    ]
    assert "tex-chtml" in (book / "_build" / "html" / f"{LIST}.html").read_text(encoding="utf-8")


def test_list_follows_a_page_that_changes(book):
    built(book)
    write_page(book, "# First" + exercise("ex-d", "Something new?"), FIRST)
    built(book)
    assert listed(book)[3:] == [("Exercise 2: Something new?", "../part/first.html#ex-d")]


def test_a_class_gets_no_solutions(book, monkeypatch):
    solution = "\n:::{solution-start} ex-s\n:class: dropdown\n:::\nTHE ANSWER\n:::{solution-end}\n:::\n"
    write_page(book, "# First" + exercise("ex-s", "What is it?") + solution, FIRST)
    built(book)
    assert "THE ANSWER" in text(book, FIRST) and "Solution to" in text(book, FIRST)
    monkeypatch.setenv("BOOK_SOLUTIONS", "no")
    built(book)
    assert "What is it?" in text(book, FIRST) and "THE ANSWER" not in text(book, FIRST)
    assert "Solution to" not in text(book, FIRST)
