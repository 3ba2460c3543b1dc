"""Addresses outside of the book were seen in a source, and the command that asks them tells what it was answered."""

import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import addresses
import httpx
import pytest
from addresses import DATA, LISTED, ROOT, address_problems
from small_book import write_cells

SEEN = '- {{address: "{}", seen: "2026-11-29", by: code}}\n'


def test_every_address_was_seen_and_each_entry_is_needed():
    assert address_problems(ROOT) == []


def test_brackets_and_punctuation_after_an_address_are_not_part_of_it():
    text = "See [x](https://a.org/b_(c)), <https://a.org/d>; https://a.org/e?f=g. And `https://a.org/h`, (https://a.org/i)."
    assert addresses.addresses_in(text) == [f"https://a.org/{part}" for part in ("b_(c)", "d", "e?f=g", "h", "i")]


SMALL = {  # a book whose addresses are all accounted for
    "README.md": "https://a.org/readme\n",
    "book/intro.md": "[x](https://a.org/page), https://doi.org/10.1/x, http://a.org/old, https://a.org/lost.\n",
    "book/references.bib": "@misc{doe2024word, title = {A}, url = {https://a.org/paper}, doi = {10.1/x}}\n",
    DATA / "models.yml": '- {weights: "https://a.org/weights", checked: {when: "2026-11-29"}}\n',
    DATA / "datasets.yml": "- {address: null, checked: null}\n",
    DATA / "benchmarks.yml": "- {address: null, checked: null}\n",
    DATA / "changes.yml": '- {link: "https://a.org/news", seen: "2026-11-29"}\n',
    DATA / "timeline.yml": '- {samples: "https://a.org/samples"}\n',
    LISTED: "".join(map(SEEN.format, [f"https://a.org/{x}" for x in ("readme", "page", "paper", "samples", "cell")]))
    + '- {address: "http://a.org/old", seen: "2026-11-29", by: code, http: "no https there"}\n'
    + '- {address: "https://a.org/lost", seen: null, why: "looked for"}\n',
}


@pytest.fixture
def book(tmp_path) -> Path:
    """A small book that shows addresses in all kinds of files, to be broken."""
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    write_cells(tmp_path, "# https://a.org/cell")
    return tmp_path


def append(name: str | Path, text: str):
    """Return a function that adds a text to a file."""
    return lambda root: (root / name).write_text((root / name).read_text(encoding="utf-8") + text, encoding="utf-8")


def replace(name: str | Path, old: str, new: str):
    """Return a function that replaces some words in a file."""

    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


CELLS = "notebooks/cells.ipynb"
BREAKS = {
    "page": (append("book/intro.md", "<https://b.org/x>"), "book/intro.md shows https://b.org/x: write"),
    "README": (append("README.md", "https://b.org/x"), "README.md shows https://b.org/x: write"),
    "notebook": (replace(CELLS, "a.org/cell", "b.org/x"), f"{CELLS} shows https://b.org/x: write"),
    "registry": (
        replace(DATA / "models.yml", '{when: "2026-11-29"}', "null"),
        "models.yml shows https://a.org/weights",
    ),
    "change": (
        replace(DATA / "changes.yml", 'seen: "2026-11-29"', "seen: null"),
        "changes.yml shows https://a.org/news",
    ),
    "timeline": (replace(DATA / "timeline.yml", "a.org", "b.org"), "timeline.yml shows https://b.org/samples: write"),
    "bibliography": (
        replace("book/references.bib", "a.org/paper", "b.org/x"),
        "references.bib (doe2024word) shows https://b.org/x: write",
    ),
    "paper": (replace("book/references.bib", "10.1/x", "10.1/y"), "book/intro.md shows https://doi.org/10.1/x: write"),
    "nothing shows it": (append(LISTED, SEEN.format("https://b.org/x")), "has https://b.org/x, which nothing shows"),
    "seen elsewhere": (append(LISTED, SEEN.format("https://doi.org/10.1/x")), "has https://doi.org/10.1/x, of which"),
    "twice": (append(LISTED, SEEN.format("https://a.org/page")), "has https://a.org/page 2 times"),
    "no day": (replace(LISTED, 'seen: "2026-11-29"', 'seen: "lately"'), "https://a.org/page was seen on a day"),
    "no source": (replace(LISTED, "by: code", "by: hearsay"), "in one of code, docs, issues, pages"),
    "no reason": (replace(LISTED, ", why:", ", because:"), "https://a.org/lost needs `seen` and `by`, or"),
    "http": (replace(LISTED, ", http:", ", https:"), "shows http://a.org/old: use https, or say in"),
    "copy": (append("README.md", "https://mirror.b.org/x"), "https://mirror.b.org/x, which is not the home"),
}


