"""Slides for teachers: what the metadata of cells puts on them, and that a browser shows them from a file alone.

What the metadata of the notebooks has to hold to is among the rules of ``source.py``.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from building import build
from filelock import FileLock
from run_notebooks import ROOT, key_of
from small_book import KERNEL, make_book, write_cells, write_path
from source import core_path

DECKS = [name for name in core_path(ROOT) if name.startswith("notebooks/")]
SCREEN = {"width": 1280, "height": 720}
slow = pytest.mark.slow


def test_slides_change_no_key():
    """Else an edit of a slide would run the notebook again."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    key = key_of(notebook, [], "here")
    notebook.cells[0].metadata["slideshow"] = {"slide_type": "slide", "text": "## A"}
    assert key_of(notebook, [], "here") == key


def test_make_format_keeps_slides(tmp_path):
    write_cells(tmp_path, "1 + 1")
    path = tmp_path / "notebooks" / "cells.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata |= {"slideshow": {"slide_type": "slide"}, "collapsed": True}
    nbformat.write(notebook, path)
    (tmp_path / "tests").mkdir()
    script = shutil.copy(ROOT / "tests" / "strip_notebooks.py", tmp_path / "tests")
    subprocess.run([sys.executable, script], check=True)
    assert nbformat.read(path, as_version=4).cells[1].metadata == {"tags": [], "slideshow": {"slide_type": "slide"}}


PROSE = """Prose of the page, {term}`word`.

:::{admonition} A box
Not spoken.
:::

## A section

Prose of the section: {glue:text}`number`."""
TEXT = """## Second *title*

Is it {glue:text}`number`, or $a < b$?

. . .

It is.

---

## Third"""
PICTURE = """from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>')"""


def cell(kind: str, source: str, slideshow: dict | None = None, **metadata) -> nbformat.NotebookNode:
    """Return a cell with what it puts on slides."""
    make = {"text": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}[kind]
    return make(source, metadata=metadata | ({"slideshow": slideshow} if slideshow else {}))


CELLS = [
    cell("text", "# The title\n\n> A quote."),
    cell("code", "from myst_nb import glue\nglue('number', '4 * 2', display=False)", tags=["remove-cell"]),
    cell("text", "Left out."),
    cell("text", PROSE, {"slide_type": "slide", "text": TEXT}),
    cell("code", "print('<b>')", {"slide_type": "fragment"}),
    cell("code", PICTURE, {"slide_type": "-"}, mystnb={"image": {"alt": "A line, which stands for a plot."}}),
    cell("code", "answer = 1 + 1\nanswer", {"slide_type": "subslide", "text": "## Below", "code": True}),
    cell("text", "Only *spoken*.", {"slide_type": "notes"}),
    cell("text", "Skipped.", {"slide_type": "skip"}),
]
CELLS[0].metadata["slideshow"] = {"slide_type": "slide"}
GLOSSARY = "\n\n:::{glossary}\nword\n  A term.\n:::"


def write_slides(root: Path, cells: list[nbformat.NotebookNode]) -> None:
    """Let the small book have one notebook with these cells on its core path."""
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), root / "notebooks" / "cells.ipynb")
    write_path(root, "notebooks/cells")


def built(root: Path, builder: str = "") -> Path:
    """Build the small book, and return the folder of what was built."""
    options = ["--builder=custom", f"--custom-builder={builder}"] if builder else []
    output = root.parent / "output"
    done = build(root, output, output / "network.log", *options)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return output / "_build"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """What was built of a small book: slides, pages and the notebooks of readers."""
    root = make_book(tmp_path_factory.mktemp("slides") / "book")
    page = root / "book" / "intro.md"
    page.write_text(page.read_text(encoding="utf-8") + GLOSSARY, encoding="utf-8")
    write_slides(root, CELLS)
    for builder in ("slides", "", "notebooks"):
        output = built(root, builder)
    return output


@pytest.fixture(scope="module")
def deck(small) -> BeautifulSoup:
    """The slides of the small book."""
    return BeautifulSoup((small / "slides" / "cells.html").read_text(encoding="utf-8"), "html.parser")


def shown(section: BeautifulSoup) -> list[str]:
    """Return the text of each part of a slide, notes left out."""
    return [part.get_text(" ", strip=True) for part in section.find_all(recursive=False) if part.name != "aside"]


@slow
def test_a_slide_shows_what_its_metadata_says(deck):
    first, second, stack = deck.select(".slides > section")
    assert shown(first) == ["The title", "A quote."]
    assert first.blockquote
    assert shown(second) == ["Second title", r"Is it 4 * 2, or \(a < b\) ?", "It is."]
    third, below = stack.select("section")
    assert shown(third) == ["Third", "<b>", ""]
    assert shown(below) == ["Below", "answer = 1 + 1 answer 2"]
    assert "Left out." not in deck.text and "Skipped." not in deck.text


