"""Every notebook runs alone: from the wheel that Colab installs, in an empty folder, without a network.

After it come the solutions of other pages that go on from it, since those pages do not run their code. The pages are
built from the same run; see run_notebooks.py.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from run_notebooks import ROOT, execute, fill, install, key_of, notebooks, offline, run_alone, solutions_after
from small_book import make_book, write_cells, write_page
from source import page_code, page_solutions

NOTEBOOKS = notebooks()
SOLUTIONS = page_solutions(ROOT)
PAGE_CODE = page_code(ROOT)
SOLVED = """# Title

:::{exercise-start}
:label: ex-more
:::
What comes next in [](../notebooks/cells.ipynb)?
:::{exercise-end}
:::

:::{solution-start} ex-more
:class: dropdown
:::
```python
assert answer + 1 > answer
```
:::{solution-end}
:::
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory) -> Path:
    """A folder into which the wheel of the package was installed, and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    install(ROOT, target)
    return target


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
def test_notebook_runs_alone(notebook, executed):
    report = executed[notebook]
    assert report["passed"], f"{report['log'][-6000:]}\n{report['asked']}"
    assert "1 passed" in report["log"]


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
    assert set(solutions_after()) <= set(NOTEBOOKS)
    assert solutions_after()


@pytest.mark.parametrize(
    "code",
    ["raise RuntimeError('broken')", "import urllib.request; urllib.request.urlopen('http://192.0.2.1')"],
    ids=["exception", "network"],
)
def test_broken_notebook_is_found(code, wheel_folder, tmp_path):
    path, folder = tmp_path / "broken.ipynb", tmp_path / "alone"
    folder.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    done = run_alone(path, folder, wheel_folder)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert ("urlopen" in code) == (folder / "network.log").exists()


@pytest.fixture
def small(tmp_path) -> Path:
    """The root of a book with one notebook, a page with a solution that goes on from it, and a tiny package."""
    root = tmp_path / "root"
    make_book(root)
    (root / "musicwords").mkdir()
    (root / "musicwords" / "__init__.py").write_text("ANSWER = 42\n", encoding="utf-8")
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "requirements-nodeps.txt"):
        shutil.copy(ROOT / name, root)
    write_cells(root, "import musicwords\nanswer = musicwords.ANSWER\nprint(answer)")
    write_page(root, SOLVED)
    return root


def test_a_notebook_runs_again_when_something_changed_and_only_then(small, tmp_path):
    (cells,) = notebooks(small)

    def outputs() -> tuple[str, float]:
        (report,) = execute(small, tmp_path / "executed").values()
        assert report["passed"], report["log"]
        kept = tmp_path / "executed" / cells
        codes = [cell for cell in nbformat.read(kept, as_version=4).cells if cell.cell_type == "code"]
        assert len(codes) == 1, "a solution is no cell of the notebook"
        return codes[0].outputs[0].text.strip(), kept.stat().st_mtime_ns

    first, when = outputs()
    assert first == "42"
    assert outputs() == (first, when)
    (small / "musicwords" / "__init__.py").write_text("ANSWER = 43\n", encoding="utf-8")
    second, later = outputs()
    assert second == "43" and later > when
    write_page(small, SOLVED.replace("answer + 1", "answer + 2"))
    assert outputs()[1] > later


def test_a_solution_that_fails_is_found_and_tried_again(small, tmp_path):
    write_page(small, SOLVED.replace("answer + 1", "answer + nothing"))
    for _ in range(2):
        (report,) = execute(small, tmp_path / "executed").values()
        assert not report["passed"]
        assert "name 'nothing' is not defined" in report["log"]


def test_the_book_takes_what_was_executed(small, tmp_path):
    execute(small, tmp_path / "executed")
    fill(tmp_path / "cache", small, tmp_path / "executed")
    (path,) = notebooks(small)
    match = get_cache(tmp_path / "cache").match_cache_notebook(nbformat.read(small / path, as_version=4))
    assert match.data["execution_seconds"] >= 0


def test_text_around_the_code_changes_no_key():
    cells = [nbformat.v4.new_markdown_cell("Text."), nbformat.v4.new_code_cell("1 + 1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    key = key_of(notebook, [], "here")
    cells[0].source = "Other text."
    assert key_of(notebook, [], "here") == key
    assert key_of(notebook, [], "there") != key
    cells[1].source = "1 + 2"
    assert key_of(notebook, [], "here") != key


def test_block_writes_what_was_asked_for(tmp_path):
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=offline(tmp_path / "network.log"), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "192.0.2.1" in (tmp_path / "network.log").read_text()
