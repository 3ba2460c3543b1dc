"""What the generators are told of a clip, in both languages: captions, and what people type that is true of it."""

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np

from musicwords.captions import caption, chinese
from musicwords.captions.matching import Facts, comparison
from recipes.clap.lessons import MISTYPED, mistyped
from recipes.clap.sentences import Sentence, exchanged, natural
from recipes.corpus.texts import MOODS, NEGATIONS

# Share of each kind of prompt: what it is, and in which language. The last one is an empty text.
SHARES = {("caption", "en"): 0.45, ("typed", "en"): 0.3, ("caption", "zh"): 0.08, ("typed", "zh"): 0.12, ("", ""): 0.05}
COPIES = 3  # of each natural sentence, with another instrument


class TrueSentences:
    """Sentences as people type them, and which of them are true of which clip.

    Parameters
    ----------
    records : of the clips
    language : "en" or "zh"
    split : of the sentences, as files of ``recipes/natural`` are named
    copies : how often each sentence is taken with another instrument
    """

    def __init__(self, records: Sequence[Mapping], language: str, split: str, copies: int = 0):
        rng, typed = Random(f"{split}-{language}"), natural(split, language)
        changed = [exchanged(one, language, rng) for one in typed for _ in range(copies)]
        self.sentences: list[Sentence] = list({one.text: one for one in typed + changed if one.said}.values())
        claims = [one.said | one.denied for one in self.sentences]
        facts = Facts([record["attributes"] for record in records], claims)
        said, denied, holds, blank = (
            table.astype(np.float32)
            for table in (
                facts.table([one.said for one in self.sentences]),
                facts.table([one.denied for one in self.sentences]),
                facts.holds,
                facts.blank,
            )
        )
        # A clip of which the record does not say whether it has what a sentence denies is left out as well.
        self.true = (comparison(said, holds, blank)[0] & (denied @ (holds + blank).T == 0)).T
        self.weights = 1 / np.maximum(1, self.true.sum(axis=0))  # so that a sentence of few clips is told of them

    def drawn(self, row: int, rng: Random) -> Sentence | None:
        """A sentence that is true of a clip; None where there is none."""
        places = np.flatnonzero(self.true[row])
        return self.sentences[rng.choices(places, self.weights[places])[0]] if len(places) else None


class Prompts:
    """Draws prompts of training clips.

    Parameters
    ----------
    records : of the clips
    """

    def __init__(self, records: Sequence[Mapping]):
        self.records = records
        self.typed = {language: TrueSentences(records, language, "train", COPIES) for language in ("en", "zh")}

    def drawn(self, rows: Sequence[int], occasion: str, shares: Mapping[tuple, float] = SHARES) -> list[str]:
        """A prompt of each of some clips, always the same one on an occasion, in the wording of training."""
        found = []
        for row in rows:
            record = self.records[row]
            rng = Random(f"{record['id']}, {occasion}")
            kind, language = rng.choices(list(shares), list(shares.values()))[0]
            sentence = self.typed[language].drawn(row, rng) if kind == "typed" else None
            if sentence:
                found.append(mistyped(sentence.text, rng) if rng.random() < MISTYPED else sentence.text)
            else:
                found.append(of_grammar(record, rng, language) if kind else "")
        return found


def of_grammar(record: Mapping, rng: Random, language: str = "en") -> str:
    """A caption of a clip in the wording of training."""
    write = caption if language == "en" else chinese.caption
    told = {"negation": rng.random() < NEGATIONS, "mood": rng.random() < MOODS}
    return write(record["attributes"], rng, wording="train", **told).text


def to_check_on(records: Sequence[Mapping]) -> dict[str, list[str]]:
    """Two prompts of each validation clip: a caption in the wording of training, and what people type.

    The latter are sentences of validation; where none is true of a clip, its caption stands in.
    """
    captions = [of_grammar(record, Random(f"{record['id']}, validation")) for record in records]
    typed = TrueSentences(records, "en", "validation")
    sentences = [typed.drawn(row, Random(f"{record['id']}, validation")) for row, record in enumerate(records)]
    natural = [one.text if one else text for one, text in zip(sentences, captions, strict=True)]
    return {"caption": captions, "typed": natural}