@slow
def test_answers_wait(deck):
    _, second, stack = deck.select(".slides > section")
    assert [part.text.strip() for part in second.select(".fragment")] == ["It is."]
    assert [part.text.strip() for part in stack.select(".fragment")] == ["<b>"]


@slow
def test_code_is_shown_only_where_it_is_asked_for(deck):
    assert len(deck.select(".highlight")) == 1


@slow
def test_a_plot_keeps_its_words(deck):
    (plot,) = deck.select("img")
    assert plot["alt"] == "A line, which stands for a plot."
    assert plot["src"].startswith("data:image/svg+xml;base64,")


@slow
def test_notes_are_the_prose_of_the_page(deck):
    notes = [note.get_text(" ", strip=True) for note in deck.select("aside.notes")]
    assert notes == ["Prose of the page, word.", "Prose of the section: 4 * 2.", "Only spoken ."]


@slow
def test_nothing_else_shows_what_is_for_slides(small):
    page = (small / "html" / "notebooks" / "cells.html").read_text(encoding="utf-8")
    notebook = (small / "notebooks" / "notebooks" / "cells.ipynb").read_text(encoding="utf-8")
    for text in (page, notebook):
        assert "Prose of the page" in text
        assert "Second" not in text and "slideshow" not in text


MISTAKES = {
    "type": ({"slide_type": "slides"}, "has the slide_type slides, not one of slide, subslide"),
    "beginning": ({"slide_type": "fragment"}, "has the slide_type fragment before the first slide"),
    "number": ({"slide_type": "slide", "text": "{glue:text}`nothing`"}, "a slide shows nothing, which the notebook"),
}


@slow
def test_mistakes_fail_the_build(tmp_path):
    root = make_book(tmp_path)
    write_slides(root, [cell("text", "# Title"), *(cell("text", "Text.", slide) for slide, _ in MISTAKES.values())])
    done = build(root, root / "out", root / "network.log", "--builder=custom", "--custom-builder=slides")
    assert done.returncode != 0
    assert [message for _, message in MISTAKES.values() if message not in done.stdout + done.stderr] == []


@pytest.fixture(scope="module")
def folder(built_book) -> Path:
    """The folder of the slides of the whole book."""
    output = built_book.parents[1]
    with FileLock(output / "slides.lock"):
        if not (built_book.parent / "slides" / "index.html").exists():
            done = build(ROOT, output, output / "network.log", "--builder=custom", "--custom-builder=slides")
            assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
            assert "Executing notebook" not in done.stdout + done.stderr
    return built_book.parent / "slides"


@slow
def test_index_lists_the_decks_in_the_order_of_the_core_path(folder):
    index = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert [link["href"] for link in index.select("ol a")] == [f"{Path(name).name}.html" for name in DECKS]
    assert {path.name for path in folder.glob("*.html")} == {
        "index.html",
        *(f"{Path(name).name}.html" for name in DECKS),
    }


class Show:
    """A deck in a browser, opened as a file, with every request it made and every error it reported."""

    def __init__(self, browser, path: Path, query: str = ""):
        self.requests, self.errors = [], []
        self.page = browser.new_context(viewport=SCREEN).new_page()
        self.page.set_default_timeout(60_000)  # milliseconds: a deck has megabytes, and a machine may be busy
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self.hear)
        self.page.goto(path.as_uri() + query)
        self.page.wait_for_function("Reveal.isReady() && !(window.MathJax && !MathJax.startup?.document?.state())")

    def hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.page.context.close()

    def place(self) -> list[int]:
        """Return the number of the slide, and how many fragments of it are shown."""
        return self.page.evaluate(
            "[Reveal.getIndices().h, Reveal.getCurrentSlide().querySelectorAll('.fragment.visible').length]"
        )


