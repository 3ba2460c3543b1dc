"""Where the repository of the book lives, as a Sphinx extension and as a command.

The address stands in ``book/_config.yml`` and in the set-up cell of every notebook. ``python
book/_ext/repository.py URL`` writes another one to all of them. A build in a clone whose origin is on GitHub,
or in GitHub Actions, links to that repository whatever the configuration says.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIG_LINE = re.compile(r"^(repository:\n  url: )(\S+)$", re.MULTILINE)
NOTEBOOK_URL = re.compile(r"(musicwords @ git\+)([^\"'\\\s]+)")
GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")


def configured_url(root: Path = ROOT) -> str:
    """Return the address in ``book/_config.yml``."""
    match = CONFIG_LINE.search((root / "book" / "_config.yml").read_text(encoding="utf-8"))
    if match is None:
        raise ValueError("book/_config.yml has no line `url:` under `repository:`.")
    return match[2]


def notebook_urls(root: Path = ROOT) -> dict[Path, list[str]]:
    """Return the addresses that each notebook installs the package from."""
    paths = sorted((root / "notebooks").rglob("*.ipynb"))
    return {path: [url for _, url in NOTEBOOK_URL.findall(path.read_text(encoding="utf-8"))] for path in paths}


def actual_url(root: Path = ROOT) -> str | None:
    """Return the address on GitHub of the repository that is being built, or None if it has none."""
    if "GITHUB_REPOSITORY" in os.environ:
        return f"https://github.com/{os.environ['GITHUB_REPOSITORY']}"
    try:
        origin = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True
        ).stdout.strip()
    except FileNotFoundError:  # no git here: the book was unpacked from an archive
        return None
    match = GITHUB.match(origin)
    return f"https://github.com/{match[1]}" if match else None


def stamp(url: str, root: Path = ROOT) -> list[Path]:
    """Write ``url`` to the configuration and to every notebook, and return the files that changed."""
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", url):
        raise ValueError(f"{url!r} is no address of a repository: give one like https://github.com/owner/name")
    changed = []
    config = root / "book" / "_config.yml"
    for path, pattern in [(config, CONFIG_LINE), *((path, NOTEBOOK_URL) for path in notebook_urls(root))]:
        text = path.read_text(encoding="utf-8")
        new = pattern.sub(rf"\g<1>{url}", text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed


def use_actual_url(app, config) -> None:
    """Let the buttons of the pages lead to the repository that is being built."""
    if url := actual_url():
        config.html_theme_options["repository_url"] = url


def setup(app) -> dict:
    """Register the extension."""
    app.connect("config-inited", use_actual_url)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("usage: make repo-url URL=https://github.com/owner/name")
    try:
        files = stamp(sys.argv[1])
    except ValueError as error:
        sys.exit(str(error))
    print("\n".join(f"changed {path.relative_to(ROOT)}" for path in files) or "nothing to change")
