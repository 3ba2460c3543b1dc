"""The recipe of the mini CLAP on a few made-up clips: distillation, training that can be interrupted, export."""

import json
import shutil
from random import Random

import numpy as np
import pytest
import torch
from resumed import RESUMED, interrupt, same_curve

CLIPS = 64
INSTRUMENTS = {"violin": "strings", "piano": "keyboard", "flute": "woodwind", "choir": "voice"}


@pytest.fixture(scope="module")
def records():
    rng, found = Random(0), []
    for index in range(CLIPS):
        instrument, fast = rng.choice(list(INSTRUMENTS)), rng.random() < 0.5
        attributes = {"instruments": [instrument], "families": [INSTRUMENTS[instrument]], "percussion": False,
                      "tempo_bpm": 140.0 if fast else 60.0, "tempo_class": "fast" if fast else "slow",
                      "mode": None, "dynamics": rng.choice(["soft", "strong"])}  # fmt: skip
        found.append({"id": f"train-{index:05d}", "split": "train", "work": str(index), "attributes": attributes})
    return found


@pytest.fixture(scope="module")
def mels(records):
    """Spectrograms in which each attribute is a level somewhere."""
    sounds = np.random.default_rng(0).normal(-40, 3, (CLIPS, 512, 128)).astype(np.float16)
    for sound, record in zip(sounds, records, strict=True):
        place = list(INSTRUMENTS).index(record["attributes"]["instruments"][0])
        sound[:, 30 * place : 30 * place + 20] += 20
        if record["attributes"]["tempo_class"] == "fast":
            sound[::16] += 20
    return sounds


def teaching(records, work, patch):
    """The teaching of a text tower, short, with definitions and Chinese words made up here."""
    from recipes.clap import lessons, text_tower

    for name, value in (("HELD_OUT", 10), ("ROUNDS", 2), ("STEPS", 3), ("BATCH", 16)):
        patch.setattr(text_tower, name, value)
    patch.setattr(lessons, "CONCEPT_TEXTS", 40)
    patch.setattr(text_tower, "definitions", lambda: [f"word {n}: a thing with {n} legs" for n in range(60)])
    patch.setattr(text_tower, "chinese_words", lambda: ["音乐", "钢琴", "安静", "跳舞"])
    patch.setattr(text_tower, "multilingual", lambda texts: np.random.default_rng(0).normal(size=(len(texts), 512)))
    work.mkdir(exist_ok=True)
    return text_tower.Teaching(records[:48], records[48:], work)


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    """A work folder with a text tower that was taught for a moment."""
    work = tmp_path_factory.mktemp("clap") / "work"
    with pytest.MonkeyPatch.context() as patch:
        teaching(records, work, patch).run()
    return work


def test_definitions_are_read_from_wordnet(tmp_path):
    from recipes.clap.text_tower import definitions

    with pytest.raises(FileNotFoundError, match="apt install wordnet-base"):
        definitions(tmp_path)
    line = (
        '00001740 03 n 01 wind_harp 0 001 @ 00002137 n 0000 | a harp that wind plays; "it hangs in the tree"; "x"  \n'
    )
    for part in ("noun", "adj", "verb", "adv"):
        (tmp_path / f"data.{part}").write_text("  1 a licence\n" + line * (part == "noun"))
    assert definitions(tmp_path) == ["wind harp: a harp that wind plays", "it hangs in the tree"]


@pytest.mark.weekly
def test_text_tower_spells_any_english_word_and_reads_chinese(folder):
    from recipes.clap.text_tower import encode, load

    tower, tokenizer = load(folder / "text-tower")
    for text in ("A quixotic Xylophone, 145 BPM!", "一段安静的钢琴曲，没有鼓"):
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    texts = ["slow", "a much longer text about a fast piece for violin"]
    torch.testing.assert_close(
        encode(tower, tokenizer, texts)[:1], encode(tower, tokenizer, texts[:1]), atol=1e-5, rtol=0
    )


