"""The notebooks that readers open have the text of the pages in plain Markdown, the cells of the sources, and links."""

import re
import shutil
import subprocess
import symtable
import sys
from copy import copy
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from building import build
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert.filters import markdown2html
from run_notebooks import ROOT, run_alone
from small_book import make_book, write_cells
from source import contents, core_path, page_files

BUILDER = ("--builder=custom", "--custom-builder=notebooks")
SITE = "https://example.org/book"
MYST = re.compile(
    r"\{[a-z:]+\}`|^\s*>?\s*(?:`{3,}|:{3,})\{|^:{3,}|^\([\w-]+\)=$|^:[a-z-]+:|\]\([^)]*\.md[)#]", re.MULTILINE
)
SET_UP = re.compile(r"^REPOSITORY = .*$", re.MULTILINE)
PAGES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in page_files(ROOT))
NOTEBOOKS = [name for name in PAGES if name.startswith("notebooks/")]
pytestmark = pytest.mark.slow


def write_notebooks(built_book: Path, site: str) -> Path:
    """Write the reader's notebooks beside the built pages, and return a folder with a copy of them."""
    output = built_book.parents[1]
    done = build(ROOT, output, output / "network.log", *BUILDER, site=site)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "Executing notebook" not in done.stdout + done.stderr
    return Path(shutil.copytree(built_book.parent / "notebooks", output / (site.rpartition("/")[2] or "local")))


@pytest.fixture(scope="session")
def local(built_book) -> Path:
    """The notebooks of a build that does not know where the pages will be published."""
    return write_notebooks(built_book, "")


