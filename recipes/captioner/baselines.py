"""Captioners to compare with: a template on predicted attributes, and the captions of similar training clips."""

from collections.abc import Sequence
from random import Random

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from musicwords.captions import caption
from musicwords.captions.lexicon import DRUMS

CLASSES = ("percussion", "tempo_class", "mode", "texture", "idiom", "dynamics",
           "articulation", "register", "room", "meter")  # fmt: skip
LISTS = ("instruments", "families")
ITERATIONS = 300
LIKELY = 0.5  # an instrument or a family is named from this probability on


class Template:
    """Logistic regressions tell the attributes of a clip from its embedding; ``captions.caption`` words them."""

    def __init__(self, records: Sequence[dict], embeddings: np.ndarray):
        self.scaler = StandardScaler().fit(embeddings)
        inputs = self.scaler.transform(embeddings)
        attributes = [record["attributes"] for record in records]
        self.classifiers, self.binarizers = {}, {}
        for name in CLASSES:
            known = [clip for clip, one in enumerate(attributes) if one[name] is not None]
            model = LogisticRegression(max_iter=ITERATIONS)
            self.classifiers[name] = model.fit(inputs[known], [attributes[clip][name] for clip in known])
        for name in LISTS:
            self.binarizers[name] = MultiLabelBinarizer()
            targets = self.binarizers[name].fit_transform([one[name] for one in attributes])
            model = OneVsRestClassifier(LogisticRegression(max_iter=ITERATIONS))
            self.classifiers[name] = model.fit(inputs, targets)

    def predict(self, embeddings: np.ndarray) -> list[dict]:
        """Attributes of clips; instruments and families with the most probable one first."""
        inputs = self.scaler.transform(embeddings)
        found = [{} for _ in inputs]
        for name in CLASSES:
            for one, value in zip(found, self.classifiers[name].predict(inputs).tolist(), strict=True):
                one[name] = value
        for name in LISTS:
            names = self.binarizers[name].classes_
            for one, chances in zip(found, self.classifiers[name].predict_proba(inputs), strict=True):
                order = np.argsort(-chances, kind="stable")
                likely = [str(names[i]) for i in order if chances[i] >= LIKELY]
                one[name] = likely or [str(names[order[0]])]
        for one in found:
            one["percussion"] |= bool(DRUMS.intersection(one["instruments"]))
        return found


class Nearest:
    """The training clip whose standardized embedding has the largest cosine with that of a clip."""

    def __init__(self, embeddings: np.ndarray):
        self.mean, self.std = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-6
        self.known = self.unit(embeddings)

    def unit(self, embeddings: np.ndarray) -> np.ndarray:
        standardized = (embeddings - self.mean) / self.std
        return standardized / np.linalg.norm(standardized, axis=1, keepdims=True)

    def find(self, embeddings: np.ndarray) -> np.ndarray:
        """Numbers of the training clips, shape (clips,)."""
        return (self.unit(embeddings) @ self.known.T).argmax(axis=1)


def describe(attributes: Sequence[dict], names: Sequence[str], style: str) -> list[str]:
    """One caption for each record of attributes in the wording of training, drawn from a name."""
    return [
        caption(one, Random(f"caption of {name}"), style=style).text
        for one, name in zip(attributes, names, strict=True)
    ]
