"""Chinese captions say what the record says, in Chinese, and the reader reads it back."""

import re
from random import Random

import pyarrow.parquet as pq
import pytest

from musicwords.corpus import CORPUS
from musicwords.matching import ATTRIBUTES

RECORDS, ROUNDS = 300, 12
WORDINGS = ("train", "validation", "test")
LATIN = {  # what people in China write in Latin letters
    *("bpm", "mf", "solo", "emo", "chill", "lead", "pad", "stab", "slap"),
    *("techno", "house", "trance", "funk", "disco", "bossa nova", "bossa", "bossanova", "lo-fi", "lofi", "hip-hop"),
    *("drum and bass", "drumandbass", "dnb", "breakbeat", "synth-pop", "swing"),
}
LATIN_TEXT = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+)*")
KEY = re.compile(r"[A-Ga-g][b#]?(?=[大小]调)")


@pytest.fixture(scope="module")
def chinese():
    """The grammar of Chinese captions."""
    from musicwords.captions import chinese

    return chinese


@pytest.fixture(scope="module")
def lexicon():
    """The words of the English captions."""
    from musicwords.captions import lexicon

    return lexicon


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """The attributes of the first clips of the corpus."""
    table = pq.read_table(CORPUS, columns=list(ATTRIBUTES))
    return table.slice(0, RECORDS).to_pylist()


@pytest.fixture(scope="module")
def written(chinese, records) -> list:
    """Captions of the records in all wordings, with what they were asked for."""
    rng = Random(1)
    rows = []
    for i in range(ROUNDS * RECORDS):
        attributes, wording = records[i % RECORDS], WORDINGS[i // RECORDS % 3]
        options = {"negation": rng.random() < 0.3, "mood": rng.random() < 0.3}
        rows.append((attributes, wording, options, chinese.caption(attributes, rng, wording=wording, **options)))
    return rows


def made_up(rng: Random, lexicon) -> dict:
    """Return a random record, which may have what the corpus lacks."""
    names = rng.choices(list(lexicon.INSTRUMENT_FORMS), k=rng.choice([1, 1, 2, 2, 3, 4, 6]))
    values = {name: rng.choice([*slots, None]) for name, slots in lexicon.SLOTS.items() if name != "mood"}
    return values | {
        "instruments": names,
        "families": rng.sample(list(lexicon.FAMILY_FORMS), rng.randint(0, 3)),
        "percussion": bool(lexicon.DRUMS.intersection(names)) or rng.choice([True, False, None]),
        "texture": {1: "solo", 2: "duet"}.get(len(names), "ensemble"),
        "key": rng.choice(["A", "Bb", "C", "F#", None]),
        "idiom": rng.choice([*lexicon.KIND_FORMS, *lexicon.STYLE_FORMS, None]),
    }


def unordered(found: dict) -> dict:
    return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}


def test_what_a_caption_says_is_read_back_exactly(chinese, written):
    for *_, caption in written:
        assert unordered(chinese.read(caption.text)) == unordered(caption.mentioned), caption.text
    assert {name for *_, caption in written for name in caption.mentioned} == {*ATTRIBUTES, "mood"}


def test_so_is_what_the_corpus_lacks(chinese, lexicon):
    rng = Random(2)
    for i in range(3000):
        caption = chinese.caption(made_up(rng, lexicon), rng, wording=WORDINGS[i % 3], negation=True)
        assert unordered(chinese.read(caption.text)) == unordered(caption.mentioned), caption.text


def test_a_caption_says_nothing_that_the_record_does_not(written):
    for attributes, _, options, caption in written:
        for name, value in caption.mentioned.items():
            if name in ("instruments", "families"):
                assert set(value) <= set(attributes[name]), caption.text
            elif name == "tempo_bpm":
                assert value == round(attributes[name])
            elif name == "mood":
                assert options["mood"]
            else:
                assert value == attributes[name], (name, caption.text)
        assert caption.negation == (caption.mentioned.get("percussion") is False)
        assert options["negation"] or not caption.negation


def test_every_value_of_the_english_lexicon_has_chinese_words(chinese, lexicon):
    english = {(attribute, value) for _, attribute, value, _ in lexicon.vocabulary()}
    counts = {}
    for _, attribute, value, wording in chinese.vocabulary():
        counts.setdefault((attribute, value), dict.fromkeys(WORDINGS, 0))[wording] += 1
    assert set(counts) == english
    for meaning, found in counts.items():
        assert found["train"] >= 3 and found["validation"] and found["test"], (meaning, found)
    for attribute, values in chinese.SLOTS.items():
        for value, slots in values.items():
            assert all(forms[wording] for forms in slots.values() for wording in WORDINGS), (attribute, value)


