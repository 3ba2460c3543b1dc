"""Print the built book as one PDF: ``make pdf``.

Chromium prints the page that paper.js makes of all pages. In the first pass nobody knows on which page of paper a
heading stands; each pass writes what the last one found into the contents and the references, until nothing changes.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pikepdf
from building import chromium, served
from find_browser import find_browser
from sphinx_external_toc.parsing import parse_toc_yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONTENTS = ROOT / "book" / "_toc.yml"
TITLE = "Connecting Music Audio and Natural Language"
AUTHOR = "The contributors of the book"
EMPTY = '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"></head><body></body></html>'
WIDTH = 642  # pixels of CSS between the margins of A4: 170 mm
LONGEST = 600_000  # milliseconds for a step, on a busy machine
PASSES = 6


def version() -> str:
    """Return which state of the book this is: the commit and its date, or nothing outside of a repository."""
    try:
        commit, changed = (
            subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True).stdout.strip()
            for command in (["log", "-1", "--format=Commit %h of %cs"], ["status", "--porcelain"])
        )
    except FileNotFoundError:
        return ""
    return f"{commit}, with changes" if commit and changed else commit


def parts(contents: Path) -> list[dict]:
    """Return the parts of the book, each with its caption and the names of its pages; the first is the front page."""
    root = parse_toc_yaml(contents).root
    found = [{"caption": tree.caption or "", "names": list(tree.files())} for tree in root.subtrees]
    return [{"caption": "", "names": [root.docname]}, *found]


def pages_of(path: Path) -> dict[str, int]:
    """Return the page of each place that a link of a PDF leads to, by its name."""
    with pikepdf.open(path) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, start=1)}
        return {name[1:]: numbers[place[0].objgen] for name, place in pdf.Root.get("/Dests", {}).items()}


def print_numbered(page, target: Path) -> None:
    """Print a page until the numbers that it shows are those of the PDF.

    Raises
    ------
    RuntimeError
        If they never are, or if a number is asked for that the PDF does not tell.
    """
    shown: Mapping[str, int] = {}
    for _ in range(PASSES):
        asked = page.evaluate("writeNumbers", shown)
        page.pdf(path=target, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        found = pages_of(target)
        if unknown := set(asked) - set(found):
            raise RuntimeError(f"the PDF does not say on which page stands {', '.join(sorted(unknown))}")
        if found == shown:
            return
        shown = found
    raise RuntimeError(f"the numbers of the pages changed in each of {PASSES} passes")


def make_pdf(pages: Path, target: Path, contents: Path = CONTENTS) -> None:
    """Print the built book.

    Parameters
    ----------
    pages : folder of the built pages
    target : the PDF
    contents : the order of the pages, a ``_toc.yml``

    Raises
    ------
    RuntimeError
        If there is no browser, if no font has a character, or if something is wider than the paper.
    """
    path = find_browser()
    if path is None:
        raise RuntimeError("no Chromium found: run tests/find_browser.py, or set CHROMIUM to its path")
    with served(pages) as site, chromium(path) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, bypass_csp=True)
        page.set_default_timeout(LONGEST)
        page.emulate_media(media="print", color_scheme="light")
        page.route("**/paper", lambda route: route.fulfill(body=EMPTY, content_type="text/html"))
        page.goto(f"{site}/paper")
        page.add_script_tag(path=HERE / "paper.js")
        page.evaluate("given => assemble(...given)", [parts(contents), TITLE, version()])
        page.add_style_tag(path=HERE / "paper.css")
        page.evaluate("setFormulas()")
        if characters := page.evaluate("missing()"):
            raise RuntimeError(f"no font here has {' '.join(characters)}: install one, such as Debian's fonts-noto-cjk")
        if wide := page.evaluate("fit()"):
            raise RuntimeError("wider than the paper:\n" + "\n".join(wide))
        print_numbered(page, target)
        titles = page.evaluate("titles()")
    finish(target, titles)


def entries(items: list[pikepdf.OutlineItem]) -> Iterator[pikepdf.OutlineItem]:
    """Yield the entries of an outline, from top to bottom."""
    for item in items:
        yield item
        yield from entries(item.children)


def finish(path: Path, titles: list[str]) -> None:
    """Say in the PDF what it is, and not when it was printed and by what; and pack it, to half its size.

    Parameters
    ----------
    path : the PDF
    titles : of the entries of its outline
    """
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        with pdf.open_outline() as outline:
            for item, title in zip(list(entries(outline.root)), titles, strict=True):
                item.title = title
        pdf.trailer.Info = pdf.make_indirect(pikepdf.Dictionary(Title=TITLE, Author=AUTHOR))
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        pdf.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)
        pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", type=Path, help="folder of the built pages, such as _build/html")
    parser.add_argument("target", type=Path, help="the PDF")
    parser.add_argument("--contents", type=Path, default=CONTENTS, help="the order of the pages")
    options = parser.parse_args()
    try:
        make_pdf(options.pages, options.target, options.contents)
    except RuntimeError as error:
        sys.exit(str(error))
    print(f"The book for paper is {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
