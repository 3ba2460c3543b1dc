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


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    """A work folder with a text tower, distilled for a moment on captions and on definitions made up here."""
    from recipes.clap import text_tower

    work = tmp_path_factory.mktemp("clap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_tower, "HELD_OUT", 10)
        patch.setattr(text_tower, "EPOCHS", 1)
        patch.setattr(text_tower, "BATCH", 16)
        patch.setattr(text_tower, "definitions", lambda: [f"word {n}: a thing with {n} legs" for n in range(60)])
        text_tower.distill(records[:48], records[48:], work)
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


def test_text_tower_spells_any_english_word_and_begins_as_minilm(folder):
    from recipes.clap.text_tower import encode, load

    tower, tokenizer = load(folder / "text-tower")
    assert tokenizer.unk_token_id not in tokenizer("A quixotic Xylophone, 145 BPM!")["input_ids"]
    texts = ["slow", "a much longer text about a fast piece for violin"]
    torch.testing.assert_close(
        encode(tower, tokenizer, texts)[:1], encode(tower, tokenizer, texts[:1]), atol=1e-5, rtol=0
    )


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


def test_the_exported_folder_is_what_was_trained(trainer, records, mels, folder, tmp_path, monkeypatch):
    """Up to the rounding to half precision, through the processor and transformers' own calls."""
    from transformers import ClapModel, ClapProcessor

    from recipes.clap import alignment
    from recipes.clap.alignment import align, assembled
    from recipes.clap.audio_tower import embed_mels
    from recipes.clap.export import export
    from recipes.clap.text_tower import load

    monkeypatch.setattr(alignment, "EPOCHS", 20)
    monkeypatch.setattr(alignment, "BATCH", 16)
    work = tmp_path / "exported"
    training = trainer("exported")
    model = assembled(training.run(), load(folder / "text-tower")[0])
    (work / "text-tower").symlink_to(folder / "text-tower")
    align(model, records[:48], mels[:48], records[48:], mels[48:], work)
    scores = (work / "alignment.csv").read_text().splitlines()
    assert float(scores[-1].split(",")[1]) < float(scores[1].split(",")[1])  # the loss
    shutil.copy(folder / "text-tower.csv", work)
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
