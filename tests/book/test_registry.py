"""The registry of models, data sets and benchmarks: complete, cited, and shown as tables that can be sorted."""

import re
import runpy
import sys
from collections import Counter

import pytest
import yaml
from pybtex.database import parse_file
from run_notebooks import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import samples

DATA = ROOT / "book" / "data"
LEAST = {"models": 45, "datasets": 30, "benchmarks": 15}


@pytest.fixture(scope="module", params=sorted(LEAST))
def registry(request):
    return request.param, yaml.safe_load((DATA / f"{request.param}.yml").read_text(encoding="utf-8"))


def test_there_are_enough_entries_and_none_is_twice(registry):
    name, entries = registry
    assert len(entries) >= LEAST[name]
    assert not [one for one, count in Counter(entry["name"].lower() for entry in entries).items() if count > 1]


def test_all_entries_have_the_same_fields(registry):
    _, entries = registry
    assert {frozenset(entry) for entry in entries} == {frozenset(entries[0])}
    for entry in entries:
        assert set(entry["checked"]) == {"where", "when", "what"} and all(entry["checked"].values()), entry["name"]
        assert isinstance(entry["task"], list) and entry["task"], entry["name"]


def test_what_is_new_was_published_after_the_tutorial(registry):
    _, entries = registry
    for entry in entries:
        if entry["year"] and entry["year"] != 2024:
            assert entry["newer"] is (entry["year"] > 2024), entry["name"]


def test_citations_are_in_the_bibliography(registry):
    _, entries = registry
    known = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert not [entry["name"] for entry in entries if entry["cite"] and entry["cite"] not in known]


def test_addresses_are_addresses(registry):
    _, entries = registry
    for entry in entries:
        for field in ("weights", "address"):
            assert entry.get(field) is None or re.match(r"https://\S+$", entry[field]), entry["name"]


def test_classes_are_in_the_libraries():
    """Those of transformers can be imported; diffusers takes long to import, so that its source is searched."""
    import importlib.util
    from pathlib import Path

    import transformers

    folder = Path(importlib.util.find_spec("diffusers").origin).parent
    source = (folder / "__init__.py").read_text(encoding="utf-8")
    for entry in yaml.safe_load((DATA / "models.yml").read_text(encoding="utf-8")):
        for library, name in re.findall(r"(transformers|diffusers): (\w+)", entry["library"] or ""):
            assert hasattr(transformers, name) if library == "transformers" else name in source, entry["name"]


def test_package_has_the_data_sets_that_notebooks_plot():
    """Notebooks run without the book around them: a table of the package is made from the registry."""
    script = runpy.run_path(str(DATA / "export.py"))
    kept = script["TARGET"].read_text(encoding="utf-8")
    assert kept == script["table"](), "make it again: .venv/bin/python book/data/export.py"


def test_what_generators_make_is_told_in_the_same_fields():
    entries = yaml.safe_load((DATA / "models.yml").read_text(encoding="utf-8"))
    told = [entry for entry in entries if entry["makes"]]
    assert len(told) >= 20
    assert {frozenset(entry["makes"]) for entry in told} == {frozenset({"longest", "lyrics", "streams", "edits"})}
    assert all("generation" in entry["task"] for entry in told)


@pytest.fixture(scope="module")
def timeline():
    return yaml.safe_load((DATA / "timeline.yml").read_text(encoding="utf-8"))


def test_timeline_is_cited_and_says_where_samples_were_seen(timeline):
    known = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert not [one["name"] for one in timeline if one["cite"] and one["cite"] not in known]
    for one in timeline:
        assert one["gives"] in samples.LANES and re.match(r"\d{4}(-\d\d)?$", one["date"]), one["name"]
        assert one["samples"] is None or (re.match(r"https?://\S+$", one["samples"]) and one["seen"]), one["name"]


def test_samples_are_listed_by_what_a_user_gives_and_in_order(timeline):
    rows = dict(samples.cells(timeline))
    assert list(rows) == list(samples.LANES.values())
    for lane, title in samples.LANES.items():
        years = [int(year) for year in re.findall(r" (\d{4})(?: ·|$)", rows[title])]
        assert years == sorted(years) and len(years) == sum(one["gives"] == lane for one in timeline)
    linked = sum(one["samples"] is not None for one in timeline)
    assert sum(row.count("](http") for row in rows.values()) == linked
