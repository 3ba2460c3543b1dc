"""The pages on how the mini checkpoints were made and on published figures: what they tell is what the files hold."""

import csv
import sys

import pytest
from pybtex.database import parse_file
from run_notebooks import ROOT
from source import running_words
from test_language_figures import load_script

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import checkpoint_tables as tables

DATA = ROOT / "book" / "data"
APPENDICES = ROOT / "book" / "appendices"
MOST_WORDS = {"making": 1_200, "published": 700}
FIELDS = {"task", "model", "cite", "metric", "value", "data", "place", "ours", "why", "seen"}
NO_CURVES = {"scores.csv", "settings.csv", "finalists.csv"}  # of a checkpoint


def number(name: str) -> float:
    """Return a number of scores.yml as it stands in its file."""
    return float(tables.select(ROOT, tables.read_data(ROOT, "scores")[name]))


@pytest.fixture(scope="module")
def published():
    return tables.read_data(ROOT, "published")


def page(name: str) -> str:
    return (APPENDICES / f"{name}.md").read_text(encoding="utf-8")


def test_figure_is_of_the_curves_that_ship():
    script = load_script("making_curves")
    drawn = (ROOT / "book" / "img" / "making_curves.svg").read_text(encoding="utf-8")
    assert script.made_of() in drawn, "draw it again: .venv/bin/python book/img/making_curves.py"


def test_every_panel_has_a_curve_that_goes_on():
    script = load_script("making_curves")
    for panel in script.PANELS:
        rows = script.read(script.CHECKPOINTS / panel.curve)
        for column in panel.lines:
            x, y = script.points(rows, panel.unit, column)
            assert len(x) == len(y) >= 2 and x == sorted(set(x)), panel.title
            assert (y[-1] < y[0]) == (panel.goal == "lower") or panel.title == "Diffusion", panel.title


def test_every_curve_is_drawn():
    script = load_script("making_curves")
    drawn = {panel.curve.split("/")[1] for panel in script.PANELS}
    shipped = {path.name for path in script.CHECKPOINTS.glob("*/*.csv")} - NO_CURVES
    assert shipped <= drawn


def test_every_score_is_one_number_and_is_told():
    told = "".join(page(name) for name in MOST_WORDS) + (DATA / "published.yml").read_text(encoding="utf-8")
    told += (ROOT / "book" / "live" / "generate.md").read_text(encoding="utf-8")
    for name in tables.read_data(ROOT, "scores"):
        assert tables.score(ROOT, name)
        assert f"{{score}}`{name}`" in told, name


def test_a_score_that_is_not_one_row_is_refused():
    entry = tables.read_data(ROOT, "scores")["clap-r1"]
    with pytest.raises(ValueError, match="0 rows"):
        tables.select(ROOT, entry | {"where": {"set": "nowhere"}})
    with pytest.raises(ValueError, match="no score"):
        tables.score(ROOT, "nothing")


def test_every_training_is_in_the_table_with_a_command_that_there_is():
    entries = tables.read_data(ROOT, "trainings")
    listed = {entry["folder"]: set() for entry in entries}
    for entry in entries:
        listed[entry["folder"]] |= set(entry["curves"])
        module = entry["command"].removeprefix("python -m ").replace(".", "/")
        assert (ROOT / module / "__main__.py").is_file(), entry["command"]
    for folder, curves in listed.items():
        beside = {path.name for path in (ROOT / tables.CHECKPOINTS / folder).glob("*.csv")}
        assert beside - NO_CURVES - {"prompt-encoder.csv"} == curves - {"prompt-encoder.csv"}, folder
    rows = tables.training_rows(ROOT)
    assert len(rows) == len(entries) + 1
    parts = sum(float(row[3].rstrip("+")) for row in rows[:-1] if row[3])
    assert float(rows[-1][3].rstrip("+")) == pytest.approx(parts, abs=0.05 * len(rows))


def test_both_generators_have_the_same_prompt_encoder():
    curves = {
        (ROOT / tables.CHECKPOINTS / name / "prompt-encoder.csv").read_bytes() for name in ("musicgen", "diffusion")
    }
    assert len(curves) == 1


def test_page_says_what_failed_as_the_files_have_it():
    assert number("clap-r1") < 0.85 * number("clap-oracle-r1") and number("clap-first-r1") < number("clap-r1")
    assert number("codec-instrument") < 0.70 < number("codec-instrument-original")
    assert number("captioner-true") < number("captioner-template-true")
    assert number("captioner-recordings-true") < number("captioner-recordings-without-audio-true")
    assert number("clap-percussion-recordings") < number("clap-percussion-recordings-majority")
    for name in ("musicgen", "diffusion"):
        assert number(f"{name}-tempo") < number(f"{name}-family"), name


def test_first_diffusion_knew_one_wording_and_the_shipped_one_does_not():
    assert number("first-diffusion-least-epoch") < 8
    gaps = {name: number(f"{name}-new") - number(f"{name}-known") for name in ("first-diffusion", "diffusion")}
    assert gaps["first-diffusion"] > 0.04 and gaps["diffusion"] < 0.01, gaps


def test_ablation_of_the_ears_has_no_answer():
    with (ROOT / "musicwords" / "data" / "benchmarks" / "ears.csv").open(encoding="utf-8") as file:
        runs = {row.pop("run"): row for row in csv.DictReader(file)}
    assert len(runs) == 5 and runs.pop("before")
    for tagger in ("mtt", "msd"):
        lows, highs = ([float(run[f"{tagger} {end}"]) for run in runs.values()] for end in ("low", "high"))
        assert max(lows) < min(highs), tagger
    assert number("ears-timbres-unheard") < number("ears-corpus-unheard")


def test_published_figures_are_complete_and_say_where_they_were_seen(published):
    known = parse_file(str(ROOT / "book" / "references.bib")).entries
    assert 12 <= len(published) <= 25
    for entry in published:
        assert set(entry) == FIELDS and all(entry.values()), entry["model"]
        assert set(entry["seen"]) == {"where", "when", "how", "what"} and all(entry["seen"].values()), entry["model"]
        assert entry["seen"]["how"] in ("authors", "quoted") and entry["cite"] in known, entry["model"]
        assert entry["ours"] == "none" or "{score}`" in entry["ours"], entry["model"]
        assert entry["why"].endswith(".") and ". " not in entry["why"], "one sentence for each row"


def test_every_published_figure_is_shown(published):
    assert 0.35 < number("clap-r1") < 0.45, "the page asks whether 40 % is better than 4 %"
    assert {f":::{{published}} {entry['task']}" for entry in published} <= set(page("published").splitlines())
    shown = [row for task in {entry["task"] for entry in published} for row in tables.published_rows(ROOT, task)]
    assert len(shown) == len(published)


@pytest.mark.parametrize("name", MOST_WORDS)
def test_pages_are_short(name):
    assert running_words(page(name)) <= MOST_WORDS[name]
