"""The recipes of the prompt encoder and of MusicGen on a few made-up clips: training, interruption, export."""

import shutil
from random import Random

import numpy as np
import pytest
import torch
from resumed import interrupt, same_curve
from run_notebooks import ROOT

import musicwords.codec

CLIPS, FRAMES = 24, 20
INSTRUMENTS = {"violin": "strings", "piano": "keyboard", "flute": "woodwind", "choir": "voice"}


@pytest.fixture(scope="module")
def records():
    rng, found = Random(0), []
    for index in range(CLIPS):
        name, tempo = rng.choice(list(INSTRUMENTS)), rng.choice(["slow", "fast"])
        attributes = {"instruments": [name], "families": [INSTRUMENTS[name]], "percussion": False, "tempo_class": tempo}
        found.append({"id": f"train-{index:05d}", "split": "train", "work": str(index), "attributes": attributes})
    return found


@pytest.fixture(scope="module")
def codes(records):
    """Codes that say which instrument plays."""
    rng = np.random.default_rng(0)
    codes = rng.integers(512, size=(CLIPS, 8, FRAMES)).astype(np.int16)
    for row, record in enumerate(records):
        codes[row, 0] = list(INSTRUMENTS).index(record["attributes"]["instruments"][0])
    return codes


@pytest.fixture(scope="module")
def parts(records, tmp_path_factory):
    """Folders of a codec with random codebooks and of a prompt encoder that was trained for a moment."""
    from recipes.prompt_encoder import training

    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    codec = musicwords.codec.SpectralCodec(musicwords.codec.SpectralCodecConfig(width=16))
    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_()
    codec.save_pretrained(folder / "codec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "chosen_definitions", lambda: ([f"word {n}: a thing" for n in range(20)], ["a: b"] * 4))
        for name, value in (("ROUNDS", 2), ("STEPS", 2), ("BATCH", 16)):
            patch.setattr(training, name, value)
        training.PromptEncoder(records[:20], ROOT / "musicwords/data/checkpoints/clap", folder).run()
    return folder / "codec", folder / "checkpoint"


@pytest.fixture
def trainer(parts, records, codes, tmp_path, monkeypatch):
    """Make a new trainer for the same run."""
    from transformers import BertTokenizer

    from recipes.musicgen import training
    from recipes.musicgen.model import new_model

    for name, value in {"EPOCHS": 2, "AGAIN": 1, "BATCH": 8, "EVERY": 2}.items():
        monkeypatch.setattr(training, name, value)

    def make(folder=tmp_path, epochs=2):
        monkeypatch.setattr(training, "EPOCHS", epochs)
        tokenizer = BertTokenizer.from_pretrained(parts[1])
        return training.Trainer(folder, new_model(*parts), tokenizer, records, codes, records[:8], codes[:8])

    return make


def test_delay_is_that_of_the_library(parts):
    from recipes.musicgen.delay import delayed
    from recipes.musicgen.model import new_model

    codes = torch.arange(2 * 8 * 12).reshape(2, 8, 12)
    decoder = new_model(*parts).decoder
    begun = torch.cat([torch.full((2, 8, 1), 999), codes], dim=2).flatten(0, 1)
    _, pattern = decoder.build_delay_pattern_mask(begun, pad_token_id=999, max_length=20)
    assert torch.equal(delayed(codes, 999), pattern.view(2, 8, 20))


def test_no_step_sees_what_comes_later(trainer, codes):
    """In the very path of training: a token that is exchanged changes the losses of later steps only."""
    from torch.nn import functional as F

    run, seen = trainer(), []
    run.model.decoder.eval()
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(F, "cross_entropy", lambda logits, *_, **__: seen.append(logits) or logits.mean())
        for last in (0, 1):
            changed = codes[:1].copy()
            changed[:, :, 12:] = last
            run.losses(["a piano"], changed, torch.tensor([True]))
    before, after = (torch.stack(seen[at : at + 8]) for at in (0, 8))  # (codebooks, steps, entries)
    moved = (before != after).any(dim=2).any(dim=0)
    assert moved.nonzero()[0].item() == 13  # frame 12 of the first codebook stands at step 13
    assert moved[13:].any()


def test_tokens_begin_as_their_sound(parts):
    from recipes.musicgen.model import new_model

    model = new_model(*parts)
    entries = model.audio_encoder.quantizer.layers[3].codebook.embed
    weights = model.decoder.model.decoder.embed_tokens[3].weight[:512]
    assert torch.allclose(
        torch.pdist(weights) / torch.pdist(entries), torch.pdist(weights)[:1] / torch.pdist(entries)[:1]
    )


def test_loss_starts_at_chance_and_falls(trainer):
    run = trainer(epochs=5)
    before = run.check()["validation"]
    run.run()
    assert before == pytest.approx(np.log(512), abs=0.5)
    assert min(row["validation_first"] for row in run.curve) < before - 1


def test_interrupted_training_goes_on_as_if_it_had_not_been(trainer, tmp_path):
    whole = trainer(tmp_path / "a")
    whole.folder.mkdir()
    whole.run()
    first = trainer(tmp_path / "b")
    first.folder.mkdir()
    interrupt(first, 1)
    again = trainer(tmp_path / "b")
    again.run()
    assert same_curve(again.curve, whole.curve)


def test_export_loads_and_generates_what_the_trained_model_does(trainer, parts, tmp_path):
    from transformers import AutoProcessor, MusicgenForConditionalGeneration

    from recipes.musicgen.export import export
    from recipes.musicgen.generate import generate

    run = trainer()
    model = run.run()
    folder = tmp_path / "export"
    export(model, parts[1], {"curve.csv": run.folder / "curve.csv"}, folder)
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "curve.csv"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    loaded, report = MusicgenForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values())
    assert loaded.generation_config.max_new_tokens == 257
    processor = AutoProcessor.from_pretrained(folder)
    assert processor.tokenizer.model_max_length == 64
    assert processor.feature_extractor.sampling_rate == 16_000

    prompts = ["a slow piano", "", "fast violin music"]
    audio = generate(folder, prompts, seed=0, max_new_tokens=17)
    assert audio.shape == (3, 10 * 640)
    assert np.isfinite(audio).all()
    assert np.allclose(audio, generate(folder, prompts, seed=0, max_new_tokens=17), atol=1e-5)
    assert not np.allclose(audio, generate(folder, prompts, seed=1, max_new_tokens=17), atol=1e-5)
    other = shutil.copytree(folder, tmp_path / "again")
    loaded.save_pretrained(other)
    assert np.allclose(audio, generate(other, prompts, seed=0, max_new_tokens=17), atol=1e-5)
