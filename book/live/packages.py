"""The libraries from npm that live pages run in a browser, in the exact versions of ``package-lock.json``."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from files import key_of, write

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
# Name of a file for the browser -> where npm puts it. Not every server knows the type of .mjs.
FROM_NPM = {
    "onnxruntime.js": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "onnxruntime.wasm.gzip": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "tokenizers.js": "@huggingface/tokenizers/dist/tokenizers.min.mjs",
    "LICENSE-tokenizers.txt": "@huggingface/tokenizers/LICENSE",
}
INSTALL = "Install Node.js, which brings npm (on Debian and Ubuntu: apt install npm), and run make book again."


class NoPackages(Exception):
    """The packages from npm are not to be had; the message says why, and what to do."""


def write_packages(target: Path) -> None:
    """Install what ``package-lock.json`` names, and keep the files that a browser loads in ``target``.

    Raises
    ------
    NoPackages
        If npm is missing, or cannot install them.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NoPackages(f"The book is built without its live pages, because npm is missing. {INSTALL}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = " ".join((done.stdout + done.stderr).split())[-300:]
            raise NoPackages(f"The book is built without its live pages, because npm ci failed: {said}")
        kept = Path(folder) / "kept"
        for name, place in FROM_NPM.items():
            write(kept / name, (Path(folder) / "node_modules" / place).read_bytes())
        shutil.copytree(kept, target)


def take(names: tuple[str, ...], target: Path, made: Path) -> None:
    """Copy some of the files to ``target``; what was installed stays in ``made``, so that later builds need no network.

    Raises
    ------
    NoPackages
        If they are not there yet, and npm cannot install them.
    """
    installed = made / "packages" / key_of(LOCK, Path(__file__))
    if not installed.exists():
        write_packages(installed)
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(installed / name, target)
