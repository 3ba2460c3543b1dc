"""Every notebook runs alone: from the wheel that Colab installs, in an empty folder, without a network.

After it come the solutions of other pages that go on from it, since those pages do not run their code.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, offline
from source import page_code, page_solutions

NOTEBOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "notebooks").rglob("*.ipynb"))
SOLUTIONS = page_solutions(ROOT)
PAGE_CODE = page_code(ROOT)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory) -> Path:
    """A folder into which the wheel of the package was installed, and nothing else."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "musicwords", source / "musicwords", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, source]
    subprocess.run(list(map(str, command)), check=True)
    return target


def run_alone(notebook: Path, folder: Path, wheel_folder: Path) -> subprocess.CompletedProcess:
    """Run a notebook with nbmake in ``folder``, which the repository is not part of, and the solutions after it."""
    copied = folder / notebook.name
    content = nbformat.read(notebook, as_version=4)
    content.cells += [nbformat.v4.new_code_cell(code) for _, of, code in SOLUTIONS if of == notebook]
    nbformat.write(content, copied)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--nbmake",
        "--nbmake-timeout=180",
        copied,
    ]
    environment = offline(folder / "network.log", wheel_folder)
    return subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)


def test_wheel_is_what_is_imported(wheel_folder, tmp_path):
    code = "import musicwords.clips as c; print(c.__file__); print(len(c.load_clips()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=offline(tmp_path / "network.log", wheel_folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    file, number = done.stdout.split("\n")[:2]
    assert Path(file).is_relative_to(wheel_folder)
    assert int(number) >= 24


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_alone(notebook, wheel_folder, tmp_path):
    done = run_alone(ROOT / notebook, tmp_path, wheel_folder)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "1 passed" in done.stdout
    log = tmp_path / "network.log"
    assert not log.exists(), f"{notebook} asked for {log.read_text()}"


@pytest.mark.parametrize(
    ("page", "code"),
    [(page, code) for page, of, code in SOLUTIONS if of is None],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_solution_of_a_page_runs(page, code, tmp_path):
    environment = offline(tmp_path / "network.log")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{page}: {done.stderr}"


@pytest.mark.parametrize("page", PAGE_CODE, ids=lambda page: page.stem)
def test_code_of_a_page_runs(page, tmp_path):
    environment = offline(tmp_path / "network.log")
    command = [sys.executable, "-c", PAGE_CODE[page]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{page}: {done.stderr}"


def test_solutions_know_their_notebooks():
    assert {of for _, of, _ in SOLUTIONS if of} <= {ROOT / notebook for notebook in NOTEBOOKS}
    assert any(of for _, of, _ in SOLUTIONS)


@pytest.mark.parametrize(
    "code",
    ["raise RuntimeError('broken')", "import urllib.request; urllib.request.urlopen('http://192.0.2.1')"],
    ids=["exception", "network"],
)
def test_broken_notebook_is_found(code, wheel_folder, tmp_path):
    path = tmp_path / "broken" / "broken.ipynb"
    path.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    done = run_alone(path, tmp_path, wheel_folder)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert ("urlopen" in code) == (tmp_path / "network.log").exists()


def test_block_writes_what_was_asked_for(tmp_path):
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=offline(tmp_path / "network.log"), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "192.0.2.1" in (tmp_path / "network.log").read_text()
