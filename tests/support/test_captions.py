"""Captions say what the record says, in correct English, and the parser reads it back."""

import re
from collections import Counter
from random import Random

import pytest

RECORDS = 2000
RICH = {
    "instruments": ["violin", "cello", "harpsichord"],
    "families": ["strings", "keyboard"],
    "percussion": False,
    "tempo_bpm": 72.3,
    "tempo_class": "slow",
    "meter": "3/4",
    "key": "Bb",
    "mode": "minor",
    "texture": "ensemble",
    "idiom": "trio sonata",
    "dynamics": "soft",
    "articulation": "legato",
    "register": "middle",
    "room": "hall",
}


@pytest.fixture(scope="module")
def package():
    """The package, with its modules."""
    from musicwords import captions

    return captions


@pytest.fixture(scope="module")
def lexicon(package):
    return package.lexicon


def record(rng: Random, lexicon) -> dict:
    """Return a random record that hangs together: percussion follows the drums, texture the instruments."""
    names = rng.choices(list(lexicon.INSTRUMENT_FORMS), k=rng.choice([1, 1, 2, 2, 3, 4, 6]))
    values = {name: rng.choice([*slots, None]) for name, slots in lexicon.SLOTS.items() if name != "mood"}
    idiom = rng.choice([*lexicon.KIND_FORMS, *lexicon.STYLE_FORMS, None])
    bpm = rng.choice([None, rng.uniform(40, 210)])
    if rng.random() < 0.8:
        values["texture"] = {1: "solo", 2: "duet"}.get(len(names), "ensemble")
    return values | {
        "instruments": names,
        "families": rng.sample(list(lexicon.FAMILY_FORMS), rng.randint(0, 3)),
        "percussion": bool(lexicon.DRUMS.intersection(names)) or rng.choice([True, False, None]),
        "tempo_bpm": bpm,
        "tempo_class": lexicon.tempo_class(bpm) if bpm else values["tempo_class"],
        "key": rng.choice(["A", "Bb", "C", "E", "F#", "G", None]),
        "idiom": idiom,
    }


@pytest.fixture(scope="module")
def written(package, lexicon) -> list:
    """Random records, each with a caption."""
    rng = Random(1)
    pairs = []
    for i in range(RECORDS):
        attributes = record(rng, lexicon)
        wording = "test" if i % 2 else "train"
        options = {"negation": i % 5 == 0, "mood": i % 7 == 0}
        pairs.append((attributes, wording, options, package.caption(attributes, rng, wording=wording, **options)))
    return pairs


def unordered(found: dict) -> dict:
    return {name: sorted(value) if isinstance(value, list) else value for name, value in found.items()}


def test_what_a_caption_says_is_read_back_exactly(package, written):
    wrong = [
        (caption.text, caption.mentioned, package.parse(caption.text))
        for *_, caption in written
        if unordered(package.parse(caption.text)) != unordered(caption.mentioned)
    ]
    assert not wrong, wrong[:3]
    assert {name for *_, caption in written for name in caption.mentioned} == {*RICH, "mood"}


def test_a_caption_is_read_in_lower_case_and_with_the_spaces_of_a_tokenizer(package, written):
    for *_, caption in written:
        spaced = re.sub(r"([,.;:!?()|-])", r" \1 ", caption.text.lower())
        assert unordered(package.parse(spaced)) == unordered(caption.mentioned), spaced


def test_a_caption_says_nothing_that_the_record_does_not(written):
    for attributes, _, options, caption in written:
        for name, value in caption.mentioned.items():
            if name in ("instruments", "families"):
                assert set(value) <= set(attributes[name]), caption.text
            elif name == "tempo_bpm":
                assert value == round(attributes[name])
            elif name == "mood":
                assert options["mood"]
            elif name == "percussion" and value:
                assert attributes["percussion"], caption.text
            else:
                assert value == attributes[name], (name, caption.text)


def test_texture_and_string_quartet_are_said_only_where_they_are_true(package, lexicon):
    rng = Random(2)
    cases = [
        ({"instruments": ["violin"], "percussion": True, "texture": "solo"}, "texture"),
        ({"instruments": ["choir"], "texture": "solo"}, "texture"),
        ({"instruments": ["flute", "harp", "drums"], "texture": "duet"}, "texture"),
        ({"instruments": ["trumpet", "tuba"], "idiom": "string quartet"}, "idiom"),
        ({"instruments": ["violin"], "articulation": "normal"}, "articulation"),
    ]
    for attributes, name in cases:
        said = {key for _ in range(200) for key in package.caption(attributes, rng).mentioned}
        assert name not in said, attributes


