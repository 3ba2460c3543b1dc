"""The book builds without a warning and without a network, and a broken page or cell fails the build."""

import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, build

pytestmark = pytest.mark.slow


def test_book_builds(built_book):
    assert (built_book / "index.html").exists()
    assert (built_book / "book" / "intro.html").exists()


def test_every_notebook_was_executed(built_book):
    for notebook in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        page = built_book / notebook.relative_to(ROOT).with_suffix(".html")
        assert 'class="cell_output' in page.read_text(encoding="utf-8"), notebook


def test_no_cell_writes_to_the_error_stream(built_book):
    for page in sorted((built_book / "notebooks").rglob("*.html")):
        assert "output stderr" not in page.read_text(encoding="utf-8"), page


def test_no_sound_or_picture_is_embedded(built_book):
    pages = [path for path in built_book.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 5
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert 'src="data:' not in text, page
    assert any('<audio controls preload="none"' in page.read_text(encoding="utf-8") for page in pages)


@pytest.fixture
def small_book(tmp_path) -> Path:
    """A book of one page and one notebook with the configuration of the real one."""
    for folder in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / folder, tmp_path / "book" / folder)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / "book" / name, tmp_path / "book")
    (tmp_path / "book" / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n- file: notebooks/cells\n", encoding="utf-8"
    )
    write_page(tmp_path, "# Title\n\nText.\n")
    write_cell(tmp_path, "1 + 1")
    return tmp_path


def write_page(root: Path, text: str) -> None:
    (root / "book" / "intro.md").write_text(text, encoding="utf-8")


def write_cell(root: Path, code: str) -> None:
    cells = [nbformat.v4.new_markdown_cell("# Cells"), nbformat.v4.new_code_cell(code)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), root / "notebooks" / "cells.ipynb")


def test_small_book_builds(small_book):
    done = build(small_book, small_book / "out", small_book / "network.log")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: write_cell(root, "raise RuntimeError('broken cell')"), "broken cell"),
        (lambda root: write_page(root, "# Title\n\n{cite:p}`nobody2024nothing`\n"), "nobody2024nothing"),
        (lambda root: write_page(root, "# Title\n\n{ref}`nowhere`\n"), "nowhere"),
        (lambda root: write_page(root, "# Title\n\n[x](nowhere.md)\n"), "nowhere"),
        (lambda root: write_page(root, "# Title\n\n{term}`no such term`\n"), "no such term"),
        (lambda root: write_page(root, "# Title\n\n### Level skipped\n"), "heading"),
    ],
    ids=["exception in a cell", "citation", "reference", "link", "term", "heading"],
)
def test_broken_book_fails(small_book, break_it, message):
    break_it(small_book)
    done = build(small_book, small_book / "out", small_book / "network.log")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
