"""What several tests share: the root of the repository, the built book, a browser."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from find_browser import find_browser
from run_notebooks import ROOT, execute, fill, offline


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: executes notebooks or builds the book")
    config.addinivalue_line("markers", "exact: needs the exact versions of requirements.txt, laion-clap and audiocraft")


def pytest_collection_modifyitems(items):
    """Let the tests that need the built book run in one process, which builds it once."""
    for item in items:
        if {"executed", "built_book"} & set(item.fixturenames):
            item.add_marker(pytest.mark.xdist_group("book"))


def build_command(output: Path) -> list[str]:
    """Return the command of ``make book``, with the pages in ``output``."""
    jupyter_book = shutil.which("jupyter-book", path=Path(sys.executable).parent)
    command = [jupyter_book, "build", ".", "--config", "book/_config.yml", "--toc", "book/_toc.yml"]
    return [*command, "--path-output", str(output), "-W", "-n", "--keep-going"]


def build(
    root: Path, output: Path, log: Path, *options: str, repository: str = "someone/book", site: str = ""
) -> subprocess.CompletedProcess:
    """Build the book of ``root`` without a network, as GitHub would build it in a repository of this name."""
    environment = offline(log) | {"GITHUB_REPOSITORY": repository, "BOOK_SITE": site}
    command = [*build_command(output), *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="session")
def executed() -> dict[Path, dict]:
    """A report for each notebook; what has not changed since ``make book`` is not executed again."""
    return execute()


@pytest.fixture(scope="session")
def built_book(executed, tmp_path_factory) -> Path:
    """The folder of the built pages, from the executed notebooks, without a network."""
    assert all(report["passed"] for report in executed.values())
    output = tmp_path_factory.mktemp("book")
    fill(output / "_build" / ".jupyter_cache")
    done = build(ROOT, output, output / "network.log")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "Executing notebook" not in done.stdout + done.stderr, "the cache lacks a notebook"
    attempts = output / "network.log"
    assert not attempts.exists(), f"the build asked for {attempts.read_text()}"
    return output / "_build" / "html"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder while the ``with`` block runs, and give its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextmanager
def chromium(path: str) -> Iterator:
    """Run a headless Chromium while the ``with`` block runs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        arguments += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(built_book) -> Iterator[str]:
    """The address at which the built book is served."""
    with served(built_book) as address:
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
