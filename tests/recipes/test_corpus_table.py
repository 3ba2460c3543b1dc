"""The corpus as shipped: attributes, captions and embeddings fit each other, and splits share no work."""

import json

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from musicwords import checkpoint
from musicwords.corpus import CORPUS, load_corpus

SIZES = {"train": 6320, "validation": 640, "test": 1040, "collection": 400, "font": 400, "combination": 400,
         "recordings": 89}  # fmt: skip
HELD_OUT = {"test", "collection", "font", "combination", "recordings"}


@pytest.fixture(scope="module")
def corpus():
    return load_corpus()


@pytest.fixture(scope="module")
def matching():
    from musicwords.captions import matching, parse

    return matching, parse


def test_all_splits_are_there_and_the_file_is_small(corpus):
    assert {name: len(rows) for name, rows in corpus.items()} == SIZES
    assert CORPUS.stat().st_size <= 15e6


def test_no_work_of_training_or_validation_is_tested_on(corpus):
    works = {name: set(rows["work"]) for name, rows in corpus.items()}
    assert not works["train"] & works["validation"]
    for name in HELD_OUT:
        assert not works[name] & (works["train"] | works["validation"]), name


def test_harder_sets_are_what_they_are_called(corpus):
    trained = corpus["train"]
    assert not set(corpus["collection"]["collection"]) & set(trained["collection"])
    assert not set(corpus["font"]["soundfont"]) & set(trained["soundfont"])

    def combinations(rows):
        return set(zip((one[0] for one in rows["families"]), rows["tempo_class"], rows["percussion"], strict=True))

    assert not combinations(corpus["combination"]) & combinations(trained)


def test_captions_state_what_the_attributes_say(corpus, matching):
    """Read back from its words, a caption states what the table says it does, and that is true of its clip."""
    rules, parse = matching
    for rows in corpus.values():
        for row in rows.remove_columns(["audio_embedding", "text_embedding"]):
            claims = rules.stated(json.loads(row["stated"]))
            assert rules.stated(parse(row["caption"])) == claims, row["caption"]
            assert claims <= rules.facts(row), row["caption"]


def test_embeddings_are_those_of_the_captions_and_none_is_missing(corpus):
    encoder = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    for name, rows in corpus.with_format("numpy").items():
        audio, text = rows["audio_embedding"][:], rows["text_embedding"][:]
        assert audio.shape == (SIZES[name], 200)
        assert np.isfinite(audio).all()
        assert len(np.unique(audio, axis=0)) > 0.97 * len(audio)  # some recordings differ by a click at most
        some = range(0, len(rows), max(1, len(rows) // 20))
        again = encoder.encode([rows[i]["caption"] for i in some])
        np.testing.assert_allclose(text[list(some)], again, atol=2e-3)
