"""How much clips differ from each other, by embeddings and by tokens."""

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import entropy


def standardized(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Embeddings less the mean, over the deviation, of a reference set: else one large dimension is the direction."""
    return (rows - reference.mean(axis=0)) / (reference.std(axis=0) + 1e-6)


def mean_distance(rows: np.ndarray) -> float:
    """Mean cosine distance of all pairs, 0 to 2: 0 if all clips are the same, about 1 if they have nothing in common.

    Parameters
    ----------
    rows : shape (clips, size), standardized
    """
    return float(pdist(rows, "cosine").mean())


def token_entropy(codes: np.ndarray, entries: int) -> float:
    """Entropy in bits of the tokens of all clips together.

    Parameters
    ----------
    codes : shape (clips, frames), int
        Of one codebook.
    entries : of the codebook
    """
    return float(entropy(np.bincount(codes.ravel(), minlength=entries), base=2))


def entropy_within(codes: np.ndarray, entries: int) -> float:
    """Mean over the clips of the entropy in bits of the tokens of each: low where clips repeat themselves."""
    return float(np.mean([token_entropy(clip, entries) for clip in codes]))
