"""Sphinx extension: ``llms.txt``, the contents of the book for language models, one line a page.

The format is that of https://llmstxt.org: a title, a summary, and lists of links with descriptions. The descriptions
are those that other sites show of a link to the page.
"""

import html
import re
from pathlib import Path

from sphinx.application import Sphinx
from words import _, of_page

NAME = "llms.txt"
DESCRIPTION = re.compile(r'<meta name="description" content="([^"]*)"')


def write_contents(app: Sphinx, error: Exception | None) -> None:
    """Write the list beside the pages, with whole addresses if that of the site is known."""
    if error or app.builder.name != "html":
        return
    site_map = app.config.external_site_map
    root = site_map.root

    def described(name: str) -> str:
        found = DESCRIPTION.search((Path(app.outdir) / f"{name}.html").read_text(encoding="utf-8"))
        return html.unescape(found[1]) if found else ""

    def line(name: str) -> str:
        return f"- [{app.env.titles[name].astext()}]({app.config.html_baseurl}{name}.html): {described(name)}"

    lines = [f"# {app.config.project}", f"> {described(root.docname)}"]
    for tree in root.subtrees:
        part = of_page(app, root.docname, tree.caption) if tree.caption else _("Pages")
        lines += [f"## {part}", "\n".join(line(name) for name in tree.files())]
    (Path(app.outdir) / NAME).write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("words")
    app.connect("build-finished", write_contents)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
