"""Execute every notebook once, for the tests and for the book: ``python tests/run_notebooks.py``.

Each runs alone, as after an installation from the repository: from a wheel, in an empty folder, without a network,
two at a time with one thread each. The solutions of pages that go on from a notebook
run after it. What came out is kept in ``_build/executed`` and put into the cache that the book is built from. A
notebook runs again when its code, a solution, the package or the requirements have changed, and never in vain.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Lock

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from source import page_solutions

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "_build"
COMPILED = "numba"  # folder of what Numba compiled, most of it librosa's
LONGEST_CELL = 600  # seconds before a cell counts as stuck
FIRST_DATE = {"SOURCE_DATE_EPOCH": "315532800"}  # in figures, so that two runs give the same files
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def offline(log: Path, *python_path: Path) -> dict[str, str]:
    """Return an environment in which Python cannot reach the network, and writes each attempt to ``log``."""
    folders = [ROOT / "tests" / "no_network", *python_path]
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "NETWORK_LOG": str(log),
        "MUSICWORDS_TIER": "mini",
    }
    return os.environ | variables


def notebooks(root: Path = ROOT) -> list[Path]:
    """Return the notebooks of a book, relative to its root."""
    found = (root / "notebooks").rglob("*.ipynb")
    return sorted(path.relative_to(root) for path in found if ".ipynb_checkpoints" not in path.parts)


def solutions_after(root: Path = ROOT) -> dict[Path, list[str]]:
    """Return the code of solutions on pages, by the notebook in whose state it is to be run."""
    found = {}
    for _, notebook, code in page_solutions(root):
        if notebook is not None:
            found.setdefault(notebook.relative_to(root.resolve()), []).append(code)
    return found


def install(source: Path, target: Path) -> None:
    """Install the package of ``source``, and nothing else, into the folder ``target``, through a wheel."""
    with tempfile.TemporaryDirectory() as folder:  # a build leaves files beside what it builds
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(source / name, folder)
        shutil.copytree(
            source / "musicwords", Path(folder) / "musicwords", ignore=shutil.ignore_patterns("__pycache__")
        )
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), folder]
        subprocess.run(command, check=True)


def surroundings(root: Path, tier: str) -> str:
    """Return a hash of all but the notebook that its outputs depend on."""
    state = hashlib.sha256(f"{sys.version} {tier}".encode())
    files = [root / "requirements.txt", root / "requirements-nodeps.txt"]
    files += sorted(path for path in (root / "musicwords").rglob("*") if path.is_file())
    for path in files:
        if "__pycache__" not in path.parts:
            state.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def key_of(notebook: nbformat.NotebookNode, solutions: list[str], around: str) -> str:
    """Return what has to be the same for the outputs of a notebook to be those of today."""
    codes = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps([codes, solutions, around]).encode()).hexdigest()


def run_alone(
    notebook: Path,
    folder: Path,
    package: Path,
    solutions: list[str] = (),
    variables: dict[str, str] | None = None,
    before: list[str] = (),
) -> subprocess.CompletedProcess:
    """Run a notebook in ``folder`` with nbmake, and leave its outputs there.

    Parameters
    ----------
    notebook : file to run a copy of
    folder : existing, no part of the repository, empty but for what Numba compiled before
    package : folder into which ``install`` installed
    solutions : code to run after it
    variables : of the environment, in place of those for the mini tier without a network
    before : code to run before it
    """
    content = nbformat.read(notebook, as_version=4)
    content.cells = [nbformat.v4.new_code_cell(code) for code in before] + content.cells
    content.cells += [nbformat.v4.new_code_cell(code) for code in solutions]
    nbformat.write(content, folder / notebook.name)
    options = ["-q", "-p", "no:cacheprovider", "--nbmake", "--overwrite", f"--nbmake-timeout={LONGEST_CELL}"]
    environment = offline(folder / "network.log", package) | ONE_THREAD | FIRST_DATE
    environment |= {"NUMBA_CACHE_DIR": str(folder / COMPILED)} | (variables or {})
    command = [sys.executable, "-m", "pytest", *options, notebook.name]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def seconds_of(cells: list[nbformat.NotebookNode]) -> float:
    """Return how long cells ran, as nbmake noted it."""
    total = 0.0
    for cell in cells:
        times = cell.metadata.get("execution", {})
        if {"iopub.execute_input", "shell.execute_reply"} <= times.keys():
            begin, end = (
                datetime.fromisoformat(times[name]) for name in ("iopub.execute_input", "shell.execute_reply")
            )
            total += (end - begin).total_seconds()
    return total


def with_outputs(notebook: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return ``notebook`` with the outputs of ``executed``, whose first cells are the same."""
    for cell, done in zip(notebook.cells, executed.cells, strict=False):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
    return notebook


