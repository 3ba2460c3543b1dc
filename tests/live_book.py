"""What the tests of live pages share: the parts that a browser loads, and a small book that has them."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from run_notebooks import ROOT
from small_book import make_book

sys.path.insert(0, str(ROOT / "book" / "live"))
import packages
import parts


def make_parts() -> dict:
    """Make the parts unless they are there, and return what ``parts.json`` holds.

    Without npm the test is skipped on a reader's machine, and fails in CI.
    """
    (ROOT / "_build").mkdir(exist_ok=True)
    try:
        with FileLock(ROOT / "_build" / "live.lock"):
            return parts.make()
    except packages.NoPackages as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


def make_live_book(root: Path) -> Path:
    """Write a small book with the parts, which were made before, to ``root``."""
    make_book(root)
    shutil.copytree(ROOT / parts.MADE, root / parts.MADE)
    return root
