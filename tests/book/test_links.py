"""Links of the built book lead somewhere, every page is found, and lists and what they list agree."""

import subprocess
from pathlib import Path

import addresses
import links
import pytest
from run_notebooks import ROOT

OWN = (
    "https://github.com/someone/book",
    "https://colab.research.google.com/github/someone/book/",
)  # as building.py says


@pytest.fixture(scope="module", params=["", "zh"], ids=["English", "Chinese"])
def edition(request, built_book) -> Path:
    """The folder of the pages in one language."""
    return built_book / request.param


@pytest.fixture(scope="module")
def pages(edition) -> dict[str, links.Page]:
    return links.read(edition)


@pytest.mark.slow
def test_every_link_leads_to_a_file(edition, pages):
    assert len(pages) > 50
    assert links.file_problems(edition, pages) == []


@pytest.mark.slow
def test_every_link_leads_to_one_part(pages):
    assert links.part_problems(pages) == []


@pytest.mark.slow
def test_every_page_is_found(pages):
    assert links.contents_problems(pages) == []


@pytest.mark.slow
def test_lists_and_what_they_list_agree(pages):
    assert links.list_problems(pages) == []


@pytest.mark.slow
def test_every_address_of_a_page_is_known(pages):
    known = addresses.shown(ROOT).keys() | addresses.papers(ROOT).keys()
    assert sorted(one for one in links.foreign(pages) - known if not one.startswith(OWN)) == []


def test_documents_name_files_that_are_there():
    listing = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    documents = [Path(line) for line in listing.splitlines() if not line.startswith("book/")]
    assert len(documents) > 10
    assert links.document_problems(ROOT, documents) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[x](a.md), [y](https://a.org/x), [z](#part), `book/img/`, `book/PART/name.md`", []),
        ("```\n[x](b.md)\n```\n", []),
        ("[x](b.md)", ["b.md"]),
        ('<source srcset="b.png"><img src="c.png">', ["b.png", "c.png"]),
        ("`tests/b.py`", ["tests/b.py"]),
    ],
)
def test_document_that_names_what_is_not_there_is_found(tmp_path, text, names):
    (tmp_path / "book" / "img").mkdir(parents=True)
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    found = links.document_problems(tmp_path, [Path("a.md")])
    assert found == [f"a.md names {tmp_path / name}, which is not there" for name in names]


EXERCISES, PATHS, LESSON = links.EXERCISES, links.PATHS, "book/part/lesson.html"
CONTENTS = '<nav class="bd-docs-nav"><a href="{0}{1}">x</a><a href="{0}{2}">x</a><a href="{0}{3}">x</a></nav>'
PAGES = {
    "index.html": '<a href="book/paths.html">on</a>',
    "search.html": CONTENTS.format("", EXERCISES, PATHS, LESSON),
    PATHS: CONTENTS.format("../", EXERCISES, PATHS, LESSON)
    + '<article><table><tr><td><a href="part/lesson.html">x</a></td><td><a href="#t">x</a></td></tr></table></article>'
    + '<a class="right-next" href="part/lesson.html" id="t">x</a>',
    EXERCISES: CONTENTS.format("../../", EXERCISES, PATHS, LESSON)
    + '<article id="top"><li><p><a href="../part/lesson.html">x</a></p></li>'
    + '<li><p><a href="../part/lesson.html#ex-a">x</a> <a href="#top">x</a></p></li></article>',
    LESSON: CONTENTS.format("../../", EXERCISES, PATHS, LESSON)
    + '<link rel="stylesheet" href="../../_static/book.css?v=1"><img src="../../_images/a%20b.svg">'
    + '<p class="path-mark"><a href="../paths.html">x</a></p><div class="exercise admonition" id="ex-a"></div>'
    + '<a href="https://a.org/x">x</a><a href="#">x</a><a class="left-prev" href="../paths.html">x</a>',
}
FILES = {"_static/book.css": "a { background: url('../_images/a b.svg#part') url(data:x) }", "_images/a b.svg": ""}


@pytest.fixture
def site(tmp_path) -> Path:
    """A site of a few pages whose links all lead somewhere."""
    for name, text in (PAGES | FILES).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def problems(site: Path) -> list[str]:
    """Return what all functions find."""
    pages = links.read(site)
    found = [*links.file_problems(site, pages), *links.part_problems(pages)]
    return [*found, *links.contents_problems(pages), *links.list_problems(pages)]


def test_site_in_order_has_no_problem(site):
    assert problems(site) == []
    assert links.foreign(links.read(site)) == {"https://a.org/x"}


BREAKS = {
    "image": (LESSON, "a%20b", "c", f"{LESSON} leads to _images/c.svg, which is not there"),
    "style": (LESSON, "book.css", "look.css", f"{LESSON} leads to _static/look.css, which is not there"),
    "file of a style": ("_static/book.css", "a b", "c", "_static/book.css loads ../_images/c.svg#part, which is not"),
    "page": (
        PATHS,
        'td><a href="part/lesson',
        'td><a href="part/none',
        "leads to book/part/none.html, which is not",
    ),
    "part": (EXERCISES, 'id="top"', 'id="head"', f"{EXERCISES} leads to top in {EXERCISES}, which has no such part"),
    "part of another page": (LESSON, 'id="ex-a"', 'id="ex-b"', f"{EXERCISES} leads to ex-a in {LESSON}, which has no"),
    "part that is there twice": (LESSON, "<p ", '<p id="ex-a" ', f"{LESSON} has 2 parts with the name ex-a"),
    "orphan": ("search.html", f'href="{LESSON}"', 'href=""', f"the contents beside search.html lack {LESSON}"),
    "no way back": (LESSON, "left-prev", "left", f"{PATHS} leads to {LESSON} (right-next), which does not lead back"),
    "no way on": (PATHS, "right-next", "right", f"{LESSON} leads to {PATHS} (left-prev), which does not lead back"),
    "exercise that is not listed": (
        LESSON,
        "<p ",
        '<div class="exercise" id="ex-c"></div><p ',
        f"{EXERCISES} lacks {LESSON}#ex-c",
    ),
    "no exercise": (LESSON, "exercise admonition", "admonition", f"{EXERCISES} lists {LESSON}#ex-a, which is none"),
    "lesson that is not listed": (PATHS, "<tr><td>", "<tr><td></td><td>", f"{PATHS} lacks {LESSON}"),
    "no lesson": (LESSON, "path-mark", "mark", f"{PATHS} lists {LESSON}, which is none"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_site_is_found(site, name):
    file, old, new, problem = BREAKS[name]
    text = (site / file).read_text(encoding="utf-8")
    assert old in text
    (site / file).write_text(text.replace(old, new), encoding="utf-8")
    assert any(problem in found for found in problems(site)), problems(site)
