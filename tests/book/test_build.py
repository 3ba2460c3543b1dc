"""The book builds without a warning and without a network, and a broken page or cell fails the build."""

from pathlib import Path

import pytest
from conftest import ROOT, build
from small_book import make_book, write_cells, write_page, write_path

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
    return make_book(tmp_path)


def test_small_book_builds(small_book):
    done = build(small_book, small_book / "out", small_book / "network.log")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: write_cells(root, "raise RuntimeError('broken cell')"), "broken cell"),
        (lambda root: write_page(root, "# Title\n\n{cite:p}`nobody2024nothing`\n"), "nobody2024nothing"),
        (lambda root: write_page(root, "# Title\n\n{ref}`nowhere`\n"), "nowhere"),
        (lambda root: write_page(root, "# Title\n\n[x](nowhere.md)\n"), "nowhere"),
        (lambda root: write_page(root, "# Title\n\n{term}`no such term`\n"), "no such term"),
        (lambda root: write_page(root, "# Title\n\n### Level skipped\n"), "heading"),
        (lambda root: write_page(root, "# Title\n\n:::{clip} polka\n:::\n"), "no clip polka: the clips are ambient"),
        (lambda root: write_path(root, "notebooks/cell"), "names notebooks/cell, which is no page"),
    ],
    ids=["exception in a cell", "citation", "reference", "link", "term", "heading", "clip", "core path"],
)
def test_broken_book_fails(small_book, break_it, message):
    break_it(small_book)
    done = build(small_book, small_book / "out", small_book / "network.log")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
