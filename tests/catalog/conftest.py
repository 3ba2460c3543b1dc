"""What the tests of the catalog share: music, embedded collections, models."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from catalog_runs import CountingEmbedder, work_here, write_tone
from run_notebooks import ROOT

import musicwords.catalog.embedder
from musicwords.catalog import search_command
from musicwords.catalog.__main__ import main


@pytest.fixture
def music(tmp_path) -> Path:
    """A folder with ten short files."""
    for number in range(10):
        write_tone(tmp_path / "music" / f"{number}.wav", frequency=100 * (number + 1))
    return tmp_path / "music"


@pytest.fixture
def embedder(monkeypatch) -> CountingEmbedder:
    """Let the commands of this test run in this process and without a CLAP."""
    heard = CountingEmbedder()
    work_here(monkeypatch, heard)
    return heard


@pytest.fixture(scope="module")
def clap():
    return musicwords.catalog.embedder.Embedder(ROOT / "musicwords" / "data" / "checkpoints" / "clap")


@pytest.fixture(scope="module")
def collection(tmp_path_factory, clap) -> Path:
    """A table of a few clips of the book, one of them in the middle of a long file, with metadata."""
    folder = tmp_path_factory.mktemp("collection")
    names = ["quartet-adagio", "ambient", "techno", "bossa-nova"]
    clips = {name: ROOT / "musicwords" / "data" / "clips" / f"{name}.ogg" for name in names}
    missing = [name for name, path in clips.items() if not path.exists()]
    assert not missing, f"{missing} of {sorted(path.name for path in clips['ambient'].parent.iterdir())}"
    (folder / "music").mkdir()
    for path in clips.values():
        shutil.copy(path, folder / "music")
    parts = [soundfile.read(clips[name])[0] for name in ("ambient", "techno", "ambient")]
    soundfile.write(folder / "music" / "长 long.flac", np.concatenate(parts), 32_000)
    (folder / "about.csv").write_text(
        "path,genre,Year made\nambient.ogg,electronic,1999\ntechno.ogg,electronic,\n"
        "长 long.flac,mixed,2020\ngone.mp3,jazz,2000\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        work_here(patch, clap)
        arguments = [folder / "music", "--output", folder / "table", "--metadata", folder / "about.csv"]
        assert main(["embed", *map(str, arguments), "--save-every", "0"]) == 0
    return folder


@pytest.fixture
def loaded(monkeypatch, clap):
    """Let searches use the CLAP that is loaded already."""
    monkeypatch.setattr(search_command, "Embedder", lambda folder: clap)