@pytest.fixture(scope="session")
def published(built_book) -> Path:
    """The notebooks of a build that knows it."""
    return write_notebooks(built_book, SITE)


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    """Return the cells of one kind."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def text(path: Path) -> str:
    """Return the Markdown of a notebook."""
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


@cache
def shown(path: Path) -> BeautifulSoup:
    """Return the Markdown of a notebook as nbconvert shows it."""
    return BeautifulSoup("".join(markdown2html(cell.source) for cell in cells(path, "markdown")), "html.parser")


@cache
def page(built_book: Path, name: str) -> BeautifulSoup:
    """Return a page of the built book."""
    return BeautifulSoup((built_book / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_every_page_has_a_notebook(local):
    written = {path.relative_to(local).with_suffix("").as_posix() for path in local.rglob("*.ipynb")}
    assert written == {"index", *PAGES}
    for path in local.rglob("*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))


def test_index_has_the_order_of_the_contents(local):
    links = [link["href"].removesuffix(".ipynb") for link in shown(local / "index.ipynb").select("li a")]
    assert set(links) == contents(ROOT)
    toc = re.findall(r"(?:root|file): (\S+)", (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    assert links == toc
    marked = re.findall(r"\((\S+)\.ipynb\) ★", text(local / "index.ipynb"))
    assert marked == core_path(ROOT)


@pytest.mark.parametrize("name", PAGES)
def test_no_markup_of_myst_is_left(local, published, name):
    for folder in (local, published):
        assert MYST.findall(text(folder / f"{name}.ipynb")) == []


def test_markup_of_myst_is_in_every_source():
    assert [name for name in NOTEBOOKS if not MYST.search(text(ROOT / f"{name}.ipynb"))] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_those_of_the_source(local, name):
    sources = [c for c in cells(ROOT / f"{name}.ipynb", "code") if "remove-cell" not in c.metadata.get("tags", [])]
    written = cells(local / f"{name}.ipynb", "code")
    set_up = next(cell for cell in written if "colab" in cell.metadata.tags)
    assert SET_UP.findall(set_up.source) == ['REPOSITORY = "https://github.com/someone/book"']
    (unstamped,) = (SET_UP.findall(cell.source)[0] for cell in sources if SET_UP.search(cell.source))
    set_up.source = SET_UP.sub(unstamped, set_up.source)
    assert [cell.source for cell in written] == [cell.source for cell in sources]
    assert [cell.metadata.get("tags", []) for cell in written] == [cell.metadata.get("tags", []) for cell in sources]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in written)


@pytest.mark.parametrize("name", PAGES)
def test_text_is_that_of_the_page(local, built_book, name):
    """Each paragraph, item, entry and heading of the page, without formulas, stands in the notebook."""
    formulas = re.compile(r"\\\(.*?\\\)|\\\[.*?\\\]|\$\$.*?\$\$|\$.*?\$", re.DOTALL)

    def words(part: BeautifulSoup) -> str:
        return re.sub(r"\W+", " ", formulas.sub(" ", part.text)).strip()

    article = copy(page(built_book, name).select_one("article"))
    for part in article.select(".cell, .toctree-wrapper, .headerlink, figure.sound, .listening, [data-parts]"):
        part.decompose()
    for link in article.select("a.github"):  # whose address the theme shortens
        link.string = link["href"]
    expected = [words(part) for part in article.select("p, td, li:not(:has(p, ul, ol)), h2, h3")]
    assert len(expected) > 5
    found = words(shown(local / f"{name}.ipynb"))
    assert [part for part in expected if part not in found] == []


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_those_of_the_page(local, built_book, name):
    """Each formula of the page stands in the notebook, with its number if it has one."""
    written = re.sub(r"\s+|\\[lr]?vert|[|]", "", text(local / f"{name}.ipynb").replace("\n> ", "\n"))
    for part in page(built_book, name).select("article .math"):
        formula = re.search(r"\\\((.*)\\\)|\\\[(.*)\\\]", part.text, re.DOTALL)
        formula = re.sub(r"\s+|\\[lr]?vert|[|]|\\(?:begin|end)\{split\}", "", formula[1] or formula[2])
        number = part.select_one(".eqno")
        if number:
            formula += f"\\tag{{{re.search(r'[0-9]+', number.text)[0]}}}"
        assert formula in written


@pytest.mark.parametrize("name", PAGES)
def test_exercises_are_quotes_and_solutions_are_folded(local, built_book, name):
    article, notebook = page(built_book, name).select_one("article"), shown(local / f"{name}.ipynb")
    exercises = [title.text.strip() for title in article.select(".exercise > .admonition-title")]
    assert [title.text for title in notebook.select("blockquote strong") if "Exercise" in title.text] == exercises
    folds = [title.text.strip() for title in article.select(".solution > .admonition-title, .quiz-option > summary")]
    assert list(dict.fromkeys(title.text for title in notebook.select("details > summary"))) == folds
    for cell in cells(local / f"{name}.ipynb", "code"):
        folded = cell.metadata.get("jupyter", {})
        assert ("solution" in cell.metadata.get("tags", [])) == bool(folded)
        assert set(folded.values()) <= {True}


def test_cells_need_none_that_is_left_out(local):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", local / "notebooks"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def names(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Return the global names that code reads, and those that it sets."""
    symbols = [symbol for symbol in table.get_symbols() if table.get_type() == "module" or symbol.is_global()]
    read = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    written = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    return read.union(*(names(child)[0] for child in table.get_children())), written


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_read_no_name_that_one_left_out_has_set(name):
    left_out = set()
    for cell in cells(ROOT / f"{name}.ipynb", "code"):
        read, written = names(symtable.symtable(TransformerManager().transform_cell(cell.source), name, "exec"))
        if "remove-cell" in cell.metadata.get("tags", []):
            left_out |= written
        else:
            assert (read - written) & left_out == set(), cell.source
            left_out -= written


def test_a_notebook_runs(local, tmp_path):
    done = run_alone(local / "notebooks" / "introduction" / "why_language.ipynb", tmp_path, ROOT)
    assert done.returncode == 0, done.stdout[-6000:]
    assert not (tmp_path / "network.log").exists()


def headings(path: Path) -> set[str]:
    """Return the parts of a notebook that a link can lead to, by the names that Jupyter gives them."""
    return {heading["id"] for heading in shown(path).select("h1, h2, h3, h4")}


def targets(soup: BeautifulSoup) -> list[str]:
    """Return where the links, pictures and sounds of a notebook are."""
    found = [link["href"] for link in soup.select("a[href]:not(.anchor-link)")]
    return found + [part["src"] for part in soup.select("[src]")]


