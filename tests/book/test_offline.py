"""The book as a PDF, and the bundle for readers without a network."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pikepdf
import pypdfium2
import pytest
import yaml
from building import build
from run_notebooks import ROOT
from small_book import make_book, write_cells, write_page
from source import contents

pytestmark = pytest.mark.slow
OFFLINE = ROOT / "book" / "offline"
NAME = "connecting_music_audio_and_natural_language"
SITE = "https://example.org/book"
NOTEBOOKS = ("--builder=custom", "--custom-builder=notebooks")
MILLIMETER = 72 / 25.4  # points
LARGEST = {"pdf": 25_000_000, "zip": 60_000_000}  # bytes
CONTENTS = """\
format: jb-book
root: book/intro
parts:
- caption: First part & more
  chapters:
  - file: book/part/page
- caption: Second part
  chapters:
  - file: notebooks/part/cells
  - file: book/bibliography
"""
FRONT = """# Front page

See [](part/page.md) and {ref}`ex-one`.

:::{clip} chorale-choir
:label: The choir
:::
"""
PAGE = """# A page

Text, {cite:p}`radford2021learning`, and `a_name_in_code.WithoutAnyPlace_whereALine_couldBreak_atAll`.

$$
a = b + c
$$ (eq)

Equation {eq}`eq` is numbered.

## A section

<div class="live-x" data-parts="x-1"><form><input><p>Words of a widget</p></form></div>

:::{exercise-start}
:label: ex-one
:::
Do it.
:::{exercise-end}
:::

:::{solution-start} ex-one
:class: dropdown
:::
It was done.
:::{solution-end}
:::

:::{quiz} one
:::

:::{registry} benchmarks
:::
"""
QUIZ = {
    "question": "What is asked?",
    "see": "book/part/page#a-section",
    "options": [
        {"answer": "The choice", "reason": "The reason.", "right": True},
        {"answer": "Another", "reason": "Not so."},
    ],
}
CELLS = (
    ("hidden_name = 1", "hide-input"),
    "shown_name = 'word ' * 99\nprint(shown_name)",
    "import pandas\npandas.DataFrame([[f'column{i}' for i in range(20)]])",
    ("removed_name = 1", "remove-cell"),
    "from IPython.display import HTML\nHTML('<audio src=\"data:audio/mpeg;base64,SUQzBAAAAAAAAA==\"></audio>')",
)


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The root of a small book, built as pages and as the notebooks of readers."""
    root = make_book(tmp_path_factory.mktemp("offline") / "book")
    (root / "book" / "_toc.yml").write_text(CONTENTS, encoding="utf-8")
    write_page(root, FRONT)
    write_page(root, PAGE, "book/part/page")
    write_page(root, "# Bibliography\n\n```{bibliography}\n```\n", "book/bibliography")
    write_cells(root, *CELLS, name="notebooks/part/cells")
    (root / "book" / "data").mkdir()
    (root / "book" / "data" / "quizzes.yml").write_text(yaml.safe_dump({"one": [QUIZ]}), encoding="utf-8")
    shutil.copy(ROOT / "book" / "data" / "benchmarks.yml", root / "book" / "data")
    for options in ((), NOTEBOOKS):
        done = build(root, root.parent, root.parent / "network.log", *options, site=SITE)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return root


