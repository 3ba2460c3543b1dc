"""Train the probe on training clips that went through the codec, and say how often it is right on other works."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from musicwords.probe import FARTHEST, Probe, Readings, features
from musicwords.ranking import summarize
from recipes.codec.encode import load
from recipes.common.cards import table
from recipes.common.files import write_bytes, write_text
from recipes.common.inputs import Code, fingerprint, kept_json
from recipes.common.parallel import in_chunks
from recipes.evaluate_generation.prompts import ATTRIBUTES, label

# What a classifier reads. Of tempo, the spectrum only distracts.
READS = {name: ("rhythm",) if name == "tempo_class" else ("rhythm", "timbre") for name in ATTRIBUTES}
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)  # inverse of the regularization, chosen by validation works
ITERATIONS = 300
CODE = ("recipes.evaluate_generation.probe_training", "musicwords.probe", "musicwords.spectral")
SPLITS = ("train", "validation", "test")
SETS = {"validation": "chose the regularization", "test": "works that the probe never had"}


def read_through_codec(rows: list[int], codes: Path, codec: Path) -> np.ndarray:
    """What the probe reads of clips that are decoded from their tokens, rhythm and timbre side by side, float32."""
    import torch

    model, tokens, found = load(codec), np.load(codes, mmap_mode="r"), []
    with torch.inference_mode():
        for row in rows:
            chosen = torch.from_numpy(tokens[row].astype(np.int64))[None, None]
            found.append(np.concatenate(features(model.decode(chosen, [None]).audio_values[0, 0].numpy())))
    return np.stack(found)


def split_readings(both: np.ndarray, rhythm: int) -> Readings:
    """Rhythm and timbre from rows where they stand side by side, with so many numbers of rhythm."""
    return Readings(both[:, :rhythm], both[:, rhythm:])


def fit(records: Sequence[dict], readings: Readings, chosen: Sequence[dict], others: Readings) -> tuple[dict, dict]:
    """Fit one logistic regression an attribute.

    Parameters
    ----------
    records, readings : of the training clips
    chosen, others : of the validation clips, by which the regularization is chosen

    Returns
    -------
    listing : dict
        By attribute: what it reads, its classes.
    tensors : dict of np.ndarray
        Means, scales, weights (float16) and biases, by attribute and name.
    """
    listing, tensors = {}, {}
    for name, reads in READS.items():
        inputs, check = (np.concatenate([getattr(one, part) for part in reads], axis=1) for one in (readings, others))
        truth, wanted = ([label(record, name) for record in some] for some in (records, chosen))
        scaler = StandardScaler().fit(inputs)
        scale = np.maximum(scaler.scale_, 1e-4)
        inputs, check = (np.clip((one - scaler.mean_) / scale, -FARTHEST, FARTHEST) for one in (inputs, check))
        models = [LogisticRegression(C=strength, max_iter=ITERATIONS).fit(inputs, truth) for strength in STRENGTHS]
        best = max(models, key=lambda model: model.score(check, wanted))
        weight, bias = best.coef_, best.intercept_
        if len(best.classes_) == 2:  # of two classes scikit-learn gives the second one only
            weight, bias = np.vstack([np.zeros_like(weight), weight]), np.concatenate([[0], bias])
        listing[name] = {"reads": list(reads), "classes": best.classes_.tolist(), "strength": best.C}
        parts = {"mean": scaler.mean_, "scale": scale, "bias": bias}
        tensors |= {f"{name}.{part}": values.astype(np.float32) for part, values in parts.items()}
        tensors[f"{name}.weight"] = weight.astype(np.float16, order="C")  # safetensors keeps no other order
    return listing, tensors


def export(listing: dict, tensors: dict, folder: Path) -> None:
    """Write ``probe.json`` and ``probe.safetensors``, which ``Probe.load`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "probe.safetensors", save(tensors))
    write_text(folder / "probe.json", json.dumps(listing, indent=1) + "\n")


def accuracy(probe: Probe, records: Sequence[dict], readings: Readings, train: Sequence[dict]) -> dict:
    """By attribute how often the probe is right, with a 95 % interval over works, and how often the majority is.

    The majority is the most frequent value of the training clips.
    """
    answers, works = probe.answers(readings), [record["work"] for record in records]
    found = {}
    for name in probe.classifiers:
        truth = [label(record, name) for record in records]
        most = Counter(label(record, name) for record in train).most_common(1)[0][0]
        right = np.array([said == true for said, true in zip(answers[name], truth, strict=True)], float)
        found[name] = {
            "probe": summarize({"mean": right}, works)["mean"],
            "majority": float(np.mean([true == most for true in truth])),
        }
    return found


def train_probe(records: list[dict], codes: Path, codec: Path, work: Path, output: Path, processes: int) -> dict:
    """Train, export and score the probe, where its scores are not in ``work`` yet.

    Parameters
    ----------
    records : of the corpus
    codes : file of the tokens of all clips, in the order of the records
    codec : folder of the codec
    work : what is computed on the way
    output : where the probe goes

    Returns
    -------
    dict
        ``accuracy`` by set and attribute, see above, and the number of clips by split.
    """

    def scores() -> dict:
        rows = [row for row, record in enumerate(records) if record["split"] in SPLITS]
        function = partial(read_through_codec, codes=codes, codec=codec)
        both = in_chunks(function, rows, work / "readings", processes, "probe")
        size = len(features(np.zeros(32_000)).rhythm)
        parts = {}
        for split in SPLITS:
            here = [place for place, row in enumerate(rows) if records[row]["split"] == split]
            parts[split] = [records[rows[place]] for place in here], split_readings(both[here], size)
        listing, tensors = fit(*parts["train"], *parts["validation"])
        export(listing, tensors, output)
        probe, train = Probe.load(output), parts["train"][0]
        return {
            "clips": {split: len(part[0]) for split, part in parts.items()},
            "accuracy": {name: accuracy(probe, *parts[name], train) for name in SETS},
        }

    heard = fingerprint(codes, codec, [Code(name) for name in CODE])
    if not (output / "probe.json").is_file():
        (work / "scores.json").unlink(missing_ok=True)
    found = kept_json(work / "scores.json", heard, scores)
    write_text(output / "README.md", card(found))
    return found


def card(scores: dict) -> str:
    """A model card of the probe."""
    rows = []
    for name, title in SETS.items():
        for attribute, found in scores["accuracy"][name].items():
            value = "{:.3f} ({:.3f} to {:.3f})".format(*found["probe"])
            rows.append([f"{name} ({title})", attribute, value, f"{found['majority']:.3f}"])
    return f"""---
license: mit
---
# A probe for generated music

Logistic regressions that tell five attributes of ten seconds of music from statistics of its log-mel spectrogram. They
judge what the generators of the book make. See `musicwords/probe.py`.

They were fitted to {scores["clips"]["train"]:,} training clips of the rendered corpus that went through the codec with
all its codebooks, never to generated audio. Recipe: `recipes/evaluate_generation`.

Accuracy on clips that went through the codec, with 95 % intervals from drawing works with replacement. *Majority*
always gives the most frequent value of training.

{table(["set", "attribute", "probe", "majority"], rows)}
The family is that of the lead; in an ensemble other families sound along.

## Licence
MIT, as the book.
"""