def execute(root: Path = ROOT, output: Path = BUILD / "executed", jobs: int = 2) -> dict[Path, dict]:
    """Execute what has changed, keep what came out, and return a report for each notebook.

    Parameters
    ----------
    root : of the book
    output : folder of reports and executed notebooks
    jobs : how many at a time; each may take 2 GB of memory

    Returns
    -------
    dict from the path of a notebook, relative to ``root``, to its report:
        ``key``, ``passed``, ``log`` (what nbmake printed), ``asked`` (hosts that were asked for), ``seconds``.
    """
    tier = os.environ.get("MUSICWORDS_TIER", "mini")
    around, solutions = surroundings(root, tier), solutions_after(root)
    reports, todo = {}, []
    for path in notebooks(root):
        key = key_of(nbformat.read(root / path, as_version=4), solutions.get(path, []), around)
        kept = (output / path).with_suffix(".json")
        report = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        reports[path] = report if report.get("key") == key and report["passed"] else {"key": key}
        todo += [path] if reports[path] is not report else []
    if not todo:
        return reports
    # What Numba compiled for one notebook serves the next. Each has a copy: two that write into one spoil it.
    compiled, copying = output.parent / COMPILED, Lock()
    compiled.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as installed:
        install(root, Path(installed))
        # The checkpoints of the full tier are not on this machine: the network is open.
        variables = {} if tier == "mini" else {"PYTHONPATH": installed, "MUSICWORDS_TIER": tier}

        def run(path: Path) -> None:
            with tempfile.TemporaryDirectory() as folder:
                with copying:
                    shutil.copytree(compiled, Path(folder) / COMPILED)
                done = run_alone(root / path, Path(folder), Path(installed), solutions.get(path, []), variables)
                executed = nbformat.read(Path(folder) / path.name, as_version=4)
                with copying:
                    shutil.copytree(Path(folder) / COMPILED, compiled, dirs_exist_ok=True)
                asked = Path(folder) / "network.log"
                source = nbformat.read(root / path, as_version=4)
                reports[path] |= {
                    "passed": done.returncode == 0 and not asked.exists(),
                    "log": done.stdout + done.stderr,
                    "asked": asked.read_text(encoding="utf-8") if asked.exists() else "",
                    "seconds": round(seconds_of(executed.cells[: len(source.cells)]), 2),
                }
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(with_outputs(source, executed), output / path)
            partial = (output / path).with_suffix(".part")  # a run that is killed leaves no half of a report
            partial.write_text(json.dumps(reports[path]), encoding="utf-8")
            partial.replace((output / path).with_suffix(".json"))
            print(f"{path}: {'passed' if reports[path]['passed'] else 'FAILED'}", flush=True)

        todo.sort(key=lambda path: (root / path).stat().st_size, reverse=True)  # so that the last one is a short one
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(run, todo))
    return reports


def fill(cache_folder: Path, root: Path = ROOT, executed: Path = BUILD / "executed") -> None:
    """Put all executed notebooks into the cache that a book is built from."""
    cache = get_cache(cache_folder)
    for path in notebooks(root):
        report = json.loads((executed / path).with_suffix(".json").read_text(encoding="utf-8"))
        notebook = with_outputs(nbformat.read(root / path, as_version=4), nbformat.read(executed / path, as_version=4))
        cache.cache_notebook_bundle(
            CacheBundleIn(notebook, str(root / path), data={"execution_seconds": report["seconds"]}),
            check_validity=False,
            overwrite=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=BUILD, help="folder that the book is built in (default: _build)")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time (default: 2)")
    options = parser.parse_args()
    executed = options.build / "executed"
    failed = {path: one for path, one in execute(output=executed, jobs=options.jobs).items() if not one["passed"]}
    for path, report in failed.items():
        asked = f"It asked for {report['asked']}" if report["asked"] else ""
        print(f"\n{path} failed:\n{report['log'][-4000:]}\n{asked}", file=sys.stderr)
    if not failed:
        fill(options.build / ".jupyter_cache", executed=executed)
    return min(len(failed), 1)


if __name__ == "__main__":
    sys.exit(main())
