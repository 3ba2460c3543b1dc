"""Scores of captions: what they state that is true, and how much of their wording is that of the references."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.translate.meteor_score import meteor_score
from pycocoevalcap.cider.cider import Cider
from rouge_score.rouge_scorer import RougeScorer

from musicwords.captions import judge
from musicwords.ranking import summarize

ATTRIBUTES = ("instruments", "families", "tempo_class", "percussion", "mode", "texture", "idiom", "dynamics",
              "articulation", "register", "room", "meter")  # fmt: skip


def truth(texts: Sequence[str], records: Sequence[dict]) -> dict:
    """How true captions are of their clips.

    Returns
    -------
    dict
        ``precision``: share of all statements that are true; ``true statements``: how many a caption has; both as
        [value, low, high]. ``attributes``: for each the share of captions that state it, and the share of these
        statements that are true (None without any).
    """
    judged = [judge(text, record["attributes"]) for text, record in zip(texts, records, strict=True)]
    flat = [(one, record["work"]) for statements, record in zip(judged, records, strict=True) for one in statements]
    count = np.array([sum(one.true for one in statements) for statements in judged], float)
    found = {
        "precision": interval([one.true for one, _ in flat], [work for _, work in flat]) if flat else None,
        "true statements": interval(count, [record["work"] for record in records]),
        "attributes": {},
    }
    for name in ATTRIBUTES:
        some = [(one, work) for one, work in flat if one.attribute == name]
        saying = sum(any(one.attribute == name for one in statements) for statements in judged)
        found["attributes"][name] = {
            "stated": saying / len(judged),
            "true": interval([one.true for one, _ in some], [work for _, work in some]) if some else None,
        }
    return found


def interval(values: Iterable[float], works: Sequence[str]) -> list[float]:
    """Mean with a 95 % bootstrap interval over works."""
    return summarize({"mean": np.array(values, np.float32)}, works)["mean"]


class NoSynonyms:
    """Stands for WordNet in METEOR, which then matches words and their stems."""

    def synsets(self, word: str) -> list:
        return []


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return re.findall(r"\w+(?:['/]\w+)*", text.lower())


def overlap(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-4 (0 to 100), ROUGE-L and METEOR (0 to 1, the best of the references), CIDEr (0 to 10).

    Parameters
    ----------
    texts : one caption a clip
    references : several captions for each clip; the same number for all
    """
    scorer = RougeScorer(["rougeL"])
    stemmer, none = PorterStemmer(), NoSynonyms()
    meteor = [
        meteor_score([words(one) for one in some], words(text), stemmer=stemmer, wordnet=none)
        for text, some in zip(texts, references, strict=True)
    ]
    longest = [scorer.score_multi(some, text)["rougeL"].fmeasure for text, some in zip(texts, references, strict=True)]
    said = {clip: [" ".join(words(text))] for clip, text in enumerate(texts)}
    expected = {clip: [" ".join(words(one)) for one in some] for clip, some in enumerate(references)}
    return {
        "BLEU-4": sacrebleu.corpus_bleu(list(texts), [list(column) for column in zip(*references, strict=True)]).score,
        "ROUGE-L": float(np.mean(longest)),
        "METEOR": float(np.mean(meteor)),
        "CIDEr": float(Cider().compute_score(expected, said)[0]),
    }
