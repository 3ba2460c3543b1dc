"""Which clips a caption is true of: facts, statements and their tables, in the package and in the recipes."""

import json

import numpy as np
import pytest

from musicwords.corpus import load_corpus, load_typed_queries
from musicwords.matching import ATTRIBUTES, LISTS, fact_table, facts, stated

CHOIR = {"id": "one", "instruments": ["choir"], "families": ["voice"], "tempo_class": "slow", "mode": "major",
         "meter": None, "percussion": False}  # fmt: skip


def test_facts_are_what_is_known_and_the_mood_that_goes_with_it():
    assert facts(CHOIR) == {
        ("instruments", "choir"),
        ("families", "voice"),
        ("tempo_class", "slow"),
        ("mode", "major"),
        ("mood", "calm"),
        ("percussion", False),
    }


def test_a_tempo_within_the_tolerance_is_true():
    near = {value for name, value in facts({"tempo_bpm": 100.4}) if name == "tempo_bpm"}
    assert near == set(range(96, 105))


def test_statements_are_pairs_and_absence_is_told_once():
    said = stated({"instruments": ["harp", "flute"], "percussion": False, "absent": ["drums"]})
    assert said == {("instruments", "harp"), ("instruments", "flute"), ("percussion", False)}


def test_table_has_a_column_for_each_name_and_none_for_others():
    names = [("mode", "major"), ("tempo_class", "slow")]
    found = fact_table([facts(CHOIR), {("mode", "major")}, set()], names)
    assert found.tolist() == [[1, 1], [1, 0], [0, 0]]
    with pytest.raises(ValueError, match="give each fact once"):
        fact_table([], names * 2)


def test_typed_queries_have_right_answers_in_every_large_set():
    queries = load_typed_queries()
    wanted = [stated(one) for one in queries.values()]
    names = sorted(set().union(*wanted), key=str)
    said = fact_table(wanted, names)
    corpus = load_corpus().select_columns(list(ATTRIBUTES))
    for name in ("validation", "test"):
        holds = fact_table([facts(clip) for clip in corpus[name]], names)
        right = (said @ holds.T >= said.sum(axis=1, keepdims=True)).sum(axis=1)
        assert right.min() >= 3, dict(zip(queries, right, strict=True))


def test_recipes_judge_the_captions_of_the_corpus_alike():
    """The recipes leave out what the grammar may not state, which no caption states anyway."""
    from musicwords.captions import matching
    from musicwords.captions.grammar import statable

    corpus = load_corpus()
    for name in ("validation", "recordings"):
        claims = [stated(json.loads(text)) for text in corpus[name]["stated"]]
        names = sorted(set().union(*claims), key=str)
        clips = list(corpus[name].select_columns(list(ATTRIBUTES)))
        ours, theirs = (fact_table([of(clip) for clip in clips], names) for of in (facts, matching.facts))
        np.testing.assert_array_equal(ours, theirs)
        assert set(statable(clips[0])) <= set(ATTRIBUTES)
    assert set(LISTS) <= set(ATTRIBUTES)
