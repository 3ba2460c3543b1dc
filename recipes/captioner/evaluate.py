"""Scores of the exported captioner and of its baselines, on the test set by work and on the harder sets."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from musicwords.captioner import Captioner
from musicwords.captions import Question, captions, questions
from musicwords.captions.grammar import statable
from musicwords.captions.questions import ATTRIBUTES as ASKED
from recipes.captioner.baselines import Nearest, Template, describe
from recipes.captioner.metrics import interval, overlap, truth
from recipes.common.files import write_rows
from recipes.corpus.texts import HELD_OUT_WORDING as SETS

STYLES = ("plain", "rich")
REFERENCES = 4  # of each clip
KINDS = (*ASKED, "instruments")
FLOOR_CLIPS = 120


def references(record: dict, style: str) -> list[str]:
    """Captions of a clip in held-out wording; repeated, where the record gives fewer different ones than asked for."""
    rng = Random(f"references of {record['id']}")
    found = [one.text for one in captions(record["attributes"], rng, REFERENCES, style=style, wording="test")]
    return [found[number % len(found)] for number in range(REFERENCES)]


def dealt(texts: Sequence) -> list:
    """The same captions, or whatever there is one of for each clip, each for another clip than its own."""
    order = np.random.default_rng(0).permutation(len(texts))
    found = list(texts)
    for clip, other in zip(order, np.roll(order, 1), strict=True):
        found[clip] = texts[other]
    return found


def questions_of(record: dict, wording: str) -> list[Question]:
    """One question of each kind that the record answers, always the same ones."""
    return questions(record["attributes"], Random(f"questions of {record['id']}"), wording)


class Captioners:
    """The captioner in a folder and what it is compared with, made from the training clips.

    What it is compared with has the tower's pooled feature, the first vector of each clip.
    """

    def __init__(self, folder: Path, train: list[dict], embeddings: np.ndarray):
        self.captioner = Captioner.from_pretrained(folder)
        self.train = train
        pooled = embeddings[:, 0].astype(np.float32)
        self.template, self.nearest = Template(train, pooled), Nearest(pooled)
        facts = [statable(record["attributes"]) for record in train]
        self.majority = {
            kind: Counter(one[name] for one in facts if name in one).most_common(1)[0][0]
            for kind, name in ASKED.items()
        }

    def describe(self, records: list[dict], embeddings: np.ndarray, style: str) -> dict[str, list[str]]:
        """Captions of clips by method."""
        own = self.captioner.captions(torch.from_numpy(embeddings), task=style)
        pooled = embeddings[:, 0].astype(np.float32)
        near = [self.train[number] for number in self.nearest.find(pooled)]
        predicted = self.template.predict(pooled)
        return {
            "captioner": own,
            "template on predicted attributes": describe(predicted, [one["id"] for one in records], style),
            "caption of the nearest training clip": describe(
                [one["attributes"] for one in near], [one["id"] for one in near], style
            ),
            "captioner without audio": self.captioner.captions(None, task=style) * len(records),
            "captioner, captions dealt to other clips": dealt(own),
        }

    def answer(self, records: list[dict], embeddings: np.ndarray, wording: str) -> dict[str, dict]:
        """Accuracy by kind of question, [value, low, high], and overall; baselines beside."""
        asked = [(clip, one) for clip, record in enumerate(records) for one in questions_of(record, wording)]
        texts, options = [one.question for _, one in asked], [one.options for _, one in asked]
        clips = np.array([clip for clip, _ in asked])
        other = dealt(range(len(records)))
        likelihoods = {
            "captioner": torch.from_numpy(embeddings[clips]),
            "with the audio of another clip": torch.from_numpy(embeddings[np.array(other)[clips]]),
            "without audio": None,
        }
        likelihoods = {m: self.captioner.option_log_likelihoods(x, texts, options) for m, x in likelihoods.items()}
        right = {
            **{method: self.right(asked, found) for method, found in likelihoods.items()},
            "majority": [
                1 / len(one.options)
                if one.kind == "instruments"
                else statable(records[clip]["attributes"])[ASKED[one.kind]] == self.majority[one.kind]
                for clip, one in asked
            ],
        }
        found = {}
        for kind in (*KINDS, "all"):
            rows = [row for row, (_, one) in enumerate(asked) if kind in (one.kind, "all")]
            if rows:
                works = [records[asked[row][0]]["work"] for row in rows]
                scores = {name: interval([values[row] for row in rows], works) for name, values in right.items()}
                found[kind] = {"questions": len(rows)} | scores
        return found

    @staticmethod
    def right(asked: list[tuple[int, Question]], likelihoods: list[torch.Tensor]) -> list[bool]:
        return [
            one.options[int(values.argmax())] == one.answer for (_, one), values in zip(asked, likelihoods, strict=True)
        ]


def evaluate(
    folder: Path, records: list[dict], embeddings: np.ndarray, known: list[dict], known_embeddings: np.ndarray
) -> dict:
    """All scores of the folder as shipped.

    Parameters
    ----------
    folder : the exported captioner
    records, embeddings : of the whole corpus, in the same order; embeddings as ``audio_vectors`` gives them
    known, known_embeddings : the same of the training clips, with more timbres too
    """

    def rows(split: str) -> list[int]:
        return [row for row, record in enumerate(records) if record["split"] == split]

    captioners = Captioners(folder, known, known_embeddings)
    parts = captioners.captioner.language_model, captioners.captioner.mapping
    size = sum(parameter.numel() for part in parts for parameter in part.parameters())
    result = {
        "parameters": size,
        "clips": {},
        "captions": {},
        "overlap": {},
        "examples": [],
        "questions": {},
        "texts": [],
    }
    for name in SETS:
        here, inputs = [records[row] for row in rows(name)], embeddings[rows(name)]
        result["clips"][name] = {"clips": len(here), "works": len({record["work"] for record in here})}
        # Of the recordings too little is known for rich captions.
        for style in STYLES if name != "recordings" else ("plain",):
            spoken = captioners.describe(here, inputs, style)
            expected = [references(record, style) for record in here]
            result["captions"].setdefault(name, {})[style] = {m: truth(texts, here) for m, texts in spoken.items()}
            result["overlap"].setdefault(name, {})[style] = {m: overlap(t, expected) for m, t in spoken.items()}
            if name == "test":
                written = spoken | {f"reference {n + 1}": [some[n] for some in expected] for n in range(REFERENCES)}
                result["texts"] += [
                    {"id": record["id"], "style": style, "method": method, "caption": text}
                    for method, texts in written.items() for record, text in zip(here, texts, strict=True)
                ]  # fmt: skip
                result["examples"] += [
                    {"id": here[clip]["id"], "style": style, "caption": spoken["captioner"][clip],
                     "reference": expected[clip][0]} for clip in range(3)
                ]  # fmt: skip
        result["questions"][name] = captioners.answer(here, inputs, "test")
        precision = {m: scores["precision"] for m, scores in result["captions"][name]["plain"].items()}
        print(name, json.dumps(precision), json.dumps(result["questions"][name]["all"]), flush=True)
    test = rows("test")
    result["questions"]["test, wording of training"] = captioners.answer(
        [records[row] for row in test], embeddings[test], "train"
    )
    return result


def write_csv(scores: dict, path: Path) -> None:
    """The scores as one table: set, task, method, metric, value, low, high. Tasks are styles and kinds of questions."""
    rows = []
    for name, styles in scores["captions"].items():
        for style, methods in styles.items():
            for method, found in methods.items():
                rows += [
                    [name, style, method, metric, *found[metric]]
                    for metric in ("precision", "true statements") if found[metric]
                ]  # fmt: skip
                overlaps = scores["overlap"][name][style][method]
                rows += [[name, style, method, metric, value, None, None] for metric, value in overlaps.items()]
    for name, kinds in scores["questions"].items():
        for kind, found in kinds.items():
            methods = {method: value for method, value in found.items() if method != "questions"}
            rows.append([name, f"questions {kind}", "", "questions", found["questions"], None, None])
            rows += [[name, f"questions {kind}", method, "accuracy", *value] for method, value in methods.items()]
    columns = ("set", "task", "method", "metric", "value", "low", "high")
    rows = [[f"{x:.4f}" if isinstance(x, float) else x for x in row] for row in rows]
    write_rows(path, [dict(zip(columns, row, strict=True)) for row in rows])


def write_texts(scores: dict, path: Path) -> None:
    """The captions of the test clips by every method, and their references, as a Parquet file."""
    table = pa.Table.from_pylist(scores["texts"])
    pq.write_table(table, path, compression="zstd", use_dictionary=["style", "method"])


def write_floor(records: list[dict], embeddings: np.ndarray, path: Path) -> None:
    """Write what is heard (float16) and attributes (JSON) of some test clips, for a test of the shipped checkpoint."""
    rows = [row for row, record in enumerate(records) if record["split"] == "test"][:FLOOR_CLIPS]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        embeddings=embeddings[rows].astype(np.float16),
        attributes=np.array([json.dumps(records[row]["attributes"]) for row in rows]),
    )