@pytest.mark.parametrize("name", ["index", *PAGES])
def test_links_lead_to_the_other_notebooks(local, name):
    path = local / f"{name}.ipynb"
    for target in targets(shown(path)):
        if "://" not in target:
            file, _, part = target.partition("#")
            there = (path.parent / unquote(file)).resolve()
            assert there.is_relative_to(local) and there.is_file(), target
            assert not part or {part, unquote(part)} & headings(there), target  # a browser tries both


def test_links_lead_to_the_terms_of_the_glossary(local):
    found = [target for name in NOTEBOOKS for target in targets(shown(local / f"{name}.ipynb"))]
    terms = [target for target in found if "glossary.ipynb" in target]
    assert len(terms) > 50
    assert [target for target in terms if "#" not in target] == []


@cache
def parts(built_book: Path, name: str) -> set[str]:
    """Return the parts of a page that a link can lead to."""
    return {part["id"] for part in page(built_book, name).select("[id]")}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_the_published_pages(published, built_book, name):
    found = targets(shown(published / f"{name}.ipynb"))
    assert [target for target in found if "://" not in target and not target.endswith(".ogg")] == []
    for target in found:
        if target.startswith(SITE):
            file, _, part = target.removeprefix(f"{SITE}/").partition("#")
            assert (built_book / file).is_file(), target
            assert not part or unquote(part) in parts(built_book, file.removesuffix(".html")), target


def test_published_pages_offer_them_for_download(published, built_book):
    for name in NOTEBOOKS:
        offered = built_book / "_sources" / f"{name}.ipynb"
        assert offered.read_bytes() == (published / f"{name}.ipynb").read_bytes()


def test_index_leads_to_colab_where_the_notebooks_are_published(local, published):
    colab = "https://colab.research.google.com/github/someone/book/blob/notebooks"
    found = [target for target in targets(shown(published / "index.ipynb")) if target.startswith(colab)]
    assert sorted(found) == [f"{colab}/{name}.ipynb" for name in NOTEBOOKS]
    assert "colab" not in text(local / "index.ipynb")


SOLVED = """## Try it

:::{exercise-start}
:label: ex-one
:::
Do it.
:::{exercise-end}
:::

:::{solution-start} ex-one
:::
Done."""


@pytest.fixture
def book(tmp_path) -> Path:
    """A small book whose notebook has a solution with a cell."""
    root = make_book(tmp_path / "book")
    write_cells(root, ("REPOSITORY = ''", "colab"), "1 + 1", ("2 + 2", "solution"))
    path = root / "notebooks" / "cells.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell(SOLVED))
    notebook.cells.append(nbformat.v4.new_markdown_cell(":::{solution-end}\n:::"))
    nbformat.write(notebook, path)
    return root


def written_in(book: Path) -> Path:
    """Write the reader's notebooks of a small book without an address, and return the path of one."""
    output = book.parent / "output"
    done = build(book, output, output / "network.log", *BUILDER, repository="")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return output / "_build" / "notebooks" / "notebooks" / "cells.ipynb"


def test_set_up_cell_stays_as_it_is_without_an_address(book):
    assert cells(written_in(book), "code")[0].source == "REPOSITORY = ''"


def test_solutions_can_be_left_out(book):
    path = written_in(book)
    assert [cell.source for cell in cells(path, "code")][1:] == ["1 + 1", "2 + 2"]
    assert "Done." in text(path)
    config = book / "book" / "_config.yml"
    settings = config.read_text(encoding="utf-8")
    assert settings.count("  config:\n") == 1
    settings = settings.replace("  config:\n", "  config:\n    with_solutions: false\n")
    config.write_text(settings, encoding="utf-8")
    path = written_in(book)
    assert [cell.source for cell in cells(path, "code")][1:] == ["1 + 1"]
    assert "Do it." in text(path) and "Done." not in text(path)


def test_what_a_reader_changed_stays_until_the_book_changes(book):
    path, source = written_in(book), book / "notebooks" / "cells.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("mine = 1"))
    nbformat.write(notebook, path)
    assert cells(written_in(book), "code")[-1].source == "mine = 1"
    source.write_text(source.read_text(encoding="utf-8").replace("Do it.", "Do it now."), encoding="utf-8")
    assert "Do it now." in text(written_in(book))
    assert cells(path, "code")[-1].source == "2 + 2"
