"""Sphinx extension: pages that need no other host, load little, and load sound on demand.

- Notebooks embed sounds and small pictures in their output as data URIs, so that they also work in Jupyter, in
  Colab and in a notebook that was saved. In a page of the book each of these becomes a file of its own: a sound
  is then loaded when a reader plays it, and a picture when it scrolls into view.
- Formulas are set by MathJax from an installed package, on the pages that have formulas.
- Icons come from the fonts of the theme, in place of its script of 1.5 MB that holds every icon there is.
"""

import base64
import hashlib
import os
import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import pydata_sphinx_theme
from sphinx.application import Sphinx

DATA_URI = re.compile(r'src="data:(?P<type>audio|image)/(?P<kind>[a-z0-9]+);base64,(?P<data>[A-Za-z0-9+/=]+)"')
ENDINGS = {"mpeg": "mp3", "jpeg": "jpg"}
# What MathJax loads for LaTeX set as HTML: one script and its fonts. The package holds much more.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")
# An entry of the theme's icon script: name, aliases between numbers, and the code point in the font.
ICON = re.compile(r'"?([\w-]+)"?:\[\d+,\d+,\[([^\]]*)\],"(\w+)"')


def media_name(match: re.Match) -> str:
    """Return the name of the file that takes the place of a data URI: of its bytes, so that each is there once."""
    digest = hashlib.sha256(base64.b64decode(match["data"])).hexdigest()
    return f"{digest[:16]}.{ENDINGS.get(match['kind'], match['kind'])}"


def move_data_to_files(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Write each data URI of the page to ``_static/media`` and point to that file instead."""
    if "body" not in context:
        return

    def move(match: re.Match) -> str:
        name = media_name(match)
        path = Path(app.outdir) / "_static" / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(match["data"]))
        return f'src="{context["pathto"](f"_static/media/{name}", resource=True)}"'

    context["body"] = DATA_URI.sub(move, context["body"])


def drop_unused_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Leave out the scripts of thebe, which is off, and MathJax from a page without formulas."""
    unused = ["thebe"]
    if 'class="math' not in context.get("body", ""):
        unused.append("mathjax")

    def is_used(script: object) -> bool:
        text = f"{script.filename} {script.attributes.get('body', '')}".lower()
        return not any(word in text for word in unused)

    context["script_files"] = [script for script in context["script_files"] if is_used(script)]


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


def write_icons(app: Sphinx, error: Exception | None) -> None:
    """Write a style sheet for the icons that the pages show, and empty the script that would draw them.

    Raises
    ------
    ValueError
        If a page shows an icon that the theme does not have.
    """
    if error or app.builder.format != "html":
        return
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    codes = {}
    for name, aliases, code in ICON.findall((theme / "scripts" / "fontawesome.js").read_text(encoding="utf-8")):
        codes |= dict.fromkeys([name, *re.findall(r'"([\w-]+)"', aliases)], code)
    out = Path(app.outdir)
    pages = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*.html"))
    shown = set(re.findall(r'class="fa-(?:solid|brands|regular) fa-([a-z-]+)', pages))
    shown |= set(re.findall(r'class="fas? fa-([a-z-]+)', pages))
    if unknown := shown - set(codes):
        raise ValueError(f"the theme has no icon {', '.join(sorted(unknown))}")
    rules = [f'.fa-{name}::before {{ content: "\\{codes[name]}"; }}' for name in sorted(shown)]
    (out / "_static" / "icons.css").write_text("\n".join(rules) + "\n", encoding="utf-8")
    (out / "_static" / "scripts" / "fontawesome.js").write_text("// see icons.css\n", encoding="utf-8")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # a progress bar is for a reader who waits, not for a page
    app.add_css_file("icons.css")
    app.connect("html-page-context", move_data_to_files)
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", write_icons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
