"""Scores of the exported CLAP and of its baselines, on the test set by work and on the harder sets."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import ClapModel, ClapProcessor

from musicwords.captions import novelty
from musicwords.captions.matching import Matcher
from musicwords.checkpoints import checkpoint
from musicwords.musicnn import Musicnn
from musicwords.ranking import chance, score_queries, summarize
from recipes.clap import heads, sentences, styles
from recipes.clap.alignment import CAPTIONS
from recipes.clap.audio_tower import embed_mels
from recipes.clap.features import Texts
from recipes.clap.typed import Judge, linear, sides
from recipes.clap.zero_shot import CLASSES, TEMPLATES, label
from recipes.common.files import write_array
from recipes.corpus.table import embedded, tagged
from recipes.corpus.texts import HELD_OUT_WORDING as SETS
from recipes.corpus.texts import captions_of

SEEDS = (0, 1, 2)
HEAD_CAPTIONS = 4  # of each training clip
ALPHAS = (1, 10, 100, 1_000, 10_000)  # of the ridge regression; the best on validation is taken
TAGS = 8
FITTED = 4_000  # training clips that maps from facts to embeddings are fitted on


def embed_texts(model: ClapModel, processor: ClapProcessor, texts: list[str]) -> np.ndarray:
    """Embeddings of unit length, shape (texts, 512)."""
    found = []
    with torch.inference_mode():
        for at in range(0, len(texts), 128):
            inputs = processor(text=texts[at : at + 128], padding=True, truncation=True, return_tensors="pt")
            found.append(model.get_text_features(**inputs).pooler_output)
    return torch.cat(found).numpy()


def places(similarity: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Scores of each caption (text to audio) and of each clip; row i of ``similarity`` is the caption of clip i."""
    right = np.arange(len(similarity))
    return {
        "text to audio": score_queries(similarity, right),
        "audio to text": score_queries(similarity.T, right),
    }