def test_text_tower_begins_as_minilm():
    from sentence_transformers import SentenceTransformer

    from musicwords.checkpoints import checkpoint
    from recipes.clap.text_tower import small_tokenizer, start

    texts = ["a slow piece for violin", "the choir sings"]
    teacher = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    tokenizer, pieces = small_tokenizer(teacher.tokenizer, texts)
    tower = start(teacher[0].model, pieces).eval()
    with torch.inference_mode():
        ours = tower(**tokenizer(texts, padding=True, return_tensors="pt")).last_hidden_state
        inputs = teacher.tokenizer(texts, padding=True, return_tensors="pt")
        theirs = teacher[0].model(**inputs).last_hidden_state
    there = inputs["attention_mask"].bool()
    torch.testing.assert_close(ours[there], theirs[there], atol=1e-4, rtol=0)


def test_a_sentence_with_another_instrument_states_that_one():
    from recipes.clap.sentences import exchanged, of_states

    for language, text in (("en", "a slow oboe, please"), ("zh", "慢一点的双簧管")):
        one = of_states(text, {"instruments": ["oboe"], "tempo_class": "slow"})
        other = exchanged(one, language, Random(3))
        (instrument,) = [value for name, value in other.said if name == "instruments"]
        assert instrument != "oboe" and other.text != text
        assert ("tempo_class", "slow") in other.said
    unnamed = of_states("something slow", {"tempo_class": "slow"})
    assert exchanged(unnamed, "en", Random(0)) is unnamed


def test_what_sentences_deny_counts_against_a_clip():
    from recipes.clap.sentences import of_states
    from recipes.clap.typed import Judge

    clips = [{"attributes": {"instruments": [name], "tempo_class": "slow"}} for name in ("oboe", "harp")]
    asked = [
        of_states("slow, no oboe", {"tempo_class": "slow", "absent": [{"attribute": "instruments", "value": "oboe"}]}),
        of_states("slow", {"tempo_class": "slow"}),  # true of all: asks nothing
        of_states("oboe", {"instruments": ["oboe"]}),
    ]
    judge = Judge(asked, clips)
    assert judge.true.tolist() == [[False, True], [True, False]]
    found = judge.scores(np.array([[0.1, 0.9], [0.2, 0.8]]))
    assert found["fits"] == 0.5 and found["chance"] == 0.5


def test_an_interrupted_teaching_goes_on_to_the_same_weights(records, tmp_path, monkeypatch):
    whole = teaching(records, tmp_path / "whole", monkeypatch)
    whole.run()
    interrupt(teaching(records, tmp_path / "broken", monkeypatch), 1)
    again = teaching(records, tmp_path / "broken", monkeypatch)
    again.run()
    torch.testing.assert_close(again.tower.state_dict(), whole.tower.state_dict(), rtol=RESUMED, atol=RESUMED)
    assert same_curve(again.curve, whole.curve)


@pytest.fixture()
def trainer(records, mels, monkeypatch, tmp_path):
    """Makes trainers of two short epochs that keep their state apart."""
    from recipes.clap import audio_tower

    monkeypatch.setattr(audio_tower, "EPOCHS", 2)
    monkeypatch.setattr(audio_tower, "BATCH", 16)

    def make(name):
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        return audio_tower.Trainer(work, records[:48], mels[:48], records[48:], mels[48:])

    return make


def test_an_interrupted_training_goes_on_to_the_same_weights(trainer):
    whole = trainer("whole")
    whole.run()

    interrupt(trainer("broken"), 1)
    again = trainer("broken")
    again.run()
    torch.testing.assert_close(again.tower.state_dict(), whole.tower.state_dict(), rtol=RESUMED, atol=RESUMED)
    assert same_curve(again.curve, whole.curve)
    assert whole.curve[1]["loss"] < whole.curve[0]["loss"]


def heard_by(mels):
    """Windows with tags and layers made up here; the last ones are of one artist, the first are rendered."""
    from recipes.clap.listening import TAGS, Heard

    rng = np.random.default_rng(0)
    artist = np.array([""] * 16 + ["a"] * (len(mels) - 16))
    return Heard(
        mels,
        rng.random((len(mels), TAGS)).astype(np.float32),
        rng.normal(size=(len(mels), 400)).astype(np.float32),
        artist,
    )


