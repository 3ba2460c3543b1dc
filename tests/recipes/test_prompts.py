"""What the generators are told of a clip."""

from collections import Counter
from random import Random

import pytest

pytest.importorskip("babel", reason="needs recipes/requirements.txt")

from musicwords.captions import parse
from musicwords.captions.matching import facts, unknown
from recipes.clap.sentences import natural
from recipes.prompt_encoder.prompts import COPIES, SHARES, Prompts, TrueSentences, to_check_on

INSTRUMENTS = {
    "violin": "strings",
    "piano": "keyboard",
    "flute": "woodwind",
    "choir": "voice",
    "harp": "plucked strings",
}


@pytest.fixture(scope="module")
def records():
    rng, found = Random(0), []
    for number in range(60):
        name, drums = rng.choice(list(INSTRUMENTS)), rng.random() < 0.5
        attributes = {"instruments": [name] + ["drums"] * drums, "families": [INSTRUMENTS[name]] + ["drums"] * drums,
                      "percussion": None if number % 7 == 0 else drums, "tempo_bpm": 60.0, "tempo_class": "slow",
                      "mode": rng.choice(["minor", "major", None]), "idiom": None, "meter": "4/4", "key": None,
                      "texture": "duet" if drums else "solo", "dynamics": rng.choice(["soft", "medium", "strong"]),
                      "articulation": "legato", "register": "high", "room": "hall"}  # fmt: skip
        found.append({"id": f"train-{number:05d}", "work": f"{number}", "split": "train", "attributes": attributes})
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_typed_sentences_are_true_of_their_clips(records, language):
    source = TrueSentences(records, language, "train", COPIES)
    for row, record in enumerate(records):
        true, left_open = facts(record["attributes"]), unknown(record["attributes"])
        for place, sentence in enumerate(source.sentences):
            absent = not any(fact in true or fact[0] in left_open for fact in sentence.denied)
            assert source.true[row, place] == (sentence.said <= true and absent), sentence.text
    assert source.true.any(axis=1).all()
    assert len(source.sentences) > 2 * len(natural("train", language))  # with instruments exchanged


def test_what_few_clips_have_is_told_of_them(records):
    source, rng = TrueSentences(records, "en", "train"), Random(0)
    row = max(range(len(records)), key=lambda row: source.true[row].sum())
    told = Counter(source.drawn(row, rng).text for _ in range(2000))
    true = [place for place in range(len(source.sentences)) if source.true[row, place]]
    common, *_, rare = sorted(true, key=lambda place: source.weights[place])
    assert source.weights[rare] > source.weights[common]
    assert told[source.sentences[rare].text] > told[source.sentences[common].text]


def test_prompts_follow_the_occasion_and_the_shares(records):
    prompts = Prompts(records)
    assert prompts.drawn([3, 5], "epoch 1") == prompts.drawn([3, 5], "epoch 1") != prompts.drawn([3, 5], "epoch 2")
    many = [text for number in range(40) for text in prompts.drawn(range(60), f"epoch {number}")]
    chinese = sum(any("一" <= letter <= "鿿" for letter in text) for text in many)
    wanted = sum(share for (_, language), share in SHARES.items() if language == "zh")
    assert many.count("") / len(many) == pytest.approx(SHARES["", ""], abs=0.015)
    assert chinese / len(many) == pytest.approx(wanted, abs=0.03)


def test_no_sentence_of_a_test_is_told_in_training(records):
    prompts = Prompts(records)
    told = {sentence.text for typed in prompts.typed.values() for sentence in typed.sentences}
    held_out = {
        one.text for split in ("validation", "test") for language in ("en", "zh") for one in natural(split, language)
    }
    assert not told & held_out


def test_checks_have_a_caption_and_what_people_type(records):
    found = to_check_on(records)
    typed = {one.text for one in natural("validation", "en")}
    assert all(parse(text) for text in found["caption"])
    pairs = list(zip(found["caption"], found["typed"], strict=True))
    assert all(sentence in typed or sentence == text for text, sentence in pairs)
    assert sum(sentence in typed for _, sentence in pairs) > 20
    assert found == to_check_on(records)
