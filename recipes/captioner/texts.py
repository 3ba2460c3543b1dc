"""What the captioner is trained to say: captions and answers, and a tokenizer for them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import GPT2Tokenizer

from musicwords.captioner import ANSWER, END, PAD, QUESTION, question_prompt
from musicwords.captions import STYLES, caption, questions
from recipes.corpus.texts import MOODS, NEGATIONS

VOCABULARY = 2_000  # tokens at most
CAPTIONS, QUESTIONS = 5, 5  # of each clip, to train it on
CONTEXT = 128  # places of prefix and text
SPECIAL = [END, PAD, *(f"<|{style}|>" for style in STYLES), QUESTION, ANSWER]


class Example(NamedTuple):
    """A text to learn, after a prompt, about the clip of a number."""

    clip: int
    prompt: str
    text: str
    answers: bool  # whether it is the answer to a question


def examples_of(record: dict, clip: int, occasion: str, captions: int, asked: int) -> list[Example]:
    """Draw captions and questions of a clip, in the wording of training.

    Parameters
    ----------
    record : of the clip
    clip : its number
    occasion : other texts are drawn on another occasion, such as an epoch
    captions, asked : how many captions in any style, and how many questions at most, each of another kind
    """
    rng, found = Random(f"{record['id']}, {occasion}"), []
    for _ in range(captions):
        new = caption(record["attributes"], rng, negation=rng.random() < NEGATIONS, mood=rng.random() < MOODS)
        found.append(Example(clip, f"<|{new.style}|>", new.text, False))
    known = questions(record["attributes"], rng)
    for one in rng.sample(known, min(asked, len(known))):
        found.append(Example(clip, question_prompt(one.question, one.options), one.answer, True))
    return found


def draw(records: Iterable[dict], occasion: str, captions: int, asked: int) -> list[Example]:
    """Draw captions and questions of all clips."""
    return [
        example
        for clip, record in enumerate(records)
        for example in examples_of(record, clip, occasion, captions, asked)
    ]


def train_tokenizer(texts: Iterable[str]) -> GPT2Tokenizer:
    """Train byte-level BPE as GPT-2 has it; any text can be told in its tokens and back."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return GPT2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        unk_token=END,
        bos_token=END,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=SPECIAL[2:],
        model_max_length=CONTEXT,
    )


def corpus_tokenizer(records: list[dict], folder: Path) -> GPT2Tokenizer:
    """The tokenizer in ``folder``, trained now on texts of the clips if it is not there."""
    if not (folder / "tokenizer.json").is_file():
        examples = draw(tqdm(records, desc="texts for the tokenizer", unit=""), "tokenizer", CAPTIONS, QUESTIONS)
        texts = [re.sub(r"<\|\w+\|>", "", part) for one in examples for part in (one.prompt, one.text)]
        train_tokenizer(texts).save_pretrained(folder)
    return GPT2Tokenizer.from_pretrained(folder)