def offline(script: str, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Run a script of ``book/offline``."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, OFFLINE / script, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def print_book(root: Path, pages: Path, target: Path) -> subprocess.CompletedProcess:
    """Print the pages of a small book."""
    return offline("pdf.py", pages, target, "--contents", root / "book" / "_toc.yml")


@pytest.fixture(scope="module")
def pdf(book, browser) -> Path:
    """The small book as a PDF."""
    target = book.parent / "_build" / f"{NAME}.pdf"
    done = print_book(book, book.parent / "_build" / "html", target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def texts(pdf) -> list[str]:
    """The text of each page of the PDF."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def titles(items: list, level: int = 0) -> list[tuple[int, str]]:
    """Return the entries of an outline with their levels."""
    return [pair for item in items for pair in ((level, str(item.title)), *titles(item.children, level + 1))]


def outline(path: Path) -> list[tuple[int, str]]:
    """Return the outline of a PDF."""
    with pikepdf.open(path) as document, document.open_outline() as opened:
        return titles(opened.root)


def test_title_page_says_what_this_is(texts):
    expected = ("Connecting Music Audio and Natural Language", "The contributors", "CC BY 4.0", "ISMIR 2024", "Commit ")
    assert [words for words in expected if words not in texts[0]] == []


def test_contents_have_the_numbers_of_the_pages(texts):
    chapters = {"Front page": 3, "First part & more": 4, "A page": 4, "Second part": 0, "Cells": 0, "Bibliography": 0}
    found = re.findall(r"(\D+?) (\d+)(?= |$)", texts[1].partition("Contents ")[2])
    assert [title.strip() for title, _ in found][: len(chapters)] == list(chapters)
    for title, number in found[: len(chapters)]:
        assert title.strip() in texts[int(number) - 1][:200], title
        assert not chapters[title.strip()] or chapters[title.strip()] == int(number)


def test_pages_have_a_number_and_a_running_title(texts):
    for number, text in list(enumerate(texts, start=1))[2:]:
        assert "Connecting Music Audio and Natural Language" in text and re.search(rf"\b{number}\b", text)
    for words, running in (("See A page", "Front page"), ("shown_name", "Cells"), ("Alec Radford", "Bibliography")):
        (page,) = (text for text in texts if words in text)
        assert running in re.sub(r"Natural Language", "", page)[:200]


def test_references_to_other_chapters_have_the_number_of_the_page(texts):
    assert "See A page (p. 4) and Exercise 1 (p. 4)." in texts[2].replace("\xa0", " ")


def test_outline_has_parts_chapters_and_sections(pdf):
    assert outline(pdf) == [
        (0, "Contents"),
        (0, "Front page"),
        (0, "First part & more"),
        (1, "A page"),
        (2, "A section"),
        (2, "Solutions"),
        (0, "Second part"),
        (1, "Cells"),
        (1, "Bibliography"),
    ]


def test_links_lead_to_a_page_or_to_the_web(pdf):
    inside, outside = 0, []
    with pikepdf.open(pdf) as document:
        pages = {page.objgen for page in document.pages}
        for page in document.pages:
            for link in page.get("/Annots", []):
                action = link.get("/A", {})
                if "/URI" in action:
                    outside.append(str(action.URI))
                    continue
                place = link.get("/Dest", action.get("/D"))
                place = document.Root.Dests[str(place)] if isinstance(place, pikepdf.Name) else place
                assert place[0].objgen in pages
                inside += 1
    assert inside > 10
    assert f"{SITE}/book/intro.html#front-page" in outside
    assert [address for address in outside if "127.0.0.1" in address or not address.startswith("http")] == []


def test_no_text_is_off_the_page(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        for number, page in enumerate(document, start=1):
            text = page.get_textpage()
            right = page.get_width() - 19 * MILLIMETER
            for index in range(text.count_chars()):
                if not text.get_text_range(index, 1).isspace():
                    left, bottom, end, _ = text.get_charbox(index)
                    assert left > 0 and bottom > 0 and end <= right, (number, text.get_text_range(index, 30))


def test_players_are_pictures_with_a_note(texts):
    assert "To try: example.org/book/book/part/page.html" in "".join(texts) and "Words of" not in "".join(texts)
    assert "The choir" in texts[2] and "To hear: example.org/book/book/intro.html" in texts[2]


def test_folded_code_is_left_out_and_its_place_is_marked(texts):
    text = " ".join(texts)
    assert "hidden_name" not in text and "removed_name" not in text and "shown_name" in text
    assert text.count("The code is in the notebook.") == 1


def test_solutions_and_answers_come_after_the_page(texts):
    text = " ".join(texts)
    for order in (("Do it.", "Solutions", "It was done."), ("A. The choice", "Answers of", "1A. Right.")):
        assert sorted(order, key=text.index) == list(order)
    assert "1A. Right. The reason." in text and "1B. Wrong. Not so." in text
    told = re.search(r"Exercise 1.{0,3}Solution: p.\s(\d)", text)
    assert "It was done." in texts[int(told[1]) - 1]


def test_pdf_says_nothing_of_the_machine(pdf):
    with pikepdf.open(pdf) as document:
        assert set(document.docinfo.keys()) == {"/Title", "/Author"}
    assert not [word for word in (str(ROOT), str(Path.home()), "127.0.0.1") if word.encode() in pdf.read_bytes()]


@pytest.fixture
def changed(book, tmp_path):
    """Copy the pages of the small book, and add something to the front page."""

    def change(addition: str) -> Path:
        pages = Path(shutil.copytree(book.parent / "_build" / "html", tmp_path / "html"))
        front = pages / "book" / "intro.html"
        text = front.read_text(encoding="utf-8").replace("<p>See ", f"{addition}<p>See ")
        front.write_text(re.sub('<link rel="canonical"[^>]*>', "", text), encoding="utf-8")
        return pages

    return change


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ('<div id="wide" style="width: 900px">x</div>', 'wider than the paper:\nbook/intro: <div id="book/intro:wide"'),
        ("<p>\ue0fe</p>", "no font here has \ue0fe: install one"),
    ],
    ids=["wide", "character"],
)
def test_what_paper_cannot_show_is_refused(book, changed, browser, tmp_path, addition, message):
    done = print_book(book, changed(addition), tmp_path / "book.pdf")
    assert done.returncode != 0 and message in done.stderr


def test_book_without_an_address_names_the_page_of_a_player(book, changed, browser, tmp_path):
    target = tmp_path / "book.pdf"
    assert print_book(book, changed(""), target).returncode == 0
    with pypdfium2.PdfDocument(target) as document:
        assert "To hear: book/intro.html among the pages" in document[2].get_textpage().get_text_range()


@pytest.fixture(scope="module")
def bundle(book, pdf) -> Path:
    """The small book as a bundle."""
    done = offline("bundle.py", book.parent / "_build", "--sources", book)
    assert done.returncode == 0, done.stderr
    return pdf.parent / f"{NAME}-offline.zip"


@pytest.fixture(scope="module")
def unpacked(bundle, tmp_path_factory) -> Path:
    """The bundle in a folder whose name a careless program stumbles over."""
    folder = tmp_path_factory.mktemp("bundle") / "Bücher & 音乐 #1"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder / NAME


def test_bundle_has_what_a_reader_needs_and_nothing_else(unpacked):
    assert sorted(path.name for path in unpacked.iterdir()) == [
        "LICENSE",
        "README.txt",
        f"{NAME}.pdf",
        "notebooks",
        "pages",
    ]
    names = [path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")]
    assert [name for name in names if "/." in name or "doctrees" in name] == []
    notebooks = {name.removeprefix("notebooks/") for name in names if name.endswith(".ipynb") and name < "p"}
    pages = {"index", "book/intro", "book/part/page", "book/bibliography", "notebooks/part/cells"}
    assert notebooks == {f"{name}.ipynb" for name in pages} | {"notebooks/part/cells.outputs.ipynb"}


def test_bundle_names_no_path_of_the_machine(unpacked, book):
    for path in unpacked.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert [place for place in (ROOT, book, Path.home()) if str(place).encode() in content] == [], path


def test_outputs_are_in_their_notebook_and_in_no_other(unpacked):
    def outputs(name: str) -> list:
        cells = nbformat.read(unpacked / "notebooks" / "notebooks" / "part" / name, as_version=4).cells
        return [cell.outputs for cell in cells if cell.cell_type == "code"]

    assert outputs("cells.ipynb") == [[], [], [], []]
    hidden, printed, table, _ = outputs("cells.outputs.ipynb")
    assert hidden == [] and printed[0].text.startswith("word word") and "column19" in table[0].data["text/html"]


def test_sounds_of_outputs_are_those_of_the_pages(unpacked):
    path = unpacked / "notebooks" / "notebooks" / "part" / "cells.outputs.ipynb"
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", ())]
    shown = [output.data.get("text/html", "") for output in outputs if "data" in output]
    (source,) = re.findall('<audio src="([^"]+)"', "".join(shown))
    assert (path.parent / source).read_bytes() == b"ID3\4" + bytes(6)
    assert (path.parent / source).resolve().parent == (unpacked / "pages" / "_static" / "media").resolve()


def test_same_build_gives_the_same_bytes(book, bundle):
    before = bundle.read_bytes()
    for path in (book.parent / "_build" / "html").rglob("*.html"):
        path.touch()
    assert offline("bundle.py", book.parent / "_build", "--sources", book).returncode == 0
    assert bundle.read_bytes() == before


def test_models_that_are_large_are_left_out_and_their_widgets_marked(book, pdf, tmp_path):
    copy = Path(shutil.copytree(book.parent / "_build", tmp_path / "_build"))
    widget = '<div class="live-x" data-parts="runtime-1 {}-1" data-bytes="9"></div>'
    for group in ("runtime", "search", "description", "generate"):
        file = copy / "html" / "_static" / "live" / f"{group}-1" / "model.onnx.gzip"
        file.parent.mkdir(parents=True)
        file.touch()
        (copy / "html" / f"{group}.html").write_text(widget.format(group), encoding="utf-8")
    done = offline("bundle.py", copy, "--sources", book)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(copy.glob("*.zip"))) as archive:
        names = [Path(name) for name in archive.namelist()]
        assert {name.parent.name for name in names if name.suffix == ".gzip"} == {"runtime-1", "search-1"}
        pages = {name.stem: archive.read(name.as_posix()).decode() for name in names if name.match("pages/*.html")}
    left_out = {name for name, page in pages.items() if "data-left-out" in page}
    assert left_out == {"description", "generate"}
    assert pages["generate"] == widget.format("generate").replace("data-parts", "data-left-out data-parts")


def test_bundle_without_a_part_is_not_written(book, pdf, tmp_path):
    copy = Path(shutil.copytree(book.parent / "_build", tmp_path / "_build"))
    (copy / pdf.name).unlink()
    before = {path: path.read_bytes() for path in copy.glob("*.zip")}
    done = offline("bundle.py", copy, "--sources", book)
    assert done.returncode != 0 and f"{pdf.name} is missing" in done.stderr and "make bundle" in done.stderr
    assert {path: path.read_bytes() for path in copy.iterdir() if path.suffix in (".zip", ".partial")} == before


def test_notebook_that_was_changed_is_not_packed(book, pdf, tmp_path):
    copy = Path(shutil.copytree(book.parent / "_build", tmp_path / "_build"))
    path = copy / "notebooks" / "notebooks" / "part" / "cells.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("mine = 1"))
    nbformat.write(notebook, path)
    done = offline("bundle.py", copy, "--sources", book)
    assert done.returncode != 0 and "notebooks/part/cells was changed" in done.stderr


@pytest.fixture
def opened(browser, unpacked):
    """Open a page of the bundle from its folder, without a network."""
    context = browser.new_context(offline=True)

    def open_page(name: str):
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto((unpacked / "pages" / "index.html").as_uri().replace("index.html", name))
        return page

    yield open_page
    context.close()


def test_front_page_opens_and_plays(opened):
    page = opened("index.html")
    page.wait_for_url("**/pages/book/intro.html")
    assert page.locator("article h1").inner_text().startswith("Front page")
    assert page.evaluate("() => getComputedStyle(document.querySelector('.bd-sidebar-primary')).position") == "sticky"
    played = page.evaluate(
        """() => new Promise(done => {
            const audio = document.querySelector("audio");
            audio.muted = true;
            audio.addEventListener("error", () => done(-1));
            audio.addEventListener("timeupdate", () => audio.currentTime > 0 && done(audio.duration));
            audio.play().catch(() => done(-2));
        })"""
    )
    assert played > 5


def test_formulas_quizzes_and_registries_work_from_a_folder(opened):
    page = opened("book/part/page.html")
    page.wait_for_selector("mjx-container")
    assert page.locator("mjx-merror").count() == 0
    answer = page.locator(".quiz-option").first
    answer.locator("summary").click()
    assert "The reason." in answer.inner_text() and page.locator(".quiz-score").inner_text()
    rows = page.locator("table.registry tbody tr")
    every = rows.count()
    page.locator(".registry-filter input").fill("MuChoMusic")
    assert 0 < rows.filter(visible=True).count() < every


def test_search_works_from_a_folder(opened):
    page = opened("search.html?q=numbered")
    link = page.locator("#search-results li a").first
    link.click()
    page.wait_for_url("**/book/part/page.html*")


def test_one_page_is_printed_on_white_with_all_of_its_code(opened, tmp_path):
    """What a reader gets who prints a page in the dark theme."""
    page = opened("notebooks/part/cells.html")
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    path = tmp_path / "page.pdf"
    page.pdf(path=path, format="A4")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    with pypdfium2.PdfDocument(path) as document:
        text = document[0].get_textpage()
        assert "shown_name" in text.get_text_range() and "Show the code" not in text.get_text_range()
        assert all(text.get_charbox(index)[2] < document[0].get_width() for index in range(text.count_chars()))
        picture = document[0].render(scale=1, grayscale=True).to_numpy()
    assert (picture > 128).mean() > 0.9 and picture.min() < 64


@pytest.mark.weekly
def test_whole_book_is_printed_and_packed(built_book, browser):
    output = built_book.parent
    done = offline("pdf.py", built_book, output / f"{NAME}.pdf")
    assert done.returncode == 0, done.stderr
    found = outline(output / f"{NAME}.pdf")
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    captions = [part["caption"] for part in toc["parts"]]
    assert [title for level, title in found if level == 0][2:] == captions
    assert sum(level == 1 for level, _ in found[found.index((0, captions[0])) :]) == len(contents(ROOT)) - 1
    if not (output / "notebooks").exists():
        assert build(ROOT, output.parent, output.parent / "network.log", *NOTEBOOKS).returncode == 0
    done = offline("bundle.py", output)
    assert done.returncode == 0, done.stderr
    sizes = {"pdf": (output / f"{NAME}.pdf").stat().st_size, "zip": (output / f"{NAME}-offline.zip").stat().st_size}
    assert {kind: size for kind, size in sizes.items() if size > LARGEST[kind]} == {}
