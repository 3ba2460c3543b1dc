"""Addresses outside of the book: where it shows which, and whether they still answer: ``python tests/addresses.py``.

Each address was seen in a source before the book showed it. ``book/data/addresses.yml`` says when and in which kind of
source; an entry of a registry says it itself, and so does the bibliography for papers with a DOI or an arXiv number.
The tests compare these with what the sources show. The command asks the addresses themselves, which needs a network:
``make links``; with ``--papers`` it asks for those of the papers too, which takes half an hour.
"""

import argparse
import ipaddress
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import nbformat
import yaml
from pybtex.database import parse_file

ROOT = Path(__file__).parents[1]
DATA = Path("book") / "data"
LISTED = DATA / "addresses.yml"
BIBLIOGRAPHY = Path("book") / "references.bib"
# Data files whose addresses readers see: the field of the address, and the one that says where it was seen.
REGISTRIES = {
    "models": ("weights", "checked"),
    "datasets": ("address", "checked"),
    "benchmarks": ("address", "checked"),
    "changes": ("link", "seen"),
}
TIMELINE = ("timeline", "samples")  # whose addresses are listed
DOCUMENTS = (
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "CITATION.cff",
    "book/**/*.md",
    "musicwords/**/*.md",
)
DOCUMENTS += ("recipes/**/*.md", "requirements*.txt", "recipes/requirements*.txt", "pyproject.toml", "environment.yml")
ADDRESS = re.compile(r"https?://[^\s\"'<>`{}|\\^\[\]]+")
EXAMPLES = {"https://github.com/owner/name"}  # stand for an address of the reader
SOURCES = {"docs", "issues", "pages", "code"}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
OF_A_MACHINE = re.compile(r"^localhost$|(^|[.-])(mirrors?|registry|proxy|cache|pypi|pythonhosted|internal|local|lan)\b")

PARALLEL, PAUSE = 8, {"arxiv.org": 3.0}  # hosts asked at a time; seconds between two questions, one for most hosts
TRIES, LONGEST_WAIT, PATIENCE = 3, 60, 20  # questions; seconds between them, and for an answer
BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers after which one asks again
REFUSED = {401, 403, 418, 429}
MOVED = {301, 308}
# Hosts that give people a page and programs such an answer.
REFUSING = {"ieeexplore.ieee.org", "muse.jhu.edu", "openai.com", "www.aes.org", "www.jstor.org", "www.mdpi.com"}
AGENT = "Mozilla/5.0 (compatible; link check of a free textbook)"


def addresses_in(text: str) -> list[str]:
    """Return the addresses in a text, without the punctuation that follows them."""
    found = []
    for match in ADDRESS.finditer(text):
        address, open_brackets = match[0], 0
        for place, letter in enumerate(address):
            open_brackets += (letter == "(") - (letter == ")")
            if open_brackets < 0:  # that of a link in Markdown
                address = address[:place]
                break
        found.append(address.rstrip(".,;:!?*_"))
    return found


def read_data(root: Path, name: str) -> list[dict]:
    """Return the entries of a data file."""
    return yaml.safe_load((root / DATA / f"{name}.yml").read_text(encoding="utf-8"))


def papers(root: Path) -> dict[str, str]:
    """Return the addresses that DOI and arXiv number of a paper stand for, with the key of the paper."""
    found = {}
    for key, entry in parse_file(root / BIBLIOGRAPHY).entries.items():
        if doi := entry.fields.get("doi"):
            found[f"https://doi.org/{doi}"] = key
        if number := entry.fields.get("eprint"):
            found[f"https://arxiv.org/abs/{number}"] = key
    return found


def checked(root: Path) -> set[str]:
    """Return the addresses of which an entry of a registry says where it was seen."""
    kinds = REGISTRIES.items()
    return {e[field] for name, (field, where) in kinds for e in read_data(root, name) if e[field] and e[where]}


def shown(root: Path) -> dict[str, str]:
    """Return every address that readers see, but for those of papers, with a file that shows it."""
    found = {}
    for path in sorted(path for pattern in DOCUMENTS for path in root.glob(pattern)):
        for address in addresses_in(path.read_text(encoding="utf-8")):
            found.setdefault(address, path.relative_to(root).as_posix())
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for address in addresses_in(cell.source):
                found.setdefault(address, path.relative_to(root).as_posix())
    for name, field in [*((name, field) for name, (field, _) in REGISTRIES.items()), TIMELINE]:
        for entry in read_data(root, name):
            if entry[field]:
                found.setdefault(entry[field], (DATA / f"{name}.yml").as_posix())
    for key, entry in parse_file(root / BIBLIOGRAPHY).entries.items():
        if "url" in entry.fields:
            found.setdefault(entry.fields["url"], f"{BIBLIOGRAPHY.as_posix()} ({key})")
    return {address: where for address, where in found.items() if address not in EXAMPLES}


