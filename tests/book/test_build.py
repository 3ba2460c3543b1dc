"""The book builds without a warning and without a network, and a broken page or cell fails the build."""

from pathlib import Path

import pytest
from building import build
from run_notebooks import ROOT
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


WARNINGS = {
    "citation": ("{cite:p}`nobody2024nothing`", "nobody2024nothing"),
    "reference": ("{ref}`nowhere`", "undefined label: 'nowhere'"),
    "link": ("[x](no_such_page.md)", "no_such_page"),
    "term": ("{term}`no such term`", "no such term"),
    "heading": ("### Level skipped", "Non-consecutive header level"),
    "clip": (":::{clip} polka\n:::", "no clip polka: the clips are ambient"),
}
PATH = "names notebooks/cell, which is no page"


@pytest.fixture(scope="module")
def warned(tmp_path_factory):
    """The build of a book that does everything wrong which a build only warns of."""
    root = make_book(tmp_path_factory.mktemp("warned"))
    write_page(root, "# Title\n\n" + "\n\n".join(text for text, _ in WARNINGS.values()) + "\n")
    write_path(root, "notebooks/cell")
    return build(root, root / "out", root / "network.log")


def test_warnings_fail_the_build(warned):
    assert warned.returncode != 0


@pytest.mark.parametrize("message", [*(message for _, message in WARNINGS.values()), PATH], ids=[*WARNINGS, "path"])
def test_build_warns_of(warned, message):
    assert message in warned.stdout + warned.stderr


def test_exception_in_a_cell_fails_the_build(small_book):
    write_cells(small_book, "raise RuntimeError('broken cell')")
    done = build(small_book, small_book / "out", small_book / "network.log")
    assert done.returncode != 0
    assert "broken cell" in done.stdout + done.stderr
