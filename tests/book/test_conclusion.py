"""The pages of the conclusion show what their scripts and files hold. Final place: tests/book/test_conclusion.py"""

import ast
import json
import re
import sys

import nbformat
import pytest
import yaml
from pybtex.database import parse_file
from run_notebooks import ROOT
from test_language_figures import load_script

from musicwords.checkpoints import REGISTRY

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from checkpoint_tables import FOLLOWED, followed_rows

DATA, IMAGES, PAGES = (ROOT / "book" / name for name in ("data", "img", "conclusion"))
PARTS = {"description", "retrieval", "generation", "evaluation", "rights"}
MOST_WORDS = 25


@pytest.fixture(scope="module")
def changes():
    return yaml.safe_load((DATA / "changes.yml").read_text(encoding="utf-8"))


def test_changes_are_new_short_and_sourced(changes):
    known = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert 25 <= len(changes) <= 60
    for one in changes:
        assert set(one) == {"name", "task", "date", "said", "cite", "link", "by", "seen"}, one["name"]
        assert set(one["task"]) <= PARTS and len(one["task"]) == 1, one["name"]
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", one["date"]) and one["date"] > "2024-11", one["name"]
        assert one["said"].endswith(".") and len(one["said"].split()) <= MOST_WORDS, one["name"]
        assert (one["cite"] is None) == bool(one["link"] and one["by"]) and one["seen"], one["name"]
        assert one["cite"] in known if one["cite"] else re.match(r"https://\S+$", one["link"]), one["name"]


def test_changes_are_described_as_drawn(changes):
    alt = load_script("conclusion_changes").alt(changes)
    assert alt in (PAGES / "since_2024.md").read_text(encoding="utf-8"), "draw it again, and copy what it prints"


def test_one_clip_is_of_the_shipped_weights_and_drawn_and_described_as_computed():
    made = json.loads((DATA / "followed.json").read_text(encoding="utf-8"))
    found = made["followed"][0]
    for name, sha256 in made["weights"].items():
        assert sha256 == REGISTRY[name]["mini"]["sha256"], f"{name} has changed: run book/data/followed.py"
    script = load_script("conclusion_one_clip")
    assert (IMAGES / "conclusion_one_clip.svg").read_text(encoding="utf-8") == script.draw(found), "draw it again"
    assert script.alt(found) in (PAGES / "wrap_up.md").read_text(encoding="utf-8"), "copy what the script prints"


def source_of(page) -> str:
    """Return the text and the code of a page or notebook."""
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in nbformat.read(page, as_version=4).cells)


def test_one_clip_is_followed_through_each_main_part_and_back():
    """The pages of the table at the top use the clip by its name, and lead on to the page that follows it."""
    wrap_up = PAGES / "wrap_up.md"
    name = json.loads((DATA / "followed.json").read_text(encoding="utf-8"))["followed"][0]["clip"]
    opening = wrap_up.read_text(encoding="utf-8").partition("```{figure}")[0]
    pages = [(PAGES / link).resolve() for link in re.findall(r"^\| \[\]\((\S+)\) \|", opening, re.MULTILINE)]
    assert {"description", "retrieval", "generation"} <= {page.parent.name for page in pages}
    sources = {page.relative_to(ROOT.resolve()).as_posix(): source_of(page) for page in pages}
    assert [page for page, text in sources.items() if name not in text] == [], f"these do not use {name}"
    assert [page for page, text in sources.items() if f"conclusion/{wrap_up.name}" not in text] == [], "no way back"


def test_followed_clips_state_what_the_notebook_of_metrics_says():
    """In generation_metrics.ipynb the same sentences are prompts, and the same probe judges them."""
    followed = json.loads((DATA / "followed.json").read_text(encoding="utf-8"))["followed"]
    code = source_of(ROOT / "notebooks" / "generation" / "generation_metrics.ipynb")
    stated = ast.literal_eval(re.search(r"^STATED = (\{.*?^\})", code, re.MULTILINE | re.DOTALL)[1])
    assert len(followed) == 4
    assert {one["clip"]: one["stated"] for one in followed} == {one["clip"]: stated[one["clip"]] for one in followed}


def test_followed_clips_are_told_fact_by_fact():
    rows = followed_rows(ROOT)
    assert len(rows) == 6 and {len(row) for row in rows} == {len(FOLLOWED)}
    assert [row[0] != "" for row in rows] == [True, False] * 3
    assert all(re.fullmatch(r"\d of \d", cell) for row in rows for cell in row[4:])
