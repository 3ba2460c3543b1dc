"""English that a built Chinese page shows, beside what may stay: code, titles, names and quotations."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Comment, Doctype
from run_notebooks import ROOT

ALLOWED = ROOT / "tests" / "data" / "english_in_chinese.yml"
NEVER_SHOWN = "script, style, template, [hidden]"
ATTRIBUTES = ("alt", "aria-label", "title", "placeholder")  # which a screen reader reads, or a reader sees
WORD = r"[A-Za-z][A-Za-z'’-]*"
RUN = re.compile(rf"{WORD}(?:[ ,:;]+{WORD}){{3,}}")  # four words in a row
EXPLAINED = re.compile(r"(?<![A-Za-z'’ ,:;-])[A-Za-z'’ ,:;-]*（[^（）]*(?:）|$)")  # a term beside its Chinese
QUOTED = re.compile(r"“[^”]*”|《[^》]*》")
LEAST = 2  # words in lower case: a name has fewer


def read_allowed() -> tuple[list[str], list[str]]:
    """Return the CSS selectors and the texts that may be in English; each stands beside its reason."""
    allowed = yaml.safe_load(ALLOWED.read_text(encoding="utf-8"))
    return [one["in"] for one in allowed if "in" in one], [one["text"] for one in allowed if "text" in one]


def shown(soup: BeautifulSoup) -> Iterator[str]:
    """Yield what is shown and read aloud of a page: its texts, and the words of some attributes."""
    for element in soup.find_all(True):
        yield from (element[name] for name in ATTRIBUTES if element.get(name))
    for text in soup.find_all(string=True):
        if not isinstance(text, (Comment, Doctype)):
            yield text


def english(page: str) -> list[str]:
    """Return what stands in English on a page and has no reason to.

    Parameters
    ----------
    page : HTML
    """
    selectors, texts = read_allowed()
    soup = BeautifulSoup(page, "html.parser")
    for part in soup.select(", ".join([NEVER_SHOWN, *selectors])):
        part.decompose()
    found = []
    for text in shown(soup):
        rest = EXPLAINED.sub("（）", QUOTED.sub("“”", " ".join(text.split())))
        for one in texts:
            rest = rest.replace(one, "…")
        found += [run for run in RUN.findall(rest) if len(re.findall(r"\b[a-z]{2,}", run)) >= LEAST]
    return found


def chinese_pages(html: Path) -> dict[str, str]:
    """Return the HTML of each Chinese page of a built site by its name."""
    pages = [path for path in (html / "zh").rglob("*.html") if "_static" not in path.parts]
    return {path.relative_to(html).with_suffix("").as_posix(): path.read_text(encoding="utf-8") for path in pages}