# Shows each slide with all of its fragments, and returns what does not fit: the number of the slide stands in its
# lowest 36 pixels, and a plot that is flat has no room left.
FITS = """() => {
    const problems = [];
    for (const slide of Reveal.getSlides()) {
        const {h, v} = Reveal.getIndices(slide);
        Reveal.slide(h, v, 1000);
        const say = (part, what) => problems.push(
            `${slide.querySelector("h1, h2")?.innerText}: ${part.tagName} ${part.className} ${what}`);
        for (const part of [slide, ...slide.querySelectorAll("*")]) {
            if (part.closest("svg, aside, mjx-assistive-mml")) continue;
            const {left, right, top, bottom, width, height} = part.getBoundingClientRect();
            const hides = part === slide || getComputedStyle(part).overflow !== "visible" || part.matches(".cell");
            if (hides && (part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1))
                say(part, "is cut off");
            if (part !== slide && width && (left < 0 || top < 0 || right > 1280 || bottom > 720 - 36))
                say(part, "leaves the slide");
            if (part.matches(".plot") && height < 240) say(part, "is flat");
        }
    }
    return problems;
}"""
PLAYS = """() => {
    const player = document.querySelector("audio");
    player.muted = true;
    return new Promise(done => {
        setTimeout(() => done(-1), 10000);
        player.play().catch(() => done(-1));
        player.addEventListener("timeupdate", () => { if (player.currentTime > 0) done(player.duration); });
    });
}"""


@dataclass
class Seen:
    """What was seen of a deck."""

    foreign: list[str]
    errors: list[str]
    misfits: list[str]
    formulas: list[int]
    seconds: float


@pytest.fixture(scope="module")
def seen(browser, folder) -> dict[str, Seen]:
    """What was seen of every deck."""
    found = {}
    for name in DECKS:
        path = folder / f"{Path(name).name}.html"
        with Show(browser, path) as show:
            misfits, seconds = show.page.evaluate(FITS), show.page.evaluate(PLAYS)
            count = "['.math', 'mjx-container', 'mjx-merror, [data-mml-node=merror]']"
            formulas = show.page.evaluate(f"{count}.map(kind => document.querySelectorAll(kind).length)")
            foreign = [url for url in show.requests if not url.startswith((path.as_uri(), "data:", "blob:"))]
            found[name] = Seen(foreign, show.errors, misfits, formulas, seconds)
    return found


def problems(seen: dict[str, Seen], find) -> dict:
    """Return what ``find`` finds in the decks where it finds something."""
    return {name: what for name, one in seen.items() if (what := find(one))}


@slow
def test_no_deck_asks_for_anything(seen):
    assert problems(seen, lambda one: one.foreign) == {}


@slow
def test_no_deck_reports_an_error_or_a_warning(seen):
    assert problems(seen, lambda one: one.errors) == {}


@slow
def test_every_slide_fits_on_the_screen(seen):
    assert problems(seen, lambda one: one.misfits) == {}


@slow
def test_formulas_are_set_on_slides(seen):
    assert (
        problems(seen, lambda one: one.formulas if one.formulas[0] != one.formulas[1] or one.formulas[2] else []) == {}
    )
    assert sum(one.formulas[0] for one in seen.values()) > 10


@slow
def test_a_player_of_each_deck_plays(seen):
    assert problems(seen, lambda one: [one.seconds] if one.seconds < 0.5 else []) == {}


@pytest.fixture
def opened(browser, folder):
    """Open a deck, and close it after the test."""
    shows = []

    def open_deck(name: str = "why_language", query: str = "") -> Show:
        shows.append(Show(browser, folder / f"{name}.html", query))
        return shows[-1]

    yield open_deck
    for show in shows:
        with show:
            assert show.errors == []


@slow
def test_keys_lead_through_a_deck(opened):
    show = opened()
    places = [show.place()]
    for key in ("ArrowRight", "Space", "ArrowLeft", "ArrowLeft"):
        show.page.keyboard.press(key)
        places.append(show.place())
    assert places == [[0, 0], [0, 1], [1, 0], [0, 1], [0, 0]]


@slow
def test_a_player_that_was_clicked_leaves_the_keys_alone_and_stops_with_its_slide(opened):
    show = opened()
    player = show.page.locator("audio").first
    player.evaluate("player => { player.muted = true; }")
    player.click(position={"x": 20, "y": 20})
    show.page.wait_for_function("!document.querySelector('audio').paused")
    for _ in range(2):
        show.page.keyboard.press("ArrowRight")
    assert show.place() == [1, 0]
    assert player.evaluate("player => player.paused")


@slow
def test_a_speaker_has_notes(opened):
    show = opened()
    with show.page.expect_popup() as popup:
        show.page.keyboard.press("s")
    notes = popup.value.locator(".speaker-controls-notes .value")
    for _ in range(2):
        show.page.keyboard.press("ArrowRight")
    notes.filter(has_text="one-hot vector").wait_for()


@slow
def test_a_deck_prints_a_page_a_slide(opened):
    count = opened().page.evaluate("Reveal.getTotalSlides()")
    show = opened(query="?print-pdf")
    show.page.wait_for_selector(".pdf-page")
    pdf = show.page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == count
