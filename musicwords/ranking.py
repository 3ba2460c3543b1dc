"""Scores of rankings with one right answer a query, with ties and bootstrap intervals.

Derived in: notebooks/retrieval/tag_search.ipynb
"""

from collections.abc import Hashable, Sequence

import numpy as np

CUTOFFS = (1, 5, 10)


def score_queries(similarity: np.ndarray, right: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Score the place of each query's right answer; items with the same score stand in random order.

    Each score is its mean over the orders of tied items, which can be written down without drawing any.

    Parameters
    ----------
    similarity : np.ndarray of shape (queries, items)
        Higher is better.
    right : np.ndarray of int, shape (queries,), optional
        The item that each query asks for. By default query i asks for item i.

    Returns
    -------
    dict of str to np.ndarray of shape (queries,)
        ``R@1``, ``R@5`` and ``R@10`` between 0 and 1, ``MRR`` (reciprocal rank) between 0 and 1, and
        ``median rank``, the rank from 1 on.

    Raises
    ------
    ValueError
        If the similarities are no matrix, hold NaN, or have no item for a query.
    """
    similarity = np.asarray(similarity)
    if similarity.ndim != 2 or np.isnan(similarity).any():
        raise ValueError(
            f"similarity has shape {similarity.shape} and {np.isnan(similarity).sum()} NaN: "
            "give a matrix (queries, items) of numbers."
        )
    queries, items = similarity.shape
    right = np.arange(queries) if right is None else np.asarray(right)
    if len(right) != queries or (queries and not 0 <= right.min() <= right.max() < items):
        raise ValueError(
            f"{queries} queries over {items} items have {len(right)} right answers: give each query one, "
            f"a number from 0 to {items - 1}."
        )
    own = similarity[np.arange(queries), right][:, None]
    better = (similarity > own).sum(axis=1)
    tied = (similarity == own).sum(axis=1)  # the right one included
    scores = {f"R@{k}": np.clip((k - better) / tied, 0, 1) for k in CUTOFFS}
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, items + 1))])
    scores["MRR"] = (harmonic[better + tied] - harmonic[better]) / tied
    scores["median rank"] = better + (tied + 1) / 2
    return scores


def summarize(
    scores: dict[str, np.ndarray], groups: Sequence[Hashable], repeats: int = 1000, seed: int = 0
) -> dict[str, list[float]]:
    """Average scores over queries, with 95 % bootstrap intervals that draw whole groups.

    Parameters
    ----------
    scores : dict of str to np.ndarray of shape (queries,) or (runs, queries)
        From ``score_queries``, or any others: the difference of two engines, query by query, is compared this way.
        Of an engine that was trained several times, one row a run.
    groups : sequence of length queries
        What is drawn together, since it is alike: the work of each query, or the query itself.
    repeats : int, default=1000
        How often groups are drawn with replacement.
    seed : int, default=0
        Of the draws.

    Returns
    -------
    dict of str to [value, low, high]
        The mean, and the 2.5 and 97.5 percentiles of the draws; of ``median rank`` the median. Of several runs the
        mean of what each run gives, on the same draws.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    count = group.max() + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=repeats)  # how often each group is drawn
    weight = drawn[:, group].astype(np.float32)  # (repeats, queries)
    result = {}
    for name, values in scores.items():
        runs = np.atleast_2d(values)  # (runs, queries)
        if name == "median rank":
            again, value = np.mean([_medians(run, weight) for run in runs], axis=0), np.median(runs, axis=1).mean()
        else:
            again, value = weight @ runs.mean(axis=0) / weight.sum(axis=1), runs.mean()
        low, high = np.percentile(again, [2.5, 97.5])
        result[name] = [float(value), float(low), float(high)]
    return result


def _medians(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the median of ``values`` (queries,) in each draw of ``weight`` (draws, queries)."""
    order = np.argsort(values)
    share = weight[:, order].cumsum(axis=1)
    return values[order][(share >= share[:, -1:] / 2).argmax(axis=1)]


def chance(items: int) -> dict[str, float]:
    """Return the expected scores of a random order of ``items`` items, under the names of ``score_queries``."""
    found = {f"R@{k}": min(1.0, k / items) for k in CUTOFFS}
    return found | {"MRR": float(np.mean(1 / np.arange(1, items + 1))), "median rank": (items + 1) / 2}
