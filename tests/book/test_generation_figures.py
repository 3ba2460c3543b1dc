"""The figures of the part on generation show what their scripts compute."""

import yaml
from run_notebooks import ROOT
from test_language_figures import load_script

IMAGES = ROOT / "book" / "img"


def test_orders_are_drawn_as_computed():
    script = load_script("generation_tokens")
    assert (IMAGES / "generation_orders.svg").read_text(encoding="utf-8") == script.draw_orders()


def test_each_order_writes_each_token_once_and_takes_the_steps_of_the_table():
    script = load_script("generation_tokens")
    books, frames = 3, 5
    steps = {
        "flattening": books * frames,
        "parallel": frames,
        "delay": frames + books - 1,
        "coarse-first": frames + books - 1,
        "depth": books * frames,
    }
    for name, tokens in script.orders(books, frames).items():
        assert len({(k, t) for _, k, t in tokens}) == len(tokens) == books * frames, name
        assert len({step for step, _, _ in tokens}) == steps[name], name
        for step, k, t in tokens:  # a token never comes before the lower codebooks of its frame, nor before its past
            assert all(s <= step for s, other, frame in tokens if frame == t and other < k), name
            assert all(s < step for s, other, frame in tokens if frame < t and other == k) or name == "coarse-first"


def test_melody_is_drawn_as_heard():
    """A strongest pitch class may change where two are nearly equal: another processor rounds in another way."""
    script = load_script("generation_tokens")
    drawn = (IMAGES / "generation_melody.svg").read_text(encoding="utf-8").splitlines()
    found = script.draw_melody().splitlines()
    assert len(set(drawn) & set(found)) >= 0.9 * len(set(drawn))


def test_all_generators_of_the_timeline_are_drawn():
    script = load_script("generation_timeline")
    entries = yaml.safe_load((ROOT / "book" / "data" / "timeline.yml").read_text(encoding="utf-8"))
    assert {one["gives"] for one in entries} <= set(script.LANES)
    drawn = (IMAGES / "generation_timeline.svg").read_text(encoding="utf-8")
    assert all(one["name"] in drawn for one in entries)