def is_public(address: str) -> bool:
    """Whether an address leads to a host that everybody reaches, and that is no store of packages or copies."""
    host = urlsplit(address).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and urlsplit(address).port is None and not OF_A_MACHINE.search(host)
    return False


def address_problems(root: Path) -> list[str]:
    """Addresses that no source is known to have shown, and entries that are unused, doubled or incomplete."""
    entries = read_data(root, "addresses")
    there, told = shown(root), {entry["address"]: entry for entry in entries}
    elsewhere = checked(root) | papers(root).keys()
    problems = [f"{LISTED} has {one} {n} times" for one, n in Counter(e["address"] for e in entries).items() if n > 1]
    for address, where in there.items():
        if address not in told and address not in elsewhere:
            problems.append(f"{where} shows {address}: write into {LISTED} when and where it was seen")
        if address.startswith("http:") and "http" not in told.get(address, {}):
            problems.append(
                f"{where} shows {address}: use https, or say in {LISTED} under `http` why that is not there"
            )
        if not is_public(address):
            problems.append(f"{where} shows {address}, which is not the home of what it leads to")
    for address, entry in told.items():
        if address not in there:
            problems.append(f"{LISTED} has {address}, which nothing shows")
        if address in elsewhere:
            problems.append(f"{LISTED} has {address}, of which a registry or the bibliography says where it was seen")
        if set(entry) - {"http"} != ({"address", "seen", "by"} if entry["seen"] else {"address", "seen", "why"}):
            problems.append(f"{LISTED}: {address} needs `seen` and `by`, or `seen: null` and `why`")
        elif entry["seen"] and not (DATE.fullmatch(entry["seen"]) and entry["by"] in SOURCES):
            problems.append(f"{LISTED}: {address} was seen on a day, in one of {', '.join(sorted(SOURCES))}")
    return problems


def ask(client: httpx.Client, address: str) -> httpx.Response:
    """Ask for an address, by HEAD first and by GET where that is refused, without loading what is there."""
    follow = urlsplit(address).hostname != "doi.org"  # a DOI exists if it leads somewhere, whoever is there
    response = client.head(address, follow_redirects=follow)
    if response.status_code >= 400:
        with client.stream("GET", address, follow_redirects=follow) as response:
            pass
    return response


def verdict(client: httpx.Client, address: str, wait: Callable[[float], None] = time.sleep) -> tuple[str, str]:
    """Return ``there``, ``moved``, ``refused`` or ``gone``, and what the last answer was."""
    for attempt in range(1, TRIES + 1):
        status, said, delay = 0, "", 2.0**attempt
        try:
            response = ask(client, address)
        except httpx.HTTPError as error:
            said = type(error).__name__
        else:
            status, told = response.status_code, response.headers.get("retry-after", "")
            delay = float(told) if told.isdigit() else delay
        if attempt == TRIES or (status and status not in BUSY):
            break
        wait(min(delay, LONGEST_WAIT))
    said = said or str(status)
    if status in REFUSED and urlsplit(address).hostname in REFUSING:
        return "refused", said
    if not 0 < status < 400:
        return "gone", said
    moved = response.history and all(one.status_code in MOVED for one in response.history)
    return ("moved", f"to {response.url}") if moved else ("there", said)


def ask_all(
    addresses: list[str], client: httpx.Client, wait: Callable[[float], None] = time.sleep
) -> dict[str, tuple[str, str]]:
    """Return the verdict on each address: several hosts at a time, and of one host one address after the other."""

    def ask_host(group: list[str]) -> dict[str, tuple[str, str]]:
        found = {}
        for address in group:
            found[address] = verdict(client, address, wait)
            wait(PAUSE.get(urlsplit(address).hostname, 1.0))
        return found

    def host(address: str) -> str:
        return urlsplit(address).netloc

    groups = [list(group) for _, group in groupby(sorted(addresses, key=host), key=host)]
    with ThreadPoolExecutor(PARALLEL) as pool:
        return {address: said for found in pool.map(ask_host, groups) for address, said in found.items()}


def main() -> int:
    """Ask, print what has moved, what refuses to say and what is gone, and fail if something is gone."""
    parser = argparse.ArgumentParser(description="Ask every address outside of the book whether it is still there.")
    parser.add_argument("--papers", action="store_true", help="ask for DOIs and arXiv numbers of the bibliography too")
    places = shown(ROOT) | (papers(ROOT) if parser.parse_args().papers else {})
    with httpx.Client(timeout=PATIENCE, headers={"user-agent": AGENT}) as client:
        verdicts = ask_all(list(places), client)
    for kind in ("moved", "refused", "gone"):
        for address, (found, said) in verdicts.items():
            if found == kind:
                print(f"{kind}: {address} ({said}), in {places[address]}")
    counts = Counter(found for found, _ in verdicts.values())
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("there", "moved", "refused", "gone")))
    return 1 if counts["gone"] else 0


if __name__ == "__main__":
    sys.exit(main())
