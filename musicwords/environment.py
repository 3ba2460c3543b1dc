"""Check that the book can run here, and mend what can be mended: ``python -m musicwords.environment --mend``.

It needs no package but Python's own, so that it can say what is missing.
"""

import argparse
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution, version
from pathlib import Path

REQUIREMENTS = "laion-clap and audiocraft are installed by `pip install --no-deps -r requirements-nodeps.txt`"
IMPORTS = {
    "the libraries of the book": (
        "import datasets, librosa, matplotlib, sentence_transformers, soundfile, torch, transformers",
        "delete the folder .venv and run `make environment`, or run `pip install -r requirements.txt`",
    ),
    "torchaudio beside torch": ("import torchaudio", "run `python -m musicwords.environment --mend`"),
    "laion_clap": (
        "from musicwords.stand_ins import stand_ins\nwith stand_ins(): import laion_clap",
        REQUIREMENTS,
    ),
    "audiocraft": (
        "from musicwords.stand_ins import stand_ins\nwith stand_ins(): import audiocraft.models",
        REQUIREMENTS,
    ),
}


def check_python() -> str:
    """Return the version of Python, or raise if the book does not support it."""
    if not (3, 11) <= sys.version_info < (3, 15):
        raise RuntimeError(f"Python {platform.python_version()}: install Python 3.11, 3.12, 3.13 or 3.14")
    return f"Python {platform.python_version()}"


def check_torch() -> str:
    """Return torch's version and the device it computes on."""
    import torch

    device = "GPU" if torch.cuda.is_available() or torch.backends.mps.is_available() else "CPU"
    return f"torch {version('torch')} on {device}"


def check_checkpoints() -> str:
    """Return the tier and the number of its checkpoints, or raise if one is missing or changed.

    In the full tier those in the cache are checked; the others are downloaded when a page first asks for them.
    """
    from musicwords.checkpoints import REGISTRY, checkpoint, in_cache, published, tier

    names = [name for name in REGISTRY if tier() in REGISTRY[name]]
    later = [name for name in published() if not in_cache(name)] if tier() == "full" else []
    for name in names:
        if name not in later:
            checkpoint(name)
    rest = f", of which {len(later)} are still to be downloaded ({', '.join(later)}): make fetch-full" if later else ""
    return f"{len(names)} checkpoints of the {tier()} tier{rest}"


def check_clips() -> str:
    """Return the number of clips, or raise if one cannot be read."""
    from musicwords.clips import load_audio, load_clips

    clips = load_clips()
    for clip in clips:
        load_audio(clip["audio"]["path"])
    return f"{len(clips)} clips of music"


def check_imports(name: str) -> Callable[[], str]:
    """Return a check that imports in a process of its own, since an import cannot be undone."""

    def check() -> str:
        code, mend = IMPORTS[name]
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(f"{name}: {reason}: {mend}")
        return name

    return check


def check_environment() -> int:
    """Print a line [OK] or [FAIL] for each check, with the mend, and return the number that failed."""
    checks = [check_python, *map(check_imports, IMPORTS), check_torch, check_checkpoints, check_clips]
    failed = 0
    for check in checks:
        try:
            print("[OK]  ", check(), flush=True)
        except Exception as error:  # whatever it is, the reader has to see it beside the other checks
            failed += 1
            print("[FAIL]", error, flush=True)
    return failed


def mend_torchaudio() -> None:
    """Remove torchaudio's compiled libraries where they were built for CUDA and torch was not.

    The package index offers torchaudio with CUDA libraries only. Beside a torch for the CPU they fail to
    load, and ``import torchaudio`` with them. Without them torchaudio imports, and its transforms, filters
    and resampling work: those are written in Python. Forced alignment, which the book does not use, is lost.
    """
    if importlib.util.find_spec("torchaudio") is None:
        return
    code, _ = IMPORTS["torchaudio beside torch"]
    if subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0:
        return
    libraries = [Path(path.locate()) for path in distribution("torchaudio").files if path.match("torchaudio/lib/*.so")]
    for library in libraries:
        library.unlink(missing_ok=True)
    print(
        f"torchaudio {version('torchaudio')} did not import beside torch {version('torch')}: removed its "
        f"{len(libraries)} libraries built for CUDA; its transforms and filters do not need them."
    )


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mend", action="store_true", help="mend what can be mended instead of checking")
    if parser.parse_args().mend:
        mend_torchaudio()
        return 0
    return min(check_environment(), 1)


if __name__ == "__main__":
    sys.exit(main())