def test_english_is_well_formed(written):
    for *_, caption in written:
        text = caption.text
        assert "  " not in text and not re.search(r"\s[,.;:?]|[,;:]\s*[,.;:]|[,;:] *$|\{|\}|\(\)", text), text
        assert text == text.strip()
        assert not re.search(r"\ba (?!one-)[aeio]|\ba (?!un[ia])u|\ban (?![aeiou8I])", text), text
        assert not re.search(r"\b(\w+) \1\b", text), text
        if caption.style != "tags":
            assert text[0].isupper() and text[-1] in ".?", text
            assert not re.search(r"\. [a-z]", text), text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("oboe", "an oboe"),
        ("up-tempo jig", "an up-tempo jig"),
        ("unhurried air", "an unhurried air"),
        ("unaccompanied piece", "an unaccompanied piece"),
        ("unison", "a unison"),
        ("one-instrument piece", "a one-instrument piece"),
        ("French horn", "a French horn"),
    ],
)
def test_article(package, words, expected):
    assert package.grammar.article(words) == expected


def test_verbs_agree(package):
    rng = Random(3)
    one = package.captions({"instruments": ["oboe"]}, rng, 30, style="plain")
    two = package.captions({"instruments": ["oboe", "harp"]}, rng, 60, style="plain")
    drums = package.captions({"instruments": ["timpani"]}, rng, 30, style="plain")
    assert any("oboe plays " in c.text for c in one) and not any(" play " in c.text for c in one)
    assert any("harp play " in c.text for c in two) and not any(" plays " in c.text for c in two)
    assert any("impani play " in c.text for c in drums)


def test_surface_forms_mean_one_thing(lexicon):
    meanings = {}
    for form, attribute, value, _ in lexicon.vocabulary():
        key = lexicon.normalize(form.text)
        assert meanings.setdefault(key, (attribute, value)) == (attribute, value), key


def test_no_form_is_listed_for_training_and_for_test(lexicon):
    train = [lexicon.normalize(form.text) for form, *_, wording in lexicon.vocabulary() if wording == "train"]
    text = " | ".join(train)
    for form, *_, wording in lexicon.vocabulary():
        if wording == "test":
            pattern = rf"(?<!\w){re.escape(lexicon.normalize(form.text))}(?!\w)"
            assert not re.search(pattern, text), form.text


def test_held_out_wording_never_occurs_in_training_captions(package, lexicon, written):
    held_out = [lexicon.normalize(form.text) for form, *_, wording in lexicon.vocabulary() if wording == "test"]
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, held_out)) + r")(?!\w)")
    train = [caption for _, wording, _, caption in written if wording == "train"]
    test = [caption for _, wording, _, caption in written if wording == "test"]
    for caption in train:
        assert not (match := pattern.search(lexicon.normalize(caption.text))), (match, caption.text)
    shares = package.novelty(test, train)
    assert shares["frame"] == 1 and shares["surface"] > 0.99 and shares["any_item"] > 0.95
    assert package.novelty(train, train) == {"surface": 0, "frame": 0, "any_item": 0, "all_items": 0}


def test_same_seed_same_captions(package):
    first = package.captions(RICH, Random(5), 20)
    assert first == package.captions(RICH, Random(5), 20) != package.captions(RICH, Random(6), 20)
    assert package.questions(RICH, Random(5)) == package.questions(RICH, Random(5))


def test_negation_only_where_asked(package, lexicon):
    rng = Random(7)
    pattern = re.compile(r"\bno (drums|perc)|\bwithout (any )?(drums|perc)|drumless|drum free|percussion free")
    for _ in range(300):
        plain = package.caption(RICH, rng)
        assert not plain.negation and "percussion" not in plain.mentioned
        assert not pattern.search(lexicon.normalize(plain.text)), plain.text
        asked = package.caption(RICH, rng, negation=True)
        assert asked.negation and asked.mentioned["percussion"] is False
        with_drums = package.caption({"instruments": ["flute", "drums"]}, rng, negation=True)
        assert not with_drums.negation and with_drums.mentioned.get("percussion", True)
        bars = package.caption({"instruments": ["marimba"], "percussion": False}, rng, negation=True)
        assert "percussion" not in bars.text, bars.text


