"""Distances between two sets of clips, by embeddings: Fréchet audio distance (FAD) and kernel audio distance (KAD).

Both are only to be compared between sets of the same size, and beside the distance of real clips from real clips.

References
----------
.. [1] K. Kilgour, M. Zuluaga, D. Roblek and M. Sharifi, "Fréchet audio distance: a reference-free metric for evaluating
       music enhancement algorithms", Interspeech 2019. arXiv:1812.08466
.. [2] Y. Chung, P. Eu, J. Lee, K. Choi et al., "KAD: no more FAD! An effective and efficient evaluation metric for
       audio generation", 2025. arXiv:2502.15602
.. [3] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf and A. Smola, "A kernel two-sample test", Journal of
       Machine Learning Research, 2012.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh, eigvalsh
from scipy.spatial.distance import cdist, pdist

SCALE = 100.0  # by which KAD is multiplied, as in its authors' toolkit


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Fréchet distance between the Gaussians of two sets of embeddings: the FAD [1]_.

    It grows as sets become smaller. Each set should have more clips than dimensions.

    Parameters
    ----------
    one, other : shape (clips, size)
    """
    means = one.mean(axis=0, dtype=np.float64) - other.mean(axis=0, dtype=np.float64)
    first, second = (np.cov(rows.astype(np.float64), rowvar=False) for rows in (one, other))
    values, vectors = eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The trace of the root of first @ second; this product has the same eigenvalues, and is symmetric.
    shared = np.sqrt(np.maximum(eigvalsh(root @ second @ root), 0)).sum()
    return float(means @ means + np.trace(first) + np.trace(second) - 2 * shared)


def median_distance(rows: np.ndarray) -> float:
    """Median Euclidean distance of two clips of a set: the bandwidth of the kernel, taken from the reference set."""
    return float(np.median(pdist(rows.astype(np.float64))))


def kernel_distance(one: np.ndarray, other: np.ndarray, bandwidth: float) -> float:
    """Squared maximum mean discrepancy with a Gaussian kernel, estimated without bias [3]_, times 100: the KAD [2]_.

    Around 0, and at times below, for two sets from one distribution.

    Parameters
    ----------
    one, other : shape (clips, size)
    bandwidth : standard deviation of the kernel
    """

    def kernel(squared: np.ndarray) -> np.ndarray:
        return np.exp(-squared / (2 * bandwidth**2))

    own = [kernel(pdist(rows.astype(np.float64), "sqeuclidean")).mean() for rows in (one, other)]  # pairs of two
    cross = kernel(cdist(one.astype(np.float64), other.astype(np.float64), "sqeuclidean")).mean()
    return float(SCALE * (own[0] + own[1] - 2 * cross))


def even_split(works: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Which clips go to the first of two equal halves that share no work, at random; shape (clips,), bool.

    Raises
    ------
    ValueError
        If the numbers of clips of the works do not allow it.
    """
    sizes, names, half = Counter(works), rng.permutation(sorted(set(works))), len(works) // 2
    chosen, filled = set(), 0
    # Works of one clip come last, and fill up what the larger ones leave.
    for name in sorted(names, key=lambda one: -min(sizes[one], 2)):
        if rng.random() < 0.5 and sizes[name] > 1:
            continue
        if filled + sizes[name] <= half:
            chosen.add(name)
            filled += sizes[name]
    if filled != half:
        raise ValueError(f"{len(works)} clips of {len(sizes)} works do not split into equal halves: give other clips.")
    return np.array([work in chosen for work in works])


def between_real(rows: np.ndarray, works: Sequence[str], bandwidth: float, repeats: int = 50, seed: int = 0) -> dict:
    """Both distances between halves of real clips without a common work: mean and 2.5th and 97.5th percentile.

    What these halves differ by is chance. A distance inside the range tells nothing.
    """
    rng, found = np.random.default_rng(seed), {"FAD": [], "KAD": []}
    for _ in range(repeats):
        first = even_split(works, rng)
        found["FAD"].append(frechet_distance(rows[first], rows[~first]))
        found["KAD"].append(kernel_distance(rows[first], rows[~first], bandwidth))
    return {name: [float(np.mean(some)), *np.percentile(some, [2.5, 97.5]).tolist()] for name, some in found.items()}