def test_surface_forms_mean_one_thing(chinese):
    meanings = {}
    for form, attribute, value, _ in chinese.vocabulary():
        assert meanings.setdefault(form.text.lower(), (attribute, value)) == (attribute, value), form.text


def test_held_out_words_and_frames_are_not_in_training(chinese, written):
    train = [form.text for form, *_, wording in chinese.vocabulary() if wording == "train"]
    frames = {w: {f for style in chinese.TABLES["frames"].values() for f in style[w]} for w in WORDINGS}
    text = " | ".join([*train, *frames["train"]])
    assert not [form.text for form, *_, w in chinese.vocabulary() if w != "train" and form.text in text]
    others = {w: {form.text for form, *_, wording in chinese.vocabulary() if wording == w} for w in WORDINGS}
    assert not others["validation"] & others["test"]
    assert sum(map(len, frames.values())) == len(set().union(*frames.values()))
    assert len(frames["train"]) >= 14 and len(frames["validation"]) >= 5 and len(frames["test"]) >= 5
    said = {w: {item for _, wording, _, c in written if wording == w for item in c.items} for w in WORDINGS}
    assert not said["train"] & (others["validation"] | others["test"])
    assert said["validation"] & others["validation"] and said["test"] & others["test"]
    assert not (said["validation"] & others["test"] or said["test"] & others["validation"])


def test_chinese_is_well_formed(written):
    for *_, caption in written:
        text = caption.text
        assert text == text.strip() and not re.search(r"  |[{}*~]|的的", text), text
        assert not re.search(r"[，、。；：？！,.;:?!]{2}|[（：——][，、；]|[，、；：]$|^[，、；：]", text), text
        assert not re.search(r"([\u4e00-\u9fff]{4,})\1", text), text
        if caption.style in ("plain", "rich", "request", "note"):
            assert text[-1] in "。？！", text
        latin = LATIN_TEXT.findall(KEY.sub("", text))
        assert {word.lower() for word in latin} <= LATIN, (latin, text)


def test_same_seed_same_captions(chinese, records):
    first, again, other = (
        [chinese.caption(record, rng, wording="train") for record in records[:20]]
        for rng in (Random(5), Random(5), Random(6))
    )
    assert first == again != other


def test_one_record_gives_many_captions(chinese, records):
    rng = Random(8)
    record = next(r for r in records if len(r["instruments"]) > 1 and r["idiom"] and r["key"])
    assert len({chinese.caption(record, rng, wording="train").text for _ in range(1000)}) > 950


def test_an_idiom_states_no_meter(chinese, lexicon):
    for form, attribute, value, _ in chinese.vocabulary():
        if attribute == "idiom":
            assert chinese.read(form.text) == {"idiom": value}, form.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("电贝斯和吉他", {"instruments": ["electric bass", "guitar"]}),
        ("鼓打贝斯", {"idiom": "drum and bass"}),
        ("哪里有鼓打贝斯？", {"idiom": "drum and bass"}),
        ("哪里有力度适中的曲子？", {"dynamics": "medium"}),
        ("有没有鼓组和钢琴？", {"instruments": ["drums", "piano"], "percussion": True}),
        ("小提琴，不要架子鼓", {"instruments": ["violin"], "percussion": False}),
        ("摇滚，没有吉他或钢琴", {"idiom": "rock", "absent": ["guitar", "piano"]}),
        ("长笛，别加鼓和竖琴", {"instruments": ["flute"], "percussion": False, "absent": ["harp"]}),
        ("钢琴 每分钟132拍", {"instruments": ["piano"], "tempo_bpm": 132, "tempo_class": "fast"}),
        ("降e小调", {"key": "Eb", "mode": "minor"}),
        ("F#大调", {"key": "F#", "mode": "major"}),
        ("大调", {"mode": "major"}),
        ("不太快速", {}),
        ("欢快的慢板", {"mood": "happy", "tempo_class": "slow"}),
        ("12/8拍", {"meter": "12/8"}),
        ("piano 🎵", {}),
        ("", {}),
    ],
)
def test_reader_on_the_words_of_others(chinese, text, expected):
    assert chinese.read(text) == expected


def test_bad_records_are_named(chinese):
    with pytest.raises(ValueError, match="kazoo"):
        chinese.caption({"instruments": ["kazoo"]}, Random(0), wording="train")