def test_small_book_is_accounted_for(book):
    assert address_problems(book) == []


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_missing_is_named(book, name):
    change, problem = BREAKS[name]
    change(book)
    assert any(problem in found for found in address_problems(book))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://pages.org/x", True),
        ("https://proceedings.mlr.press/v70", True),
        ("https://mirror.pages.org/x", False),
        ("https://pypi.org/project/x", False),
        ("https://registry.npmjs.org/x", False),
        ("https://hf-mirror.com/x", False),
        ("https://store.internal/x", False),
        ("http://localhost/x", False),
        ("http://store/x", False),
        ("http://10.1.2.3/x", False),
        ("https://pages.org:8443/x", False),
    ],
)
def test_hosts_of_a_machine_and_copies_are_told_from_homes(address, public):
    assert addresses.is_public(address) is public


class Answers(BaseHTTPRequestHandler):
    """A server that answers as its path says, and counts how often it was asked for each path."""

    asked: dict[str, int]  # of each server its own
    let_go: threading.Event

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        name = self.path.strip("/")
        self.asked[name] = self.asked.get(name, 0) + 1
        if name == "hangs":
            self.let_go.wait(10)
            return
        status = int(name.partition("-")[0])
        if name == "405-head":
            status = 405 if self.command == "HEAD" else 200
        if name == "429-twice" and self.asked[name] > 4:  # HEAD and GET, two times
            status = 200
        self.send_response(status)
        if status in (301, 302):
            self.send_header("location", "/200" if name.endswith("there") else "/404")
        if status == 429:
            self.send_header("retry-after", "7")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextmanager
def answering():
    """Run the server while the ``with`` block runs, and give its address."""
    handler = type("Handler", (Answers,), {"asked": {}, "let_go": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    handler.let_go.set()
    server.shutdown()
    server.server_close()


VERDICTS = {
    "200": ("there", "200"),
    "301-there": ("moved", "to {site}/200"),
    "301-nowhere": ("gone", "404"),
    "302-there": ("there", "200"),
    "403": ("gone", "403"),
    "404": ("gone", "404"),
    "405-head": ("there", "200"),
    "429-twice": ("there", "200"),
    "429": ("gone", "429"),
    "503": ("gone", "503"),
    "hangs": ("gone", "ReadTimeout"),
}


def test_answers_are_told_apart(monkeypatch):
    waited = []
    with answering() as site, httpx.Client(timeout=0.2) as client:
        found = addresses.ask_all([f"{site}/{name}" for name in VERDICTS], client, waited.append)
        monkeypatch.setattr(addresses, "REFUSING", {"127.0.0.1"})
        refused = {
            name: addresses.verdict(client, f"{site}/{name}", waited.append)[0] for name in ("403", "404", "429")
        }
    assert found == {f"{site}/{name}": (kind, said.format(site=site)) for name, (kind, said) in VERDICTS.items()}
    assert refused == {"403": "refused", "404": "gone", "429": "refused"}
    assert 7.0 in waited, "a server that says how long to wait is heard"


def test_host_that_is_not_there_is_gone():
    with httpx.Client(timeout=0.2) as client:
        assert addresses.verdict(client, "https://nowhere.invalid/x", lambda seconds: None) == ("gone", "ConnectError")


@pytest.mark.parametrize(("kind", "status"), [("there", 0), ("moved", 0), ("refused", 0), ("gone", 1)])
def test_command_fails_only_where_something_is_gone(monkeypatch, capsys, kind, status):
    monkeypatch.setattr(sys, "argv", ["addresses.py"])
    monkeypatch.setattr(addresses, "shown", lambda root: {"https://a.org/x": "book/intro.md"})
    monkeypatch.setattr(addresses, "ask_all", lambda asked, client: {one: (kind, "418") for one in asked})
    assert addresses.main() == status
    printed = capsys.readouterr().out
    assert ("https://a.org/x (418), in book/intro.md" in printed) == (kind != "there")
    assert f"1 {kind}" in printed


def test_papers_are_asked_only_on_demand(monkeypatch):
    asked = []
    monkeypatch.setattr(addresses, "shown", lambda root: {"https://a.org/x": "book/intro.md"})
    monkeypatch.setattr(addresses, "papers", lambda root: {"https://doi.org/10.1/x": "doe2024word"})
    monkeypatch.setattr(addresses, "ask_all", lambda some, client: asked.append(some) or {})
    for options in ([], ["--papers"]):
        monkeypatch.setattr(sys, "argv", ["addresses.py", *options])
        addresses.main()
    assert asked == [["https://a.org/x"], ["https://a.org/x", "https://doi.org/10.1/x"]]
