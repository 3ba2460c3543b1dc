"""Searches in the words that people type, and where they fail: at the words or at the ears.

A sentence finds the clip nearest to it. *Fits* is how often this clip is one that the sentence is true of: all that it
states is recorded of the clip, and nothing that it denies. To see where a failure comes from, one side at a time is
replaced by the truth: a linear map from the facts that a sentence states to embeddings of texts, or from the facts of a
clip to embeddings of audio, each fitted on training clips.
"""

from collections.abc import Sequence

import numpy as np

from musicwords.captions.matching import Facts
from recipes.clap.sentences import Sentence

RIDGE = 3.0


class Judge:
    """Knows which sentences are true of which clips.

    Parameters
    ----------
    sentences : those that are true of no clip, or of every one, are left out
    records : of the clips

    Attributes
    ----------
    sentences : list of Sentence
    true : numpy.ndarray, shape (sentences, clips), bool
    said, denied : numpy.ndarray, shape (sentences, facts), bool
    holds : numpy.ndarray, shape (clips, facts), bool
    names : list of facts
    """

    def __init__(self, sentences: Sequence[Sentence], records: Sequence[dict]):
        facts = Facts([record["attributes"] for record in records], [one.said | one.denied for one in sentences])
        said, denied = (facts.table([getattr(one, part) for one in sentences]) for part in ("said", "denied"))
        count = said.astype(int)
        true = (count @ facts.holds.T.astype(int) == count.sum(1)[:, None]) & ~(denied @ facts.holds.T)
        asked = true.any(1) & ~true.all(1)
        self.sentences = [one for one, ask in zip(sentences, asked, strict=True) if ask]
        self.true, self.said, self.denied = true[asked], said[asked], denied[asked]
        self.holds, self.names = facts.holds, facts.names

    def scores(self, similarity: np.ndarray) -> dict[str, float]:
        """Share of the first clips, and of the first five, that a sentence is true of; chance, and the best possible.

        Parameters
        ----------
        similarity : shape (sentences, clips)
        """
        first = similarity.argsort(axis=1)[:, ::-1][:, :5]
        hits = np.take_along_axis(self.true, first, axis=1)
        return {
            "sentences": len(self.true),
            "fits": float(hits[:, 0].mean()),
            "precision at 5": float(hits.mean()),
            "chance": float(self.true.mean()),
            "best precision at 5": float((self.true.sum(1).clip(max=5) / 5).mean()),
        }


def linear(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Ridge regression with a constant: weights of shape (inputs + 1, outputs)."""
    whole = np.hstack([inputs, np.ones((len(inputs), 1))])
    return np.linalg.solve(whole.T @ whole + RIDGE * np.eye(whole.shape[1]), whole.T @ outputs)


def mapped(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What ``linear`` gives for inputs, of unit length."""
    found = np.hstack([inputs, np.ones((len(inputs), 1))]) @ weights
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def table(rows: Sequence[frozenset], names: list) -> np.ndarray:
    column = {name: index for index, name in enumerate(names)}
    found = np.zeros((len(rows), len(names)), np.float32)
    for line, row in zip(found, rows, strict=True):
        line[[column[fact] for fact in row if fact in column]] = 1
    return found


def sides(judge: Judge, text: np.ndarray, audio: np.ndarray, text_map: tuple, audio_map: tuple) -> dict[str, dict]:
    """Scores with the model's own sides, and with the truth in place of one or both.

    Parameters
    ----------
    judge : of the sentences and clips
    text, audio : embeddings of unit length
    text_map, audio_map : names of facts and weights of ``linear``, to embeddings of texts and of audio
    """
    names, weights = text_map
    said = table([one.said for one in judge.sentences], names)
    said -= table([one.denied for one in judge.sentences], names)
    true_text = mapped(said, weights)
    names, weights = audio_map
    held = table([frozenset(f for f, h in zip(judge.names, row, strict=True) if h) for row in judge.holds], names)
    true_audio = mapped(held, weights)
    return {
        "words and ears of the model": judge.scores(text @ audio.T),
        "true facts, ears of the model": judge.scores(true_text @ audio.T),
        "words of the model, true attributes": judge.scores(text @ true_audio.T),
        "true facts, true attributes": judge.scores(true_text @ true_audio.T),
    }
