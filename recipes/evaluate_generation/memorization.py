"""Whether a clip is a copy of a training clip: the nearest one by tokens of the codec, and by embedding.

A clip that is new is as near to the training clips as real clips of other works are.
"""

from typing import NamedTuple

import numpy as np

BOOKS = 2  # codebooks that are compared
FARTHEST = 50  # frames that a copy may be shifted by, 2 s: of ten seconds eight overlap at least


class Match(NamedTuple):
    """The training clip that is nearest to a clip."""

    clip: int  # its number
    share: float  # of tokens that are equal, 0 to 1
    shift: int  # frames by which it is later there than in the clip


class TokenIndex:
    """Training clips by their tokens: where each entry of a codebook occurs.

    Parameters
    ----------
    codes : np.ndarray, shape (clips, codebooks, frames), int
        Only the first two codebooks are used.
    """

    def __init__(self, codes: np.ndarray):
        self.clips, _, self.frames = codes.shape
        self.order, self.starts = [], []
        for book in range(BOOKS):
            flat = np.asarray(codes[:, book]).ravel()
            order = np.argsort(flat, kind="stable").astype(np.int32)  # places, as clip * frames + frame
            self.order.append(order)
            self.starts.append(np.searchsorted(flat[order], np.arange(int(flat.max()) + 2)))

    def nearest(self, query: np.ndarray) -> Match:
        """The clip with the largest share of equal tokens of both codebooks, at its best shift within two seconds.

        Parameters
        ----------
        query : shape (codebooks, frames), int
            As many frames as the training clips have.
        """
        shifts = 2 * FARTHEST + 1
        counts = np.zeros(self.clips * shifts, np.int32)
        for book in range(BOOKS):
            order, starts = self.order[book], self.starts[book]
            keys = []
            for frame, token in enumerate(query[book]):
                if token + 1 >= len(starts):
                    continue  # occurs in no training clip
                places = order[starts[token] : starts[token + 1]]
                shift = places % self.frames - frame
                near = np.abs(shift) <= FARTHEST
                keys.append(places[near] // self.frames * shifts + shift[near] + FARTHEST)
            counts += np.bincount(np.concatenate(keys), minlength=len(counts)).astype(np.int32)
        overlap = BOOKS * (self.frames - np.abs(np.arange(-FARTHEST, FARTHEST + 1)))
        found = counts.reshape(self.clips, shifts) / overlap
        clip, shift = np.unravel_index(found.argmax(), found.shape)
        return Match(int(clip), float(found[clip, shift]), int(shift) - FARTHEST)


def nearest_by_embedding(queries: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the nearest known clips and their cosines, both of shape (queries,).

    Parameters
    ----------
    queries, known : shape (clips, size)
        Embeddings; they are standardized by the known ones.
    """
    mean, std = known.mean(axis=0), known.std(axis=0) + 1e-6

    def unit(rows: np.ndarray) -> np.ndarray:
        rows = (rows - mean) / std
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    cosine = unit(queries) @ unit(known).T
    return cosine.argmax(axis=1), cosine.max(axis=1)
