"""The PyTorch port of musicnn against the published TensorFlow models, and the limits of what it accepts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from run_notebooks import ROOT
from safetensors.torch import load_file, save_file

from musicwords.musicnn import SAMPLE_RATE, Musicnn, log_mel_patches
from recipes.musicnn.reference import made_up_piece

TAGGERS = ("mtt", "msd")
TOLERANCE = 1e-4  # to TensorFlow; the model cards state the difference that was measured


def folder(name: str) -> Path:
    return ROOT / "musicwords" / "data" / "checkpoints" / f"musicnn-{name}"


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """What TensorFlow computed; made by recipes/musicnn/reference.py."""
    with np.load(ROOT / "tests" / "data" / "musicnn_reference.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def piece() -> np.ndarray:
    """The audio that the reference was computed from."""
    return made_up_piece()


@pytest.fixture(scope="module", params=TAGGERS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name) -> Musicnn:
    return Musicnn.from_pretrained(pretrained_model_name_or_path=folder(name))


@torch.inference_mode()
def tag(model: Musicnn, mel) -> tuple[np.ndarray, np.ndarray]:
    probabilities, embedding = model(torch.as_tensor(mel))
    return probabilities.numpy(), embedding.numpy()


# The published models


def test_same_as_tensorflow(model, name, reference):
    probabilities, embedding = tag(model, reference["mel"])
    assert probabilities.shape == (3, 50)
    assert embedding.shape == (3, 200)
    np.testing.assert_allclose(probabilities, reference[f"{name}_probabilities"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(embedding, reference[f"{name}_embedding"], rtol=0, atol=TOLERANCE)


def test_reference_can_tell_models_apart(reference):
    """The comparison above would be empty on outputs that are constant, tiny or equal for both models."""
    for name in TAGGERS:
        assert reference[f"{name}_probabilities"].max() > 0.4
        assert reference[f"{name}_probabilities"].std(axis=0).max() > 0.1
        assert reference[f"{name}_embedding"].std() > 0.1
    assert np.abs(reference["mtt_embedding"] - reference["msd_embedding"]).max() > 1


def test_same_as_tensorflow_from_audio(model, name, piece, reference):
    probabilities, _ = tag(model, log_mel_patches(piece))
    np.testing.assert_allclose(probabilities, reference[f"{name}_probabilities"], rtol=0, atol=1e-3)


def test_labels(model, name):
    assert len(model.labels) == len(set(model.labels)) == 50
    first_and_last = {"mtt": ("guitar", "choral"), "msd": ("rock", "happy")}
    assert (model.labels[0], model.labels[-1]) == first_and_last[name]


def test_loaded_ready_to_use(model):
    assert not model.training


def test_batch_does_not_matter(model, reference):
    together = tag(model, reference["mel"])
    for i in range(len(reference["mel"])):
        alone = tag(model, reference["mel"][i : i + 1])
        np.testing.assert_allclose(alone[0][0], together[0][i], rtol=0, atol=1e-6)
        np.testing.assert_allclose(alone[1][0], together[1][i], rtol=0, atol=1e-4)


def test_card_states_source_and_licence(name):
    card = (folder(name) / "README.md").read_text(encoding="utf-8")
    assert f"{name.upper()}_musicnn" in card
    assert "Permission to use, copy, modify, and/or distribute this software" in card
    assert "Music Technology Group, Universitat Pompeu Fabra 2019" in card


# Saving and loading


def test_round_trip_keeps_weights_and_outputs(model, reference, tmp_path):
    model.save_pretrained(tmp_path)
    again = Musicnn.from_pretrained(pretrained_model_name_or_path=tmp_path)
    assert again.labels == model.labels
    state, state_again = model.state_dict(), again.state_dict()
    assert state.keys() == state_again.keys()
    assert all(torch.equal(state[key], state_again[key]) for key in state)
    for before, after in zip(tag(model, reference["mel"]), tag(again, reference["mel"]), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-5)


def test_widths_are_saved(tmp_path):
    torch.manual_seed(0)
    small = Musicnn(["a", "b"], timbral_filters=4, temporal_filters=2, mid_filters=3, dense_units=5)
    small.save_pretrained(tmp_path)
    again = Musicnn.from_pretrained(pretrained_model_name_or_path=tmp_path)
    assert again.labels == ["a", "b"]
    probabilities, embedding = tag(again, torch.zeros(1, 187, 96))
    assert probabilities.shape == (1, 2)
    assert embedding.shape == (1, 5)


def test_missing_tensor_is_refused(tmp_path):
    (tmp_path / "config.json").write_bytes((folder("mtt") / "config.json").read_bytes())
    tensors = load_file(folder("mtt") / "model.safetensors")
    del tensors["back_end.output.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"back_end\.output\.bias"):
        Musicnn.from_pretrained(pretrained_model_name_or_path=tmp_path)


def test_loading_prints_nothing(capsys):
    Musicnn.from_pretrained(pretrained_model_name_or_path=folder("mtt"))
    assert capsys.readouterr().out == ""


# The input


def test_log_mel_same_as_reference(piece, reference):
    patches = log_mel_patches(piece)
    assert patches.shape == (3, 187, 96)
    assert patches.dtype == torch.float32
    assert reference["mel"].max() > 5  # not silence
    np.testing.assert_allclose(patches.numpy(), reference["mel"], rtol=0, atol=1e-3)


def test_loud_audio_stays_finite(model):
    """10,000 times the power of a full-scale tone overflows float16, which the published code uses."""
    loud = np.sin(2 * np.pi * 100 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    patches = log_mel_patches(loud)
    assert patches.max() > np.log10(float(np.finfo(np.float16).max))
    probabilities, embedding = tag(model, patches)
    assert np.isfinite(probabilities).all()
    assert np.isfinite(embedding).all()


def test_number_of_patches(piece):
    assert len(log_mel_patches(piece[: 3 * SAMPLE_RATE])) == 1
    apart, overlapping = log_mel_patches(piece), log_mel_patches(piece, hop=1.0)
    assert (len(apart), len(overlapping)) == (3, 7)  # 563 mel frames; a hop of 1 s is 62 of them
    torch.testing.assert_close(overlapping[0], apart[0])
    torch.testing.assert_close(overlapping[1, :125], overlapping[0, 62:])


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(0), r"0 samples.*at least 3 s: take a longer clip"),
        (np.zeros(3 * SAMPLE_RATE - 1), r"47999 samples.*at least 3 s: take a longer clip"),
        (np.zeros((2, 4 * SAMPLE_RATE)), r"shape \(2, 64000\).*average the channels"),
        (np.full(4 * SAMPLE_RATE, np.nan), r"64000 samples that are NaN or infinite"),
        (np.r_[np.inf, np.zeros(4 * SAMPLE_RATE)], r"1 samples that are NaN or infinite"),
    ],
    ids=["empty", "short", "stereo", "nan", "infinite"],
)
def test_bad_audio(audio, message):
    with pytest.raises(ValueError, match=message):
        log_mel_patches(audio.astype(np.float32))


@pytest.mark.parametrize("hop", [0, -1.0, 0.001])
def test_bad_hop(hop, piece):
    with pytest.raises(ValueError, match=rf"hop of {hop} s.*at least one mel frame"):
        log_mel_patches(piece, hop=hop)


@pytest.mark.parametrize("shape", [(187, 96), (1, 96, 187), (1, 1, 187, 96)])
def test_bad_patches(model, shape):
    with pytest.raises(ValueError, match=r"expects \(batch, frames, 96\)"):
        model(torch.zeros(shape))


# The layers


def test_front_end_shapes(model, reference):
    mel = torch.from_numpy(reference["mel"])
    kernels = [tuple(filters.conv.weight.shape) for filters in (*model.front_end.timbral, *model.front_end.temporal)]
    assert kernels == [
        (204, 1, 7, 38),
        (204, 1, 7, 67),
        (51, 1, 128, 1),
        (51, 1, 64, 1),
        (51, 1, 32, 1),
    ]
    with torch.inference_mode():
        features = model.front_end(mel)
        assert features.shape == (3, 561, 187)
        assert model.mid_end(features).shape == (3, 753, 187)