def fitting(similarity: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Whether the first clip for each caption is one that the caption is true of; ties averaged."""
    best = similarity == similarity.max(axis=1, keepdims=True)
    return (best & true).sum(axis=1) / best.sum(axis=1)


def stacked(runs: list[dict]) -> dict:
    """Scores of each query, one row a seed, shape (seeds, queries)."""
    return {way: {name: np.stack([run[way][name] for run in runs]) for name in runs[0][way]} for way in runs[0]}


class Sources:
    """Records with frozen embeddings of musicnn and MiniLM, split by split."""

    def __init__(self, records: list[dict], corpus: Path, cache: Path):
        self.records = records
        self.audio, self.tags = (x.astype(np.float32) for x in tagged(records, corpus))
        self.encoder = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
        self.cache = cache

    def rows(self, split: str) -> list[int]:
        return [index for index, record in enumerate(self.records) if record["split"] == split]

    def pairs(self, split: str, count: int) -> heads.Pairs:
        """Embeddings of a split; those of the captions are computed once."""
        rows = self.rows(split)
        texts = Texts([self.records[i] for i in rows], count)
        path = self.cache / f"minilm-{split}-{count}.npy"
        if not path.is_file():
            write_array(
                path, self.encoder.encode([c.text for c in texts.captions], batch_size=128, show_progress_bar=True)
            )
        return heads.Pairs(self.audio[rows], np.load(path), texts.clip, texts.said, texts.holds, texts.blank)

    def tag_text(self, rows: list[int]) -> np.ndarray:
        """MiniLM embedding of the eight most probable tags of each clip, as in the notebook on tag search."""
        labels = Musicnn.from_pretrained(**checkpoint("musicnn-mtt")).labels
        best = self.tags[rows].argsort(axis=1)[:, ::-1][:, :TAGS]
        return self.encoder.encode([", ".join(labels[i] for i in row) for row in best], batch_size=128)


def frozen_heads(sources: Sources) -> dict[str, list]:
    """Trained baselines: name -> pairs of functions (audio, text), one a seed."""
    train, check = sources.pairs("train", HEAD_CAPTIONS), sources.pairs("validation", HEAD_CAPTIONS)
    first = np.searchsorted(check.clip, np.arange(len(check.audio)))

    def validation(alpha: float) -> float:
        audio, text = heads.linear(train, alpha)
        scores = places(text(check.text[first]) @ _unit(audio(check.audio)).T)
        return scores["text to audio"]["MRR"].mean()

    alpha = max(ALPHAS, key=validation)
    return {
        "linear map, musicnn to MiniLM": [heads.linear(train, alpha)],
        "tutorial's heads on our encoders": [heads.tutorial(train, seed) for seed in SEEDS],
        "better heads, frozen embeddings": [heads.better(train, seed) for seed in SEEDS],
    }


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def evaluate(folder: Path, records: list[dict], mels: np.ndarray, corpus: Path, recordings: Path, work: Path) -> dict:
    """All scores of the folder as shipped.

    Parameters
    ----------
    folder : the exported checkpoint
    records, mels : of the whole corpus, in the same order
    corpus, recordings, work : folders of the audio, of the windows of recordings, and for what is computed on the way
    """
    model, processor = ClapModel.from_pretrained(folder).eval(), ClapProcessor.from_pretrained(folder)
    train = [record for record in records if record["split"] == "train"]
    sources = Sources(embedded(records), corpus, work)
    trained = frozen_heads(sources)
    spoken = [caption for record in train for caption in captions_of(record, CAPTIONS)]
    result = {"parameters": model.num_parameters(), "layers": model.config.text_config.num_hidden_layers}
    result |= {"retrieval": {}, "zero-shot": {}, "novelty": {}}
    for name in SETS:
        rows = [i for i, record in enumerate(records) if record["split"] == name]
        here, there = [records[i] for i in rows], sources.rows(name)
        works = [record["work"] for record in here]
        captions = [captions_of(record, 1)[0] for record in here]
        texts = [caption.text for caption in captions]
        matcher = Matcher([record["attributes"] for record in here], [caption.mentioned for caption in captions])
        audio = embed_mels(model, mels[rows])[1].numpy()
        minilm = sources.pairs(name, 1).text
        runs = {"tag text": [minilm @ sources.tag_text(there).T]}
        for method, pair in trained.items():
            runs[method] = [to_text(minilm) @ _unit(to_audio(sources.audio[there])).T for to_audio, to_text in pair]
        runs["clap"] = [embed_texts(model, processor, texts) @ audio.T]
        runs["attribute oracle"] = [matcher.information]
        rows_of_table = {"chance": {way: chance(len(here)) | {"fits": float(matcher.true.mean())}
                                    for way in ("text to audio", "audio to text")}}  # fmt: skip
        for method, similarities in runs.items():
            scores = stacked([places(similarity) for similarity in similarities])
            scores["text to audio"]["fits"] = np.stack([fitting(s, matcher.true) for s in similarities])
            rows_of_table[method] = {way: summarize(found, works) for way, found in scores.items()}
        result["retrieval"][name] = {"clips": len(here), "works": len(set(works)), "scores": rows_of_table}
        result["novelty"][name] = novelty(captions, spoken)
        result["zero-shot"][name] = zero_shot(model, processor, audio, here, train)
        print(name, json.dumps({m: s["text to audio"]["R@1"] for m, s in rows_of_table.items()}), flush=True)
    result["typed"] = typed(model, processor, records, mels)
    result["styles"] = styles.evaluate(model, processor, embed_mels, embed_texts, recordings)
    windows = styles.read("train", recordings)
    result |= {"training windows": len(windows["mels"]), "training tracks": len(set(windows["track"]))}
    return result


def typed(model: ClapModel, processor: ClapProcessor, records: list[dict], mels: np.ndarray) -> dict:
    """Searches on the clips of test, by wording, with the model's own words and ears, and with the truth instead."""
    train, test = (
        [index for index, record in enumerate(records) if record["split"] == split] for split in ("train", "test")
    )
    train = train[:FITTED]
    clips, here = ([records[i] for i in rows] for rows in (train, test))
    captions = sentences.english(clips, 1)
    facts = Texts(clips, 1)
    names = facts.names
    audio = embed_mels(model, mels[test])[1].numpy()
    text_map = names, linear(facts.said.astype(float), embed_texts(model, processor, [one.text for one in captions]))
    audio_map = names, linear(facts.holds.astype(float), embed_mels(model, mels[train])[1].numpy())
    sets = {
        "grammar, training wording": sentences.english([record | {"split": "train"} for record in here], 1),
        "grammar, held-out wording": sentences.english(here, 1),
        "grammar, held-out wording, zh": sentences.mandarin(here, 1),
        "as people type, en": sentences.natural("test", "en"),
        "as people type, zh": sentences.natural("test", "zh"),
    }
    found = {}
    for name, some in sets.items():
        judge = Judge(some, here)
        text = embed_texts(model, processor, [one.text for one in judge.sentences])
        found[name] = sides(judge, text, audio, text_map, audio_map)
        print(name, json.dumps({side: round(s["fits"], 3) for side, s in found[name].items()}), flush=True)
    return found


def class_embeddings(model: ClapModel, processor: ClapProcessor, words: list[str]) -> np.ndarray:
    """Mean over the templates of the embeddings of each class, of unit length."""
    texts = [template.format(one) for one in words for template in TEMPLATES]
    return _unit(embed_texts(model, processor, texts).reshape(len(words), len(TEMPLATES), -1).mean(axis=1))


def zero_shot(
    model: ClapModel, processor: ClapProcessor, audio: np.ndarray, records: list[dict], train: list[dict]
) -> dict:
    """Accuracy of each task with its interval, its mean over classes, and the accuracy of training's majority."""
    found = {}
    for task, classes in CLASSES.items():
        truth = [label(task, record["attributes"]) for record in records]
        asked = [i for i, value in enumerate(truth) if value is not None]
        if len({truth[i] for i in asked}) < 2:
            continue
        names = list(classes)
        guess = (audio[asked] @ class_embeddings(model, processor, list(classes.values())).T).argmax(axis=1)
        right = np.array([names[g] == truth[i] for g, i in zip(guess, asked, strict=True)], float)
        majority = Counter(label(task, r["attributes"]) for r in train if label(task, r["attributes"]) is not None)
        by_class = [right[[truth[i] == value for i in asked]].mean() for value in {truth[i] for i in asked}]
        found[task] = {
            "clips": len(asked),
            "classes": len(names),
            "accuracy": summarize({"accuracy": right}, [records[i]["work"] for i in asked])["accuracy"],
            "mean over classes": float(np.mean(by_class)),
            "majority": float(np.mean([truth[i] == majority.most_common(1)[0][0] for i in asked])),
        }
    return found


def write_csv(scores: dict, path: Path) -> None:
    """All scores as one table: set, task, method, metric, value, low, high."""
    lines = []
    for name, entry in scores["retrieval"].items():
        for method, ways in entry["scores"].items():
            for way, metrics in ways.items():
                for metric, value in metrics.items():
                    value = value if isinstance(value, list) else [value, None, None]
                    lines.append([name, way, method, metric, *value])
    for name, tasks in scores["zero-shot"].items():
        for task, entry in tasks.items():
            lines.append([name, f"zero-shot {task}", "clap", "accuracy", *entry["accuracy"]])
            lines.append(
                [name, f"zero-shot {task}", "clap", "mean over classes", entry["mean over classes"], None, None]
            )
            lines.append([name, f"zero-shot {task}", "majority", "accuracy", entry["majority"], None, None])
    for texts, by_side in scores["typed"].items():
        for side, entry in by_side.items():
            lines += [["test", f"search, {texts}", side, name, value, None, None] for name, value in entry.items()]
    for method, entry in scores["styles"].items():
        lines.append(["tracks", "style", method, "mean over classes", *entry["balanced accuracy"]])
        lines += [["tracks", "style", method, name, value, None, None] for name, value in entry["by class"].items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "task", "method", "metric", "value", "low", "high"])
        writer.writerows([[f"{x:.4f}" if isinstance(x, float) else x for x in line] for line in lines])
