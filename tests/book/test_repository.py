"""A book knows the repository that it is built in, and its sources name none."""

import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from building import build
from run_notebooks import ROOT
from small_book import make_book, write_page

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import reader_notebooks
import repository

PAGE = """# Title

```{clone}
make lab
```

:::{only} repository
It has an address.
:::

:::{only} not repository
It has no address.
:::
"""
BUTTONS = ".header-article__right a, .article-header-buttons a"


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("git@github.com:a/b-c.git", "https://github.com/a/b-c"),
        ("ssh://git@github.com/a/b", "https://github.com/a/b"),
        ("https://example.org/a/b.git", None),
    ],
)
def test_origin_on_github_is_used(tmp_path, monkeypatch, origin, url):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert repository.actual_url(tmp_path) == url


def test_github_actions_says_its_own_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    assert repository.actual_url(tmp_path) == "https://github.com/a/b"


def test_archive_without_git_has_no_address(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository.actual_url(tmp_path) is None


def test_cells_for_colab_name_no_repository():
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if "colab" in cell.metadata.get("tags", [])]
        code = "\n".join(cell.source for cell in cells)
        assert len(reader_notebooks.SET_UP.findall(code)) == 1, path
        assert "git+http" not in code, path
        assert code.count("git+{REPOSITORY}") == len(cells), path


def page(root, name: str) -> BeautifulSoup:
    """Read a page of the small book."""
    return BeautifulSoup((root / "out" / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def links(soup: BeautifulSoup) -> list[str]:
    """Return where the buttons above a page lead on the web."""
    return [link["href"] for link in soup.select(BUTTONS) if link.get("href", "").startswith("http")]


@pytest.mark.slow
def test_pages_lead_to_their_own_repository(tmp_path):
    write_page(make_book(tmp_path), PAGE)
    site = "https://example.org/book"
    done = build(tmp_path, tmp_path / "out", tmp_path / "network.log", repository="a/b", site=site)
    assert done.returncode == 0, done.stderr
    intro, cells = page(tmp_path, "book/intro"), page(tmp_path, "notebooks/cells")
    assert "git clone https://github.com/a/b\ncd b\nmake lab" in intro.text
    assert "It has an address." in intro.text and "It has no address." not in intro.text
    assert "https://github.com/a/b/edit/main/book/intro.md" in links(intro)
    assert not any("colab" in link for link in links(intro))
    assert "https://colab.research.google.com/github/a/b/blob/notebooks/notebooks/cells.ipynb" in links(cells)
    assert "https://github.com/a/b/edit/main/notebooks/cells.ipynb" in links(cells)
    assert cells.select_one("link[rel=canonical]")["href"] == f"{site}/notebooks/cells.html"


@pytest.mark.slow
def test_pages_without_a_repository_lead_nowhere_on_the_web(tmp_path):
    write_page(make_book(tmp_path), PAGE)
    done = build(tmp_path, tmp_path / "out", tmp_path / "network.log", repository="")
    assert done.returncode == 0, done.stderr
    intro = page(tmp_path, "book/intro")
    assert "make lab" in intro.text and "git clone" not in intro.text
    assert "It has no address." in intro.text and "It has an address." not in intro.text
    for name in ("book/intro", "notebooks/cells"):
        assert links(page(tmp_path, name)) == []
        assert page(tmp_path, name).select(".dropdown-launch-buttons, .dropdown-source-buttons") == []
