"""Sphinx extension: what depends on where the repository of the book lives, which no source says.

A build in GitHub Actions, or in a clone whose origin is on GitHub, knows the address. Its pages have the buttons of
the repository and, on a notebook's page, the rocket, which opens the notebook of the branch ``notebooks`` in Colab.
The tag ``repository`` is then set, for the directive ``only``. Any other build has none of these.

The directive ``clone`` shows the commands in it, after those that clone the repository if its address is known::

    ```{clone}
    make lab
    ```

The environment variable ``BOOK_SITE`` is the address at which the pages will be published, if that is known.
"""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")
COLAB = "https://colab.research.google.com"
BRANCH = "notebooks"  # of the reader's notebooks: the workflow that deploys the pages writes it


def actual_url(root: Path) -> str | None:
    """Return the address on GitHub of the repository in ``root``, or None if it has none."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{name}"
    try:
        origin = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=root, capture_output=True, text=True
        ).stdout.strip()
    except FileNotFoundError:  # no git here: the book was unpacked from an archive
        return None
    match = GITHUB.match(origin)
    return f"https://github.com/{match[1]}" if match else None


def colab_url(repository: str, page: str) -> str:
    """Return the address that opens a reader's notebook in Colab."""
    return f"{COLAB}/github/{repository.removeprefix('https://github.com/')}/blob/{BRANCH}/{page}.ipynb"


class Clone(SphinxDirective):
    """Show commands, after those that clone the repository if its address is known."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the commands as a block of code."""
        commands, url = list(self.content), self.config.repository_url
        if url:
            commands = [f"git clone {url}", f"cd {url.rpartition('/')[2]}", *commands]
        text = "\n".join(commands)
        block = nodes.literal_block(text, text, language="bash")
        self.set_source_info(block)
        return [block]


def use_addresses(app: Sphinx, config: Config) -> None:
    """Keep the addresses in the configuration, and switch on the buttons that need that of the repository."""
    if site := os.environ.get("BOOK_SITE"):
        config.html_baseurl = config.ogp_site_url = site.rstrip("/") + "/"
        config.notfound_urls_prefix = urlsplit(config.html_baseurl).path
    config.repository_url = actual_url(Path(app.srcdir)) or ""
    if config.repository_url:
        app.tags.add("repository")
        buttons = ("use_repository_button", "use_issues_button", "use_edit_page_button")
        config.html_theme_options |= dict.fromkeys(buttons, True)
        config.html_theme_options |= {"repository_url": config.repository_url, "launch_buttons": {"colab_url": COLAB}}


def launch_from_branch(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Let the rocket open the reader's notebook in the language of the page, not the source."""
    edition = "" if app.config.language == "en" else f"{app.config.language.partition('_')[0]}/"
    for group in context["header_buttons"]:
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = colab_url(app.config.repository_url, edition + pagename)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_config_value("repository_url", "", "env", str)
    app.add_directive("clone", Clone)
    app.connect("config-inited", use_addresses)
    app.connect("html-page-context", launch_from_branch, priority=502)  # after the theme has made its buttons
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
