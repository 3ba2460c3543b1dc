"""The recipe of the diffusion pipeline on a few made-up clips: training that can be interrupted, export, card."""

import csv
from random import Random

import numpy as np
import pytest
import torch
from resumed import RESUMED, same_curve
from transformers import BertConfig, BertModel, BertTokenizer

from musicwords.codec import SpectralCodec, SpectralCodecConfig

for module in ("music21", "tinysoundfont"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")


FRAMES, CHANNELS = 250, 64


def clips(split: str, count: int) -> tuple[list[dict], np.ndarray]:
    """Records, and latents that say how fast a clip is, as the codec would give them: mean 3, deviation 2 or so."""
    rng, found = Random(split), []
    latents = np.random.default_rng(len(split)).normal(3, 2, (count, FRAMES, CHANNELS))
    for clip in range(count):
        fast, lead = rng.random() < 0.5, rng.choice(["piano", "violin"])
        latents[clip] = 0.3 * (latents[clip] - 3) + (5 if fast else 1)
        attributes = {"instruments": [lead], "families": [{"piano": "keyboard", "violin": "strings"}[lead]],
                      "percussion": False, "tempo_bpm": 150.0 if fast else 60.0,
                      "tempo_class": "fast" if fast else "slow", "mode": None}  # fmt: skip
        found.append({"id": f"{split}-{clip}", "work": f"{split}-{clip}", "split": split, "attributes": attributes})
    return found, latents.astype(np.float16)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders of a small random codec and of a small random prompt encoder."""
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    SpectralCodec(
        SpectralCodecConfig(width=8, encoder_blocks=1, decoder_blocks=1, latents_mean=[3.0] * CHANNELS,
                            latents_std=[2.0] * CHANNELS)
    ).save_pretrained(folder / "codec")  # fmt: skip
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *map(chr, range(33, 127)), *(f"##{chr(n)}" for n in range(33, 127))]
    BertModel(
        BertConfig(vocab_size=len(pieces), hidden_size=24, num_hidden_layers=1, num_attention_heads=2,
                   intermediate_size=24, max_position_embeddings=64)
    ).save_pretrained(folder / "prompt_encoder")  # fmt: skip
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=64)
    tokenizer.save_pretrained(folder / "prompt_encoder")
    return folder / "codec", folder / "prompt_encoder"


@pytest.fixture
def trainer(parts, monkeypatch, tmp_path):
    """Makes small trainers that keep their state apart."""
    from recipes.diffusion import model, training

    for module, small in (
        (model, {"LAYERS": 1, "WIDTH": 32, "HEADS": 2, "LEVEL_WIDTH": 16}),
        (training, {"EPOCHS": 3, "BATCH": 8, "CHECKED": 16, "DECAY": 0.5}),
    ):
        for name, value in small.items():
            monkeypatch.setattr(module, name, value)
    train, validation = clips("train", 48), clips("validation", 20)

    def make(name: str):
        (tmp_path / name).mkdir(exist_ok=True)
        return training.Trainer(tmp_path / name, model.new_pipeline(*parts), *train, *validation)

    return make


def test_an_interrupted_training_goes_on_to_the_same_weights(trainer, tmp_path):
    whole = trainer("at once")
    pipeline = whole.run()
    trainer("in parts").run(rounds=1)
    assert len((tmp_path / "in parts" / "curve.csv").read_text().splitlines()) == 2
    resumed = trainer("in parts")
    again = resumed.run()
    weights, expected = again.transformer.state_dict(), pipeline.transformer.state_dict()
    torch.testing.assert_close(weights, expected, rtol=RESUMED, atol=RESUMED)
    assert same_curve(resumed.curve, whole.curve)
    assert whole.curve[-1]["validation"] < whole.curve[0]["validation"] < 1.5
    assert not pipeline.transformer.training


def test_the_best_average_is_what_training_returns(trainer, monkeypatch):
    one = trainer("best")
    weights = []

    def check():
        weights.append(one.with_average(lambda: {k: v.clone() for k, v in one.transformer.state_dict().items()}))
        return {"validation": [0.9, 0.5, 0.7][len(weights) - 1], "validation_unprompted": 1.0}

    monkeypatch.setattr(one, "check", check)
    found = one.run().transformer.state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights[1].items())


def test_a_new_denoiser_changes_nothing_between_its_projections(trainer):
    transformer = trainer("new").transformer
    tokens = torch.randn(2, 2 * CHANNELS, 125, generator=torch.Generator().manual_seed(0))
    text = torch.ones(2, 64, 24)
    with torch.inference_mode():
        found = transformer(
            tokens,
            torch.tensor([0.1, 0.9]),
            encoder_hidden_states=text,
            global_hidden_states=text[:, :1],
            return_dict=False,
        )[0]
        plain = transformer.proj_out(transformer.proj_in(tokens.transpose(1, 2))).transpose(1, 2)
    torch.testing.assert_close(found, plain)


def test_half_precision_is_near_full_precision_in_each_layer(trainer):
    """Some layers are silently wrong in bfloat16 on some processors; none of these may be."""
    from recipes.diffusion import model

    transformer = model.new_transformer(2 * CHANNELS, 125, 24)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in transformer.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05, generator=generator)
    outputs = []
    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.LayerNorm)
    layers = [module for module in transformer.modules() if isinstance(module, kinds)]
    for layer in layers:
        layer.register_forward_hook(lambda layer, given, found: outputs.append(found.float().flatten()))
    text = torch.randn(2, 64, 24, generator=generator)
    inputs = torch.randn(2, 2 * CHANNELS, 125, generator=generator), torch.tensor([0.1, 0.9])
    with torch.inference_mode():
        for enabled in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                transformer(*inputs, encoder_hidden_states=text, global_hidden_states=text[:, :1])
    assert len(outputs) == 2 * len(layers)
    for full, half in zip(outputs[: len(layers)], outputs[len(layers) :], strict=True):
        assert torch.cosine_similarity(full, half, dim=0) > 0.999


def test_the_schedule_ends_in_pure_noise(trainer):
    from recipes.diffusion.model import new_scheduler

    alphas = new_scheduler().alphas_cumprod
    assert alphas[-1] == 0 and alphas[0] > 0.999
    one = trainer("schedule")
    texts, latents = ["", ""], one.latents[:2]
    with torch.inference_mode():
        error = one.loss(texts, latents, torch.tensor([0.0, 1.0]), torch.Generator().manual_seed(0))
    assert error.shape == (2,) and error.isfinite().all()


def test_the_exported_folder_is_what_was_trained(trainer, tmp_path):
    from musicwords.diffusion import TextToMusicPipeline
    from recipes.diffusion.card import write_card
    from recipes.diffusion.export import export
    from recipes.diffusion.generate import generate

    pipeline = trainer("exported").run()
    pipeline.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": 2, "output_type": "latent"}
    before = pipeline("fast piano", generator=torch.Generator().manual_seed(0), **settings).audios
    folder = tmp_path / "diffusion"
    export(pipeline, {"curve.csv": tmp_path / "exported" / "curve.csv"}, folder)

    loaded = TextToMusicPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    for part in (loaded.transformer, loaded.codec, loaded.text_encoder):
        assert {one.dtype for one in part.parameters()} == {torch.float32}
    after = loaded("fast piano", generator=torch.Generator().manual_seed(0), **settings).audios
    torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in files)
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt", ".csv"}
    for path in folder.rglob("*.json"):  # none says where a part was read from
        assert str(tmp_path.parent) not in path.read_text(encoding="utf-8"), path

    assert "Not measured yet" in write_card(folder)
    card = write_card(folder, "| family | 0.5 |\n")
    with (folder / "curve.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert f"| {float(last['validation']):.3f} |" in card
    assert "| family | 0.5 |" in card and "Not measured yet" not in card and "$" not in card

    audio = generate(folder, ["fast piano", "", "slow violin"], seed=0, num_inference_steps=1)
    assert audio.shape == (3, 160_000) and audio.dtype == np.float32 and np.isfinite(audio).all()
    alone = generate(folder, ["fast piano"], seed=0, num_inference_steps=1)
    np.testing.assert_allclose(alone[0], audio[0], atol=1e-4)
    assert not np.allclose(generate(folder, ["fast piano"], seed=1, num_inference_steps=1), alone)
