"""Find a Chromium for the tests of the pages, or install one: ``python tests/find_browser.py``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)


def find_browser() -> str | None:
    """Return the path of a Chromium, Chrome or Edge: that of the variable CHROMIUM, or one installed here."""
    from playwright.sync_api import sync_playwright

    if path := os.environ.get("CHROMIUM"):
        return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    found = [shutil.which(name) for name in NAMES] + [p for p in (*PLACES, own) if p and Path(p).exists()]
    return next(filter(None, found), None)


def install_browser() -> None:
    """Install Debian's Chromium where that is possible, and Playwright's own elsewhere."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if not find_browser():
        try:
            install_browser()
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"no Chromium is here and none could be installed ({error}): set CHROMIUM to the path of one.")
    print(f"browser for the tests: {find_browser()}")
