"""What links must hold to: each function returns its problems, each a sentence that names where it is.

``tests/book/test_links.py`` runs the functions on the built book and on its sources, and on pages that were broken on
purpose.
"""

import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import lxml.html

STYLE_URL = re.compile(r"""url\(\s*['"]?(?!data:)([^'")]+)""")
CONTENTS = "bd-docs-nav"  # the class of the sidebar of the theme
# Pages that the contents do not list. The second kind has no contents either.
OF_SPHINX = {"genindex.html", "search.html", "404.html"}
REDIRECTS = {"index.html", "notebooks/language_models/language_models.html"}
EDITIONS = ("zh/",)  # folders of the pages in other languages, whose links are looked at apart
FENCED = re.compile(r"^(`{3,}).*?^\1", re.MULTILINE | re.DOTALL)
LOCAL = re.compile(r"""(?:\]\(|(?:src|srcset|href)=")(?!https?:|#)([^)"\s]+)""")
QUOTED_PATH = re.compile(r"`((?:book|musicwords|notebooks|recipes|tests)/[\w./-]*)`")
PLACEHOLDER = "PART"  # in a path that stands for many
EXERCISES, PATHS = "book/appendices/exercises.html", "book/paths.html"


def of_class(name: str) -> str:
    """Return the condition in XPath that an element has a class."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


EXERCISE = of_class("exercise")


@dataclass
class Page:
    """A page of the built book."""

    name: str  # from the root of the book
    tree: lxml.html.HtmlElement

    @cached_property
    def parts(self) -> Counter[str]:
        """What a link can lead to, and how often it is there."""
        return Counter(self.tree.xpath("//@id"))

    def addresses(self, path: str) -> list[str]:
        """Return the links that an XPath finds, as they stand there."""
        return [address.strip() for address in self.tree.xpath(path)]

    def targets(self, path: str) -> list[tuple[str, str]]:
        """Return file and part of the links that an XPath finds and that stay inside of the book."""
        found = []
        for address in self.addresses(path):
            parts = urlsplit(address)
            if not parts.scheme and not parts.netloc and address not in ("", "#"):
                file = posixpath.join(posixpath.dirname(self.name), unquote(parts.path)) if parts.path else self.name
                found.append((posixpath.normpath(file).lstrip("/"), unquote(parts.fragment)))
        return found

    def pages(self, path: str) -> list[str]:
        """Return the pages that the links which an XPath finds lead to, each once and in their order."""
        return list(dict.fromkeys(file for file, _ in self.targets(path)))


def read(folder: Path) -> dict[str, Page]:
    """Return the pages of a folder by their names; what lies in a folder such as ``_static`` is none."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.html"))}
    return {
        name: Page(name, lxml.html.fromstring(path.read_bytes()))
        for name, path in paths.items()
        if not name.startswith(("_", *EDITIONS))
    }


def file_problems(folder: Path, pages: dict[str, Page]) -> list[str]:
    """Links, images, sounds, scripts and styles of pages, and what the styles load, that are not there."""
    problems, sheets = set(), set()
    for page in pages.values():
        sheets |= {folder / file for file in page.pages("//link[@rel='stylesheet']/@href")}
        for file in page.pages("//@href | //@src | //@poster | //object/@data"):
            if not (folder / file).is_file():
                problems.add(f"{page.name} leads to {file}, which is not there")
    for sheet in filter(Path.is_file, sheets):
        for address in STYLE_URL.findall(sheet.read_text(encoding="utf-8")):
            if not urlsplit(address).scheme and not (sheet.parent / urlsplit(address).path).is_file():
                problems.add(f"{sheet.relative_to(folder).as_posix()} loads {address}, which is not there")
    return sorted(problems)


def part_problems(pages: dict[str, Page]) -> list[str]:
    """Links to a part of a page that it does not have, and names of parts that are given twice in a page."""
    problems = set()
    for page in pages.values():
        for file, part in page.targets("//@href"):
            if part and file in pages and part not in pages[file].parts:
                problems.add(f"{page.name} leads to {part} in {file}, which has no such part")
        problems |= {f"{page.name} has {n} parts with the name {name}" for name, n in page.parts.items() if n > 1}
    return sorted(problems)


def contents_problems(pages: dict[str, Page]) -> list[str]:
    """Pages that the contents beside a page lack, and pages whose neighbors in reading do not lead back."""
    problems = []
    for page in pages.values():
        if page.name in REDIRECTS:
            continue
        listed = {page.name, *page.pages(f"//nav[{of_class(CONTENTS)}]//a/@href")} | OF_SPHINX | REDIRECTS
        problems += [f"the contents beside {page.name} lack {name}" for name in pages if name not in listed]
        for side, back in (("right-next", "left-prev"), ("left-prev", "right-next")):
            for other in page.pages(f"//a[{of_class(side)}]/@href"):
                if other in pages and page.name not in pages[other].pages(f"//a[{of_class(back)}]/@href"):
                    problems.append(f"{page.name} leads to {other} ({side}), which does not lead back")
    return problems


def list_problems(pages: dict[str, Page]) -> list[str]:
    """Exercises that the list of all lacks, lessons that the page about paths lacks, and what they list too much."""
    problems = []
    mark = f"//*[{of_class('path-mark')}]//a/@href"
    exercises = {f"{page.name}#{part}" for page in pages.values() for part in page.tree.xpath(f"//div[{EXERCISE}]/@id")}
    listed = {f"{file}#{part}" for file, part in pages[EXERCISES].targets("//article//li/p/a[1]/@href") if part}
    lessons = {page.name for page in pages.values() if PATHS in page.pages(mark)}
    offered = set(pages[PATHS].pages("//article//tr/td[1]//a/@href"))
    for name, there, told in ((EXERCISES, exercises, listed), (PATHS, lessons, offered)):
        problems += [f"{name} lacks {one}" for one in sorted(there - told)]
        problems += [f"{name} lists {one}, which is none" for one in sorted(told - there)]
    return problems


def document_problems(root: Path, documents: list[Path]) -> list[str]:
    """Links, pictures and paths in backticks, in Markdown outside of the book, to files that are not there."""
    problems = []
    for document in documents:
        text = FENCED.sub("", (root / document).read_text(encoding="utf-8"))
        targets = [(root / document).parent / urlsplit(one).path for one in LOCAL.findall(text)]
        targets += [root / one for one in QUOTED_PATH.findall(text) if PLACEHOLDER not in one]
        problems += [f"{document} names {one}, which is not there" for one in targets if not one.exists()]
    return problems


def foreign(pages: dict[str, Page]) -> set[str]:
    """Return the addresses outside of the book that pages link to."""
    found = {address for page in pages.values() for address in page.addresses("//a/@href")}
    return {address for address in found if urlsplit(address).scheme in ("http", "https")}
