"""Scores of rankings in the recipes: ties, intervals, and which clips a caption is true of."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score


def test_scores_are_those_of_scikit_learn_without_ties():
    """With one right item, MRR is label ranking average precision, and recall at k top-k accuracy."""
    from musicwords.ranking import score_queries

    rng = np.random.default_rng(0)
    similarity, right = rng.normal(size=(200, 40)), rng.integers(40, size=200)
    found = score_queries(similarity, right)
    truth = np.eye(40)[right]
    assert found["MRR"].mean() == pytest.approx(label_ranking_average_precision_score(truth, similarity))
    for k in (1, 5, 10):
        expected = top_k_accuracy_score(right, similarity, k=k, labels=range(40))
        assert found[f"R@{k}"].mean() == pytest.approx(expected)


def test_ties_give_the_mean_over_their_orders():
    from musicwords.ranking import score_queries

    similarity = np.array([[3, 2, 2, 2, 1.0]])
    found = {name: value[0] for name, value in score_queries(similarity, np.array([2])).items()}
    ranks = [order.index(2) + 2 for order in itertools.permutations([1, 2, 3])]
    assert found["MRR"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert found["median rank"] == pytest.approx(np.mean(ranks))
    assert found["R@1"] == 0
    assert found["R@5"] == 1


def test_one_constant_score_is_chance():
    from musicwords.ranking import chance, score_queries

    found = score_queries(np.zeros((6, 30)), np.arange(6))
    assert {name: pytest.approx(values.mean()) for name, values in found.items()} == chance(30)


def test_intervals_draw_works_not_clips():
    """Ten copies of each query, in one work, do not narrow the interval."""
    from musicwords.ranking import summarize

    values = np.random.default_rng(0).random(40)
    alone = summarize({"MRR": values}, range(40))["MRR"]
    copied = summarize({"MRR": np.repeat(values, 10)}, np.repeat(range(40), 10))["MRR"]
    assert alone == pytest.approx(copied, abs=1e-6)
    assert alone[1] < alone[0] < alone[2]


def test_scores_of_several_runs_are_means_of_what_each_run_gives():
    """The median rank too, and not the median of mean ranks; the draws of works are the same for all runs."""
    from musicwords.ranking import summarize

    ranks = np.array([[1, 1, 9], [9, 1, 1.0]])
    assert summarize({"median rank": ranks}, range(3))["median rank"][0] == 1  # mean ranks are 5, 1 and 5
    same = summarize({"MRR": 1 / ranks[:1].repeat(3, axis=0), "median rank": ranks[:1].repeat(3, axis=0)}, range(3))
    assert same == summarize({"MRR": 1 / ranks[0], "median rank": ranks[0]}, range(3))


VIOLIN = {"instruments": ["violin"], "families": ["strings"], "percussion": False, "tempo_bpm": 100.0,
          "tempo_class": "medium", "mode": None, "texture": "solo"}  # fmt: skip
BAND = {"instruments": ["piano", "drums"], "families": ["keyboard"], "percussion": True, "tempo_bpm": 140.0,
        "tempo_class": "fast", "mode": "minor", "texture": "duet"}  # fmt: skip


def test_a_caption_is_true_of_the_clips_that_it_fits():
    from musicwords.captions.matching import Matcher

    said = [{"tempo_class": "fast"}, {"instruments": ["violin"], "mode": "minor"},
            {"tempo_class": "medium", "tempo_bpm": 102}, {"tempo_bpm": 120}, {"mood": "tense"},
            {"percussion": False}]  # fmt: skip
    matcher = Matcher([VIOLIN, BAND], said)
    assert matcher.true.tolist() == [[False, True], [False, False], [True, False], [False, False], [False, True],
                                     [True, False]]  # fmt: skip
    # The mode of the violin is not recorded: it is open whether it plays in minor, and whether it sounds tense.
    assert matcher.open.tolist() == [[False, False], [True, False], [False, False], [False, False], [True, False],
                                     [False, False]]  # fmt: skip


def test_every_caption_of_a_record_is_true_of_it():
    from random import Random

    from musicwords.captions import caption
    from musicwords.captions.matching import Matcher

    rng = Random(0)
    records = [VIOLIN, BAND] * 200
    said = [caption(r, rng, wording=rng.choice(["train", "test"]), negation=True, mood=True).mentioned for r in records]
    assert Matcher(records, said).true.diagonal().all()


def test_loss_with_several_positives():
    """With one positive a row it is cross entropy; open pairs are as if they were not there."""
    from recipes.clap.alignment import several_positives

    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    one = torch.eye(5, 7, dtype=torch.bool)
    none = torch.zeros_like(one)
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(5))
    assert several_positives(logits, one, none) == pytest.approx(expected.item(), abs=1e-5)
    open_ = none.clone()
    open_[:, 6] = True
    shorter = several_positives(logits[:, :6], one[:, :6], none[:, :6])
    assert several_positives(logits, one, open_) == pytest.approx(shorter.item(), abs=1e-5)
    without = one.clone()
    without[4] = False  # a row without a positive does not count
    assert several_positives(logits, without, none) == pytest.approx(
        several_positives(logits[:4], one[:4], none[:4]).item(), abs=1e-5
    )
    two = one.clone()
    two[:, 5] = True
    weights = torch.tensor([3.0] * 5 + [1.0, 9.0])  # by hand: three parts of the first positive, one of the second
    parts = torch.stack([expected, torch.nn.functional.cross_entropy(logits, torch.full((5,), 5))])
    assert several_positives(logits, two, none, weights) == pytest.approx(
        (3 * parts[0] + parts[1]).item() / 4, abs=1e-5
    )
    same = several_positives(logits, two, none, torch.full((7,), 2.0))
    assert same == pytest.approx(several_positives(logits, two, none).item(), abs=1e-5)


def test_rare_captions_weigh_more():
    from recipes.clap.alignment import rarity

    holds = torch.tensor([[1.0, 0, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0]])  # facts of all clips, of a fourth, of a fourth
    said = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 1]])
    np.testing.assert_allclose(rarity(said, holds), [1, 4, 16], rtol=1e-5)
    assert rarity(said, holds * 0).isfinite().all()  # a fact that no clip has


def test_augmentation_keeps_the_shape_and_differs_from_clip_to_clip():
    from recipes.clap.audio_tower import augmented

    mels = torch.arange(512.0)[None, None, :, None].expand(2, 1, 512, 128) / 10
    out = augmented(mels.contiguous(), torch.Generator().manual_seed(0))
    assert out.shape == mels.shape
    assert torch.isfinite(out).all()
    assert (out[0] - out[1]).abs().max() > 1
