"""Put sounds and sentences of all kinds together, and align the towers with them."""

from pathlib import Path
from random import Random

import numpy as np
import torch
from transformers import ClapModel
from transformers.models.clap.modeling_clap import ClapAudioModel

from musicwords.captions.matching import Facts
from recipes.clap import sentences
from recipes.clap.alignment import (
    CAPTIONS,
    Alignment,
    Sounds,
    assembled,
    both_ways,
    listened,
    ranks,
    read,
    searches,
    table,
)
from recipes.clap.audio_tower import pooled_features
from recipes.clap.features import Texts
from recipes.clap.lessons import concept_texts
from recipes.clap.listening import Heard, concepts, facts_of
from recipes.clap.text_tower import load
from recipes.clap.typed import Judge

LEVELS = (-14.0, 3.0)  # dB by which windows of recordings are made louder
EXCHANGES = 2  # of the instrument in each sentence as people type them
CHINESE = 1  # captions of each clip


def typed_sentences(records: list[dict]) -> list[sentences.Sentence]:
    """Sentences that were written for no clip: as people type them, Chinese captions, and musicnn's concepts."""
    rng, found = Random(0), []
    for language in ("en", "zh"):
        some = sentences.natural("train", language)
        changed = [sentences.exchanged(one, language, rng) for one in some for _ in range(EXCHANGES)]
        found += 2 * some + [one for one in changed]
    return found + sentences.mandarin(records, CHINESE) + concept_texts()[::3]


def join(
    tower: ClapAudioModel,
    train: tuple[list[dict], np.ndarray],
    timbres: tuple[list[dict], np.ndarray],
    heard: Heard,
    validation: tuple[list[dict], np.ndarray],
    folder: Path,
) -> ClapModel:
    """The trained CLAP.

    Parameters
    ----------
    tower : trained
    train, timbres, validation : records and spectrograms of clips
    heard : windows that musicnn tagged
    folder : where features and the curve are kept; it has the text tower
    """
    model = assembled(tower, load(folder / "text-tower")[0]).eval()
    texts = Texts(train[0], CAPTIONS)
    captions, typed = sentences.of_captions(texts.captions), typed_sentences(train[0])
    attributes = [record["attributes"] for record in train[0] + timbres[0]]
    facts = Facts(attributes, [one.said | one.denied for one in captions + typed])
    size, names = len(train[0]), facts.names
    windows = facts_of(*concepts(heard.tags, heard.tags[heard.artist != ""]), names)
    groups = [
        Sounds(listened(model, mels, copies, folder / f"pooled-{name}.npy", levels), *both_ways(*tables))
        for name, mels, copies, levels, tables in (
            ("clips", train[1], 1, (0.0, 0.0), (facts.holds[:size], facts.blank[:size])),
            ("timbres", timbres[1], 0, (0.0, 0.0), (facts.holds[size:], facts.blank[size:])),
            ("windows", heard.mels, 3, LEVELS, windows),
        )
    ]
    alignment = Alignment(
        model,
        groups,
        (read(model, captions, folder, "captions"), table(captions, names), texts.clip),
        (read(model, typed, folder, "typed"), table(typed, names)),
    )
    with torch.inference_mode():
        sounds = pooled_features(model.audio_model, validation[1])
    own = sentences.of_captions([caption for caption in Texts(validation[0], 1).captions])
    own = read(model, own, folder, "validation")
    judges = {language: Judge(sentences.natural("validation", language), validation[0]) for language in ("en", "zh")}
    asked = {name: read(model, judge.sentences, folder, f"validation-{name}") for name, judge in judges.items()}

    def check() -> dict:
        found = ranks(model, own, sounds)
        for name, judge in judges.items():
            found |= searches(model, judge, asked[name], sounds, name)
        return found

    return alignment.run(check, folder)
