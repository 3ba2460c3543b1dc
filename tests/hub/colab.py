"""Run notebooks as Colab does: ``python tests/hub/colab.py notebooks/retrieval/zero_shot.ipynb``.

A fresh environment has what Colab has, which stands in colab.txt, a package that is called google.colab, and nothing of
the book. Each notebook lies alone in an empty folder, knows the address of the repository, and installs the rest by its
first cell. What was there before has to stay as it was, but for MAY_MOVE. Colab has Python 3.12: give its path with
--python.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import nbformat
from run_notebooks import ROOT, notebooks

BEFORE = Path(__file__).with_name("colab.txt")
# Of which the first cell may install another release: myst-parser asks for a newer one.
MAY_MOVE = {"mdit-py-plugins"}


def pip(python: Path, *arguments: str) -> str:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def versions(python: Path) -> dict[str, str]:
    return dict(line.split("==") for line in pip(python, "freeze", "--all").splitlines() if "==" in line)


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def with_address(notebook: Path, repository: Path) -> nbformat.NotebookNode:
    """Return a notebook whose set-up cells know where the repository is."""
    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        if "colab" in cell.metadata.get("tags", []):
            address = f"file://localhost{repository.as_posix()}"  # pip asks for a host
            cell.source = cell.source.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')
    return content


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all, if none is named")
    parser.add_argument("--python", default=sys.executable, help="interpreter (default: the one that runs this)")
    asked = parser.parse_args()
    paths = asked.notebooks or [ROOT / path for path in notebooks()]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        subprocess.run([asked.python, "-m", "venv", str(environment)], check=True)
        python = environment / "bin" / "python"
        torch = [line for line in BEFORE.read_text(encoding="utf-8").split() if line.startswith("torch")]
        pip(python, "install", *torch)  # and the libraries of CUDA
        pip(python, "install", "--no-deps", "--requirement", str(BEFORE))
        packages = next((environment / "lib").glob("python*/site-packages"))
        (packages / "google" / "colab").mkdir(parents=True)
        (packages / "google" / "colab" / "__init__.py").touch()
        (packages / "in_colab.pth").write_text("import google.colab\n")  # there before the first cell, as in Colab
        before, size = versions(python), megabytes(packages)
        for path in paths:
            own = Path(folder) / path.stem
            own.mkdir()
            nbformat.write(with_address(path, ROOT), own / path.name)
            begin = time.monotonic()
            command = [str(python), "-m", "jupyter", "execute", "--inplace", path.name]
            done = subprocess.run(command, cwd=own, capture_output=True, text=True)
            moved = {name: found for name, found in versions(python).items() if before.get(name, found) != found}
            passed = done.returncode == 0 and not moved.keys() - MAY_MOVE
            seconds, added = time.monotonic() - begin, megabytes(packages) - size
            print(
                f"{path.stem:24} {'passed' if passed else 'FAILED'} {seconds:6.0f} s, {added:.0f} MB installed",
                flush=True,
            )
            if moved:
                print(f"  other releases than before: {moved}", flush=True)
                before |= moved  # the next notebook is not blamed for it
            if not passed:
                failed += 1
                print(done.stderr[-3000:], flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
