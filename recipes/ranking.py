"""Scores of rankings with one right answer a query, with ties and intervals."""

from collections.abc import Sequence

import numpy as np

CUTOFFS = (1, 5, 10)


class Places:
    """Places of the right answers, where items with the same score stand in random order.

    Parameters
    ----------
    similarity : numpy.ndarray, shape (queries, items)
        Higher is better.
    right : numpy.ndarray of int, shape (queries,)
        The item that each query asks for.
    """

    def __init__(self, similarity: np.ndarray, right: np.ndarray):
        own = similarity[np.arange(len(right)), right][:, None]
        self.better = (similarity > own).sum(axis=1)
        self.tied = (similarity == own).sum(axis=1)  # the right one included
        self.items = similarity.shape[1]

    def per_query(self) -> dict[str, np.ndarray]:
        """Expected score of each query over the random order of ties."""
        found = {f"R@{k}": np.clip((k - self.better) / self.tied, 0, 1) for k in CUTOFFS}
        harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, self.items + 1))])
        found["MRR"] = (harmonic[self.better + self.tied] - harmonic[self.better]) / self.tied
        found["median rank"] = self.better + (self.tied + 1) / 2
        return found


def summarize(scores: dict[str, np.ndarray], groups: Sequence, repeats: int = 1000, seed: int = 0) -> dict[str, list]:
    """Mean (of ranks the median) with a 95 % bootstrap interval that draws whole groups: [value, low, high].

    Parameters
    ----------
    scores : dict of numpy.ndarray, shape (queries,)
        From ``Places.per_query``, or any others.
    groups : sequence, length queries
        The work of each query: clips of one work are alike, and are drawn together.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    count = group.max() + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=repeats)  # how often each group is drawn
    weight = drawn[:, group].astype(np.float32)  # (repeats, queries)
    result = {}
    for name, values in scores.items():
        if name == "median rank":
            order = np.argsort(values)
            share = weight[:, order].cumsum(axis=1)
            middle = (share >= share[:, -1:] / 2).argmax(axis=1)
            again, value = values[order][middle], np.median(values)
        else:
            again, value = weight @ values / weight.sum(axis=1), values.mean()
        low, high = np.percentile(again, [2.5, 97.5])
        result[name] = [float(value), float(low), float(high)]
    return result


def chance(items: int) -> dict[str, float]:
    """Expected scores of a random order."""
    found = {f"R@{k}": min(1.0, k / items) for k in CUTOFFS}
    return found | {"MRR": float(np.mean(1 / np.arange(1, items + 1))), "median rank": (items + 1) / 2}
