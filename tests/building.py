"""Build a book without a network, serve its pages, and look at them in a browser."""

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from run_notebooks import offline


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


def build_edition(
    root: Path, output: Path, log: Path, *options: str, language: str = "zh_CN", site: str = ""
) -> subprocess.CompletedProcess:
    """Build the pages in another language beside those that ``build`` wrote."""
    environment = offline(log) | {"GITHUB_REPOSITORY": "someone/book", "BOOK_SITE": site}
    command = [sys.executable, "book/locale/edition.py", str(output / "_build"), language, *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


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
