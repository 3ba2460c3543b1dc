"""Batches of texts of like length: little of a batch is padding."""

from collections.abc import Sequence

import numpy as np

BUCKET = 50  # batches among which texts of like length are put together


def by_length(lengths: Sequence[int], batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Numbers of the texts of each batch, shuffled; some texts are left out so that all batches are full."""
    length = np.asarray(lengths)
    shuffled = rng.permutation(len(length))[: len(length) // batch * batch]
    found = []
    for at in range(0, len(shuffled), BUCKET * batch):
        bucket = shuffled[at : at + BUCKET * batch]
        found.append(bucket[np.argsort(length[bucket], kind="stable")].reshape(-1, batch))
    together = np.concatenate(found)
    return list(together[rng.permutation(len(together))])