def test_one_record_gives_many_captions(package):
    rng = Random(8)
    texts = [package.caption(RICH, rng).text for _ in range(1000)]
    assert len(set(texts)) > 950
    assert len(package.captions(RICH, rng, 50)) == 50
    counts = Counter(package.caption(RICH, rng).style for _ in range(600))
    assert set(counts) == set(package.STYLES) and min(counts.values()) > 60
    assert 0 < len(package.captions({"instruments": ["tuba"]}, rng, 300, style="tags")) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A bass guitar and a guitar.", {"instruments": ["electric bass", "guitar"]}),
        ("drum'n'bass", {"idiom": "drum and bass"}),
        ("Violins and a cello, no drums", {"instruments": ["violin", "cello"], "percussion": False}),
        ("rock without guitar or piano", {"idiom": "rock", "absent": ["guitar", "piano"]}),
        ("a flute without drums or a harp", {"instruments": ["flute"], "percussion": False, "absent": ["harp"]}),
        ("a flute with drums", {"instruments": ["flute", "drums"], "percussion": True}),
        ("piano at 132 bpm", {"instruments": ["piano"], "tempo_bpm": 132, "tempo_class": "fast"}),
        ("74.5 beats per minute", {"tempo_bpm": 74, "tempo_class": "slow"}),
        ("a slow 100 BPM", {"tempo_bpm": 100, "tempo_class": "slow"}),
        ("in a major key", {"mode": "major"}),
        ("in a minor", {"key": "A", "mode": "minor"}),
        ("In E-flat major", {"key": "Eb", "mode": "major"}),
        ("a harpsichord", {"instruments": ["harpsichord"]}),
        ("not fast", {}),
        ("fast, then slow", {"tempo_class": "fast"}),
        ("3 / 4 time, up - tempo", {"meter": "3/4", "tempo_class": "fast"}),
        ("", {}),
        ("钢琴 🎵 \x00", {}),
        ("piano " * 2000, {"instruments": ["piano"]}),
    ],
)
def test_parser_on_the_words_of_others(package, text, expected):
    assert package.parse(text) == expected


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "at least one instrument"),
        ({"instruments": ["kazoo"]}, "kazoo"),
        ({"instruments": ["flute"], "idiom": "skiffle"}, "skiffle"),
        ({"instruments": ["flute"], "tempo_class": "quick"}, "quick"),
        ({"instruments": ["flute"], "mode": "major", "key": "H"}, "'H'"),
        ({"instruments": ["drums"], "percussion": False}, "has percussion"),
    ],
)
def test_bad_records_are_named(package, attributes, message):
    with pytest.raises(ValueError, match=message):
        package.caption(attributes, Random(0))


def test_questions_have_one_true_option(package, lexicon, written):
    rng = Random(9)
    kinds = set()
    for attributes, wording, *_ in written:
        for question in package.questions(attributes, rng, wording):
            kinds.add(question.kind)
            assert question.question.endswith("?")
            assert question.options.count(question.answer) == 1
            assert len(set(question.options)) == len(question.options) >= 2
            for option in question.options:
                true = option_is_true(question.kind, option, attributes, package, lexicon)
                assert true == (option == question.answer), (attributes, question)
    assert kinds == {"tempo", "instruments", "percussion", "mode", "texture"}


def option_is_true(kind: str, option: str, attributes: dict, package, lexicon) -> bool:
    """Say whether an option fits the record, by reading its words; what sounds alike counts as the same."""
    if kind == "instruments":
        kin = set().union(*(lexicon.KIN[name] for name in attributes["instruments"]))
        names = re.split(r", | and ", option)
        return any(lexicon.KIN[name] & kin for name in names)
    if kind == "percussion":
        return option.startswith("yes") == attributes["percussion"]
    if kind == "texture":
        words = {"one": "solo", "two": "duet", "more": "ensemble"}
        return words.get(option.split()[0], option) == attributes["texture"]
    name = {"tempo": "tempo_class", "mode": "mode"}[kind]
    words = option if option in ("slow", "medium", "fast") else package.parse(option).get(name)
    return (words.split()[0] if words else None) == attributes[name]


def test_the_place_of_the_answer_says_nothing(package):
    """Chi-square at the 0.1 % level, with a fixed seed."""
    rng = Random(10)
    attributes = RICH | {"texture": "ensemble"}
    places = {}
    for _ in range(2000):
        for question in package.questions(attributes, rng):
            size = len(question.options)
            places.setdefault((question.kind, size), Counter())[question.options.index(question.answer)] += 1
    critical = {2: 10.83, 3: 13.82, 4: 16.27}
    assert len(places) == 5
    for (kind, size), counts in places.items():
        expected = sum(counts.values()) / size
        statistic = sum((counts[i] - expected) ** 2 / expected for i in range(size))
        assert statistic < critical[size], (kind, counts)


def test_line_ups_share_no_instrument(package):
    rng = Random(12)
    asked = [package.questions({"instruments": ["flute", "harp", "piano"]}, rng)[-1] for _ in range(300)]
    lineups = [
        [name for option in q.options for name in re.split(r", | and ", option)] for q in asked if "," in q.answer
    ]
    assert len(lineups) > 50
    assert all(len(set(names)) == len(names) == 12 for names in lineups)


def test_the_lead_is_the_first_instrument(package):
    rng = Random(13)
    asked = [package.questions({"instruments": ["flute", "harp"]}, rng)[-1] for _ in range(300)]
    leads = {question.answer for question in asked if re.search("lead|melody", question.question)}
    assert leads == {"flute"}


def test_instrument_questions_are_not_answered_by_their_options(package, lexicon):
    """Each wrong instrument is about as likely to be offered as any other: none gives the answer away."""
    rng = Random(11)
    offered = Counter()
    for _ in range(2000):
        *_, question = package.questions({"instruments": ["flute"]}, rng)
        offered.update(set(question.options) - {question.answer})
    strangers = [name for name in lexicon.INSTRUMENT_FORMS if not lexicon.KIN[name] & lexicon.KIN["flute"]]
    assert set(offered) == set(strangers)
    assert max(offered.values()) < 2 * min(offered.values())