def test_tuning_learns_facts_and_tags_and_goes_on_after_an_interruption(records, mels, tmp_path, monkeypatch):
    from recipes.clap import tuning
    from recipes.clap.audio_tower import new_tower

    cycles = tuning.Cycle(2, 5e-4, 4e-3, 0.03, 0), tuning.Cycle(1, 1e-5, 1e-5, 0.01, 7)
    for name, value in (("CYCLES", cycles), ("STEPS", 3), ("CLIPS", 8), ("WINDOWS", 4)):
        monkeypatch.setattr(tuning, name, value)

    def make(name, cycle=0):
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        parts, heard = [mels[:30], mels[30:48]], heard_by(mels[:40])
        return tuning.Tuning(
            work, cycle, new_tower(), records[:48], parts, heard, records[48:], mels[48:], heard_by(mels[:20])
        )

    whole = make("whole")
    np.testing.assert_array_equal(whole.spectrograms(np.array([0, 29, 30, 47])), mels[[0, 29, 30, 47]])
    whole.run()
    interrupt(make("broken"), 1)
    again = make("broken")
    again.run()
    torch.testing.assert_close(again.tower.state_dict(), whole.tower.state_dict(), rtol=RESUMED, atol=RESUMED)
    assert whole.curve[1]["facts"] < whole.curve[0]["facts"]
    second = make("whole", 1)  # begins with what the first cycle ended with
    torch.testing.assert_close(second.tower.state_dict(), whole.tower.state_dict())
    second.run()
    curve = tuning.whole_curve(tmp_path / "whole")
    assert [(row["cycle"], row["round"]) for row in curve] == [(1, "1"), (1, "2"), (2, "1")]


def test_the_exported_folder_is_what_was_trained(trainer, records, mels, folder, tmp_path, monkeypatch):
    """Up to the rounding to half precision, through the processor and transformers' own calls."""
    from transformers import ClapModel, ClapProcessor

    from recipes.clap import alignment, joining
    from recipes.clap.audio_tower import embed_mels
    from recipes.clap.export import export
    from recipes.clap.joining import join

    for module, name, value in ((alignment, "ROUNDS", 10), (alignment, "STEPS", 4), (alignment, "BATCHES", (16, 16, 8)),
                                (alignment, "OTHERS", 32), (alignment, "TYPED", 32)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(joining, "typed_sentences", lambda records: joining.concept_texts()[:40])
    work = tmp_path / "exported"
    tower = trainer("exported").run()
    (work / "text-tower").symlink_to(folder / "text-tower")
    model = join(
        tower, (records[:24], mels[:24]), (records[24:48], mels[24:48]), heard_by(mels), (records[48:], mels[48:]), work
    )
    scores = (work / "alignment.csv").read_text().splitlines()
    assert float(scores[-1].split(",")[1]) < float(scores[1].split(",")[1])  # the loss
    shutil.copy(folder / "text-tower.csv", work)
    for cycle in range(3):
        (work / f"audio-tuning-{cycle + 1}.csv").write_text("round\n1\n")
    expected = embed_mels(model, mels[:4])[1]
    export(model, work, tmp_path / "clap")
    loaded, processor = (
        ClapModel.from_pretrained(tmp_path / "clap").eval(),
        ClapProcessor.from_pretrained(tmp_path / "clap"),
    )
    assert loaded.dtype == torch.float32
    assert processor.feature_extractor.hop_length == 313
    cosine = (embed_mels(loaded, mels[:4])[1] * expected).sum(1)
    assert cosine.min() > 0.999
    noise = np.random.default_rng(0).normal(0, 0.1, 160_000)
    inputs = processor(text=["slow"], audio=[noise], sampling_rate=16_000, padding=True, return_tensors="pt")
    assert inputs["input_features"].shape == (1, 1, 512, 128)
    with torch.inference_mode():
        assert loaded(**inputs).logits_per_audio.isfinite().all()
    config = (tmp_path / "clap" / "config.json").read_text()
    assert json.loads(config)["model_type"] == "clap"
    assert str(folder) not in config  # where the towers were while they were trained
