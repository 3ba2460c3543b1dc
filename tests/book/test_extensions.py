"""What the extensions of the book do to a page: clips, folded cells, the core path, boxes and roles."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from building import build
from run_notebooks import ROOT
from small_book import make_book, write_cells, write_contents, write_page, write_path

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import core_path

CORE, NEXT, DEEPER = "book/part/page", "notebooks/part/cells", "book/part/deeper"
INSTALL = "# Install.\nimport sys\nif 'google.colab' in sys.modules:\n    %pip install wheelhouse"
FIGURE = "import matplotlib.pyplot as plt\n_ = plt.subplots(figsize=(12, 1))"
CLIPS = """# A page

Text, {cite:p}`radford2021learning`.

:::{clip} chorale-choir
:label: A <b> & "B"
Listen to the *voices* of [](deeper.md).
:::

:::{clip} ambient
:::

Between.

:::{clip} rock
:::

```{figure} wide.svg
:width: 600px
:alt: A wide line, which stands for a figure.

The caption.
```
"""
pytestmark = pytest.mark.slow
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 1"><path d="M0 0h9"/></svg>'


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The pages of a small book with two pages on its core path."""
    root = make_book(tmp_path_factory.mktemp("book"))
    pages = (CORE, NEXT, DEEPER, "book/paths", "book/bibliography")
    write_contents(root, *pages)
    write_path(root, CORE, NEXT)
    write_page(root, CLIPS, CORE)
    (root / "book" / "part" / "wide.svg").write_text(SVG, encoding="utf-8")
    write_page(root, "# Deeper page\n\nText.\n", DEEPER)
    write_page(root, "# Paths\n\n:::{notebook-times}\n:::\n", "book/paths")
    write_page(root, "# Bibliography\n\n```{bibliography}\n```\n", "book/bibliography")
    cells = ((INSTALL, "colab"), (FIGURE, "hide-input"), "visible_name = 1\nprint('heard' + 'aloud')")
    write_cells(root, *cells, name=NEXT)
    done = build(root, root / "out", root / "network.log")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return root / "out" / "_build" / "html"


@pytest.fixture(scope="module")
def page(book):
    """Read a page of the small book."""
    return lambda name: BeautifulSoup((book / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_clip_is_a_player_with_its_words(book, page):
    first, second, _ = page(CORE).select("figure.sound")
    assert first.strong.text == "A <b> & “B”"
    assert first.figcaption.em.text == "voices"
    assert first.figcaption.a["href"] == "deeper.html"
    assert second.strong.text == "Two chords and a few bells"
    for figure in (first, second):
        assert figure.audio["preload"] == "none"
        assert figure.audio["aria-label"] == figure.strong.text
        assert figure.strong.text in figure.img["alt"]
        for source in (figure.audio["src"], figure.img["src"]):
            assert (book / CORE).parent.joinpath(source).resolve().stat().st_size > 1000


def test_clips_in_a_row_stand_side_by_side(page):
    assert [len(row.select("figure.sound")) for row in page(CORE).select(".sounds")] == [2, 1]


def test_colab_cell_is_in_the_notebook_and_not_in_the_page(book, page):
    assert "wheelhouse" not in page(NEXT).text
    notebook = nbformat.read(book / "_sources" / f"{NEXT}.ipynb", as_version=4)
    assert notebook.cells[1].source == INSTALL


def test_folded_code_is_behind_a_click_and_its_output_is_not(page):
    (fold,) = page(NEXT).select("details")
    assert not fold.has_attr("open")
    assert "import matplotlib" in fold.text
    assert [prompt.text for prompt in fold.select("summary p")] == ["Show the code", "Hide the code"]
    assert not fold.summary.has_attr("aria-label")
    assert fold.find_next_sibling(class_="cell_output").img


def test_folded_code_is_not_in_the_index(book):
    text = (book / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    terms = set(index["terms"])
    assert {"visible_nam", "heardaloud", "voic"} <= terms
    assert not {"matplotlib", "wheelhous", "plt", "pip", "core", "next"} & terms


def test_pages_of_the_core_path_say_so(page):
    marks = {name: page(name).select(".path-mark") for name in (CORE, NEXT, DEEPER, "book/intro", "book/paths")}
    texts = {name: [mark.text for mark in found] for name, found in marks.items()}
    assert texts == {
        CORE: ["★ Core path, 1 of 2"],
        NEXT: ["★ Core path, 2 of 2"],
        DEEPER: ["Deeper"],
        "book/intro": [],
        "book/paths": [],
    }
    assert marks[CORE][0].a["href"] == "../paths.html"
    assert marks[CORE][0].find_previous_sibling().name == "h1"


def test_core_path_leads_on(page):
    (following,) = page(CORE).select(".path-next")
    assert following.text == "Next on the core path: Cells"
    assert following.a["href"] == "../../notebooks/part/cells.html"
    (ending,) = page(NEXT).select(".path-next")
    assert ending.text == "The core path ends here: other ways"
    assert page(DEEPER).select(".path-next") == []


@pytest.mark.parametrize("name", [CORE, DEEPER, "book/intro"])
def test_contents_mark_the_core_path(page, name):
    links = page(name).select(".bd-sidenav a")
    marked = {re.sub(r"\s+", " ", link.text).strip() for link in links if link.select(".path-symbol[aria-hidden=true]")}
    assert marked == {"A page ★ (core path)", "Cells ★ (core path)"}


def test_table_has_the_seconds_of_each_notebook_and_a_link(page):
    (row,) = page("book/paths").select("article table tbody tr")
    notebook, seconds = row.select("td")
    assert notebook.a["href"] == f"../{NEXT}.html" and seconds.text.strip().isdigit()


def test_picture_scrolls_without_its_caption(page):
    (figure,) = page(CORE).select("figure:not(.sound)")
    assert figure.select(".figure-scroller img") and not figure.select(".figure-scroller figcaption")


def test_page_has_no_second_bar_and_has_colors_without_scripts(page):
    for name in (CORE, "book/intro", "search"):
        assert page(name).select("header") == []
        assert not page(name).html.has_attr("data-theme"), "the theme sets colors for no mode, light and dark alone"


def test_bibliography_is_no_list_without_items(page):
    (listed,) = page("book/bibliography").select(".citation-list")
    assert not listed.has_attr("role")
    assert not listed.select("[role]")


@pytest.mark.parametrize(
    ("text", "message"),
    [("pages: []", "has no list"), ("core: page", "has no list"), ("core: [a, a]", "twice"), ("- a", "has no list")],
)
def test_broken_paths_are_refused(tmp_path, text, message):
    file = tmp_path / core_path.PATHS
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        core_path.read_paths(tmp_path)


def test_book_without_paths_has_no_core_path(tmp_path):
    assert core_path.read_paths(tmp_path) == []
