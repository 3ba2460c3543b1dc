"""What several tests share: the executed notebooks, the built book, a browser. At the end stands what was skipped."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from building import build, build_edition, chromium, served
from filelock import FileLock
from find_browser import find_browser
from run_notebooks import ROOT, execute, fill
from small_book import built


def pytest_configure(config):
    # Two processes that compile librosa's functions into one cache at a time can spoil it: then it kills who reads it.
    folder = tempfile.TemporaryDirectory(prefix="numba")
    os.environ["NUMBA_CACHE_DIR"] = folder.name
    config.add_cleanup(folder.cleanup)
    config.addinivalue_line("markers", "slow: executes notebooks or builds the book")
    config.addinivalue_line("markers", "weekly: takes minutes, and what it tests seldom changes; see WEEKLY_TESTS")
    config.addinivalue_line("markers", "exact: needs the exact versions of requirements.txt, laion-clap and audiocraft")


@pytest.hookimpl(tryfirst=True)  # before ``-m weekly`` is looked at
def pytest_collection_modifyitems(items):
    """Leave what is marked as weekly, and the recipes, to the jobs that set WEEKLY_TESTS."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "recipes"):
            item.add_marker("weekly")
        if item.get_closest_marker("weekly") and not os.environ.get("WEEKLY_TESTS"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: set WEEKLY_TESTS=1"))


MENDS = {  # what the reason of a skip contains -> what to do
    "recipes/requirements": "python -m pip install -r recipes/requirements.txt\n"
    "    python -m pip install --no-deps -r recipes/requirements-nodeps.txt",
    "sound font": "apt install fluidr3mono-gm-soundfont musescore-general-soundfont-small",
    "sonic-pi": "apt install sonic-pi-samples",
    "Chromium": "python tests/find_browser.py",
}


def pytest_sessionfinish(session):
    """Where ALL_TESTS is set, a test that was skipped for want of something that can be installed is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reasons = [str(report.longrepr) for report in reporter.getreports("skipped")] if reporter else []
    if os.environ.get("ALL_TESTS") and any(word in reason for reason in reasons for word in MENDS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Say which files of tests were skipped, wholly or in part, why, and how to run them."""
    skipped = {}
    for report in terminalreporter.getreports("skipped"):
        path, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else (report.fspath, 0, "")
        file = Path(report.nodeid.split("::")[0] or path).name
        skipped.setdefault(reason.removeprefix("Skipped: "), {}).setdefault(file, 0)
        skipped[reason.removeprefix("Skipped: ")][file] += 1
    for reason, files in skipped.items():
        where = ", ".join(f"{file} ({count})" for file, count in sorted(files.items()))
        terminalreporter.write_line(f"Not run: {where}: {reason}", yellow=True)
        for word, mend in MENDS.items():
            if word in reason:
                terminalreporter.write_line(f"    {mend}")


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def executed(shared) -> dict[Path, dict]:
    """A report for each notebook; what has not changed since ``make book`` is not executed again."""
    with FileLock(shared / "executed.lock"):
        return execute()


@pytest.fixture(scope="session")
def built_book(executed, shared) -> Path:
    """The folder of the built pages in both languages, from the executed notebooks, without a network.

    The first process builds it.
    """
    assert all(report["passed"] for report in executed.values())
    output = shared / "book"
    with FileLock(shared / "book.lock"):
        if not (output / "built").exists():
            fill(output / "_build" / ".jupyter_cache")
            done = build(ROOT, output, output / "network.log")
            assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
            chinese = build_edition(ROOT, output, output / "network.log")
            assert chinese.returncode == 0, (chinese.stdout + chinese.stderr)[-6000:]
            said = done.stdout + done.stderr + chinese.stdout + chinese.stderr
            assert "Executing notebook" not in said, "the cache lacks a notebook"
            attempts = output / "network.log"
            assert not attempts.exists(), f"the build asked for {attempts.read_text()}"
            (output / "built").touch()
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def site(built_book) -> Iterator[str]:
    """The address at which the built book is served."""
    with served(built_book) as address:
        yield address


@pytest.fixture(scope="module")
def html(book) -> Path:
    """The folder of the pages of the small ``book`` of a module."""
    return built(book)


@pytest.fixture(scope="module")
def small_site(html) -> Iterator[str]:
    """The address at which the pages of a small book are served."""
    with served(html) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless Chromium. Without one the tests are skipped on a reader's machine, and fail in CI."""
    path = find_browser()
    if path is None:
        reason = "no Chromium found: install one, or set CHROMIUM to its path"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with chromium(path) as running:
        yield running
