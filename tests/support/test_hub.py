"""A published checkpoint is downloaded once and whole; what goes wrong is said soon and shortly, and can be mended."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub.layouts import make
from hub.stand_in import Faults, stand_in
from huggingface_hub import constants

from musicwords import checkpoint, checkpoints
from musicwords import hub as downloads

CLAP = checkpoints.REGISTRY["clap"]["full"]
REPOSITORY, WEIGHTS = CLAP["repository"], "pytorch_model.bin"
LONGEST = 10  # seconds until a failure is said


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("repositories"), "clap")


@pytest.fixture
def hub(repositories, tmp_path, monkeypatch):
    """A hub that has the CLAP, an empty cache, and the full tier; the weights may be any."""
    monkeypatch.setenv("MUSICWORDS_TIER", "full")
    monkeypatch.setitem(checkpoints.REGISTRY["clap"], "full", {**CLAP, "sha256": {}})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with stand_in(repositories, {REPOSITORY: CLAP["revision"]}) as made:
        point_to(made.address, monkeypatch)
        yield made


def point_to(address: str, monkeypatch) -> None:
    """Do what HF_ENDPOINT does when huggingface_hub is imported."""
    template = address + constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def failure(kind: type, *parts: str) -> None:
    """Ask for the CLAP, and check that the refusal comes soon, is short, and says what is wanted."""
    begin = time.monotonic()
    with pytest.raises(kind) as raised:
        checkpoint("clap")
    assert time.monotonic() - begin < LONGEST
    said = str(raised.value)
    assert len(said.splitlines()) <= 3 and "MUSICWORDS_TIER" in said and "'clap'" in said and REPOSITORY in said
    for part in parts:
        assert part in said


def test_a_checkpoint_is_downloaded_once(hub, repositories):
    folder = Path(*checkpoint("clap").values())
    assert {path.name for path in folder.iterdir()} == set(CLAP["files"])
    assert (folder / WEIGHTS).read_bytes() == (repositories / REPOSITORY / WEIGHTS).read_bytes()
    asked = len(hub.asked)
    assert checkpoint("clap") == {"pretrained_model_name_or_path": str(folder)}
    assert len(hub.asked) == asked


def test_what_no_library_loads_stays_on_the_hub(hub):
    checkpoint("clap")
    assert not hub.downloads("README.md")


def test_the_cache_needs_no_network(hub, monkeypatch):
    folder = checkpoint("clap")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    point_to("http://127.0.0.1:9", monkeypatch)
    assert checkpoint("clap") == folder


def test_offline_with_an_empty_cache(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    failure(FileNotFoundError, "HF_HUB_OFFLINE", "make fetch-full")
    assert not hub.asked


def test_a_host_that_does_not_exist(hub, monkeypatch):
    point_to("http://hub.invalid", monkeypatch)
    failure(ConnectionError, "http://hub.invalid", "HF_ENDPOINT")


def test_a_closed_port(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    point_to(address, monkeypatch)
    failure(ConnectionError, address, "HF_ENDPOINT")


def test_a_silent_server(hub, monkeypatch):
    monkeypatch.setattr(downloads, "SECONDS", 1)
    hub.faults["*"] = Faults(silent=30)
    failure(ConnectionError, hub.address, "Timeout")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub(hub, status):
    hub.faults[REPOSITORY] = Faults(status=status)
    failure(ConnectionError, f"status {status}", "HF_ENDPOINT")


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository(hub, status):
    hub.faults[REPOSITORY] = Faults(gated=status)
    failure(PermissionError, "gated", f"{hub.address}/{REPOSITORY}", "/settings/tokens", "HF_TOKEN")


def test_a_revision_that_is_gone(hub):
    hub.faults[REPOSITORY] = Faults(no_revision=True)
    failure(FileNotFoundError, CLAP["revision"], "no such thing")


def test_a_repository_that_is_gone(hub, monkeypatch):
    monkeypatch.setattr(hub, "folder", hub.folder / "empty")
    failure(FileNotFoundError, "no such thing")


def test_a_file_that_was_renamed(hub):
    hub.faults[REPOSITORY] = Faults(missing=("vocab.json",))
    failure(FileNotFoundError, "no file vocab.json")


def test_a_cut_download_goes_on(hub, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.faults[REPOSITORY] = Faults(cut=WEIGHTS, cut_after=1_000_000, cuts=1)
    folder = Path(*checkpoint("clap").values())
    assert (folder / WEIGHTS).stat().st_size > 1_000_000
    assert 206 in {status for status, method, _ in hub.asked if method == "GET"}


def test_a_second_try_succeeds(hub, repositories):
    hub.faults[REPOSITORY] = Faults(cut=WEIGHTS, cut_after=10)
    with pytest.raises(ConnectionError, match="Run the cell again"):
        checkpoint("clap")
    assert downloads.cached(REPOSITORY, CLAP["revision"], CLAP["files"]) is None
    hub.faults.clear()
    folder = Path(*checkpoint("clap").values())
    assert (folder / WEIGHTS).read_bytes() == (repositories / REPOSITORY / WEIGHTS).read_bytes()


def test_a_pickle_that_is_not_the_registered_one_is_not_loaded(hub, monkeypatch):
    monkeypatch.setitem(checkpoints.REGISTRY["clap"], "full", CLAP)
    with pytest.raises(ValueError, match=r"pytorch_model\.bin has sha256"):
        checkpoint("clap")


def test_every_pickle_of_the_full_tier_has_a_registered_hash():
    for entry in checkpoints.REGISTRY.values():
        full = entry.get("full", {})
        pickles = {name for name in full.get("files", ()) if name.endswith((".bin", ".pt", ".ckpt"))}
        assert pickles <= full.get("sha256", {}).keys()


def test_a_full_disk_is_seen_before_the_download(hub, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1e8))
    failure(OSError, "0.1 GB are free", "HF_HOME")
    assert not hub.asked


def test_a_full_memory_is_seen_before_the_download(hub, monkeypatch):
    monkeypatch.setitem(checkpoints.REGISTRY["clap"], "full", {**CLAP, "gigabytes": 1e6})
    failure(MemoryError, "of memory are free", "Colab")
    assert not hub.asked
