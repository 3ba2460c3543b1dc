"""Sphinx extension: pages that need no other host, and players that load their sound on demand.

Notebooks embed sounds and small pictures in their output as data URIs, so that they also work in Jupyter, in
Colab and in a notebook that was saved. In a page of the book each of these becomes a file of its own beside
the pages: a sound is then loaded when a reader plays it, and a picture when it scrolls into view.
"""

import base64
import hashlib
import os
import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from sphinx.application import Sphinx

DATA_URI = re.compile(r'src="data:(?:audio|image)/(?P<kind>[a-z0-9]+);base64,(?P<data>[A-Za-z0-9+/=]+)"')
ENDINGS = {"mpeg": "mp3", "jpeg": "jpg"}
# What MathJax loads for LaTeX set as HTML: one script and its fonts. The package holds much more.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")


def move_data_to_files(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Write each data URI of the page to ``_static/media`` and point to that file instead."""
    if "body" not in context:
        return

    def move(match: re.Match) -> str:
        data = base64.b64decode(match["data"])
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{ENDINGS.get(match['kind'], match['kind'])}"
        path = Path(app.outdir) / "_static" / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f'src="{context["pathto"](f"_static/media/{name}", resource=True)}"'

    context["body"] = DATA_URI.sub(move, context["body"])


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy the parts of MathJax that the pages load to ``_static/mathjax``."""
    if error or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    with as_file(files("mathjax") / "static" / "mathjax" / "es5") as source:
        for name in MATHJAX:
            copy = shutil.copytree if (source / name).is_dir() else shutil.copy
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if not (target / name).exists():
                copy(source / name, target / name)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # a progress bar is for a reader who waits, not for a page
    app.connect("html-page-context", move_data_to_files)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
