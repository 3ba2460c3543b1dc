"""Styles of recordings by words, on tracks whose style is documented: the CLAP, and musicnn's tags as a baseline."""

from functools import partial
from pathlib import Path

import numpy as np
from transformers import ClapModel, ClapProcessor

from musicwords.checkpoints import checkpoint
from musicwords.musicnn import Musicnn
from musicwords.ranking import summarize
from recipes.recordings.windows import tracks, window_file

# Words and tags were written before the first score.
WORDS = {
    "en": {"metal": "metal music", "orchestral": "orchestral music", "electronic": "electronic music",
           "ambient": "ambient music"},
    "zh": {"metal": "金属音乐", "orchestral": "管弦乐", "electronic": "电子音乐", "ambient": "氛围音乐"},
}  # fmt: skip
TEMPLATES = {
    "en": ("{}", "this is {}.", "you can hear {}.", "a recording of {}"),
    "zh": ("{}", "这是{}。", "能听到{}。", "一段{}的录音"),
}
TAGS = {  # of musicnn: the most probable one counts
    "mtt": {"metal": ("metal", "rock"), "orchestral": ("classical", "strings", "violin"),
            "electronic": ("techno", "electronic", "synth", "beat", "dance"),
            "ambient": ("ambient", "slow", "new age", "quiet", "weird")},
    "msd": {"metal": ("metal", "heavy metal", "hard rock"), "orchestral": ("instrumental", "beautiful"),
            "electronic": ("electronic", "electronica", "electro", "dance"),
            "ambient": ("ambient", "chillout", "chill")},
}  # fmt: skip
CLASSES = tuple(WORDS["en"])


def read(use: str, folder: Path) -> dict[str, np.ndarray]:
    """Windows of the recordings for training or test, from ``recipes.recordings``.

    Returns
    -------
    dict
        ``mels`` (windows, 512, 128), ``heard`` (windows, 500), and ``track``, ``artist``, ``style`` of each window.
    """
    rows = {"mels": [], "heard": [], "track": [], "artist": [], "style": []}
    for track in tracks(use):
        found = np.load(window_file(track, folder))
        rows["mels"].append(found["mels"])
        rows["heard"].append(found["heard"])
        for name, value in (("track", track.path), ("artist", track.facts["artist"]),
                            ("style", track.facts.get("style", ""))):  # fmt: skip
            rows[name] += [value] * len(found["mels"])
    return {name: np.concatenate(some) if name in ("mels", "heard") else np.array(some) for name, some in rows.items()}


def by_tags(heard: np.ndarray, training: np.ndarray, tagger: str) -> np.ndarray:
    """How much of each class is in the tags, (windows, classes): log-probabilities in units of training windows."""
    labels = Musicnn.from_pretrained(**checkpoint(f"musicnn-{tagger}")).labels
    first = {"mtt": 0, "msd": 50}[tagger]
    ours, theirs = (np.log(x[:, first : first + 50] + 1e-6) for x in (heard, training))
    standard = (ours - theirs.mean(0)) / theirs.std(0)
    return np.stack([standard[:, [labels.index(tag) for tag in TAGS[tagger][name]]].max(1) for name in CLASSES], 1)


def by_words(audio: np.ndarray, embed, language: str, training: np.ndarray | None = None) -> np.ndarray:
    """Similarity of windows with the words of each class, shape (windows, classes).

    Parameters
    ----------
    audio : embeddings of windows, of unit length
    embed : function from texts to embeddings of unit length
    training : embeddings of training windows, to standardize similarities by; without it they stay as they are
    """
    texts = [template.format(word) for word in WORDS[language].values() for template in TEMPLATES[language]]
    classes = embed(texts).reshape(len(CLASSES), len(TEMPLATES[language]), -1).mean(axis=1)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    found = audio @ classes.T
    if training is not None:
        reference = training @ classes.T
        found = (found - reference.mean(0)) / reference.std(0)
    return found


def score(similarity: np.ndarray, style: np.ndarray, track: np.ndarray) -> dict:
    """Accuracy of each class and their mean, with its 95 % interval from drawing tracks with replacement."""
    asked = np.isin(style, CLASSES)
    truth = np.array([CLASSES.index(one) for one in style[asked]])
    right = (similarity[asked].argmax(1) == truth).astype(float)
    weight = 1 / np.bincount(truth, minlength=len(CLASSES))[truth] * len(truth) / len(set(truth))
    return {
        "windows": int(asked.sum()),
        "tracks": len(set(track[asked])),
        "by class": {name: float(right[truth == i].mean()) for i, name in enumerate(CLASSES) if (truth == i).any()},
        "balanced accuracy": summarize({"balanced": right * weight}, list(track[asked]))["balanced"],
    }


def evaluate(model: ClapModel, processor: ClapProcessor, embed_mels, embed_texts, recordings: Path) -> dict:
    """Scores of the CLAP in both languages, and of both taggers, on the test recordings with a documented style."""
    test, training = read("test", recordings), read("train", recordings)
    audio, reference = (embed_mels(model, some["mels"])[1].numpy() for some in (test, training))
    found = {}
    for language in WORDS:
        embed = partial(embed_texts, model, processor)
        found[f"CLAP, {language}"] = by_words(audio, embed, language)
        found[f"CLAP, {language}, standardized"] = by_words(audio, embed, language, reference)
    for tagger in TAGS:
        found[f"tags of musicnn-{tagger}"] = by_tags(test["heard"], training["heard"], tagger)
    return {name: score(similarity, test["style"], test["track"]) for name, similarity in found.items()}
