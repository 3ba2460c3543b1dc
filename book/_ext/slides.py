"""Sphinx extension: the builder ``slides``, which writes slides for teachers from the notebooks of the core path.

What is on a slide is said in the metadata of cells, which neither pages nor the notebooks of readers show::

    "slideshow": {"slide_type": "slide", "text": "## How alike are a violin and a cello?"}

``slide_type`` is one of those of Jupyter: ``slide`` begins a slide, ``subslide`` one below it, ``fragment`` adds to it
at the next key, ``-`` adds to it at once, ``notes`` is for the speaker, and ``skip`` leaves a cell out, as no metadata
does. A cell of Markdown shows its own text, as the page has it. Where that is too long, it shows ``text`` in its place,
and its own text becomes notes. A cell of code shows its outputs, under its ``text`` if it has one, and its code as well
with ``"code": true``. In ``text``, as in Pandoc, a line ``---`` begins a slide, and what follows a line ``. . .`` is a
fragment; formulas and ``{glue:text}`` work as on the page.

Each notebook becomes one file that needs no other, and ``index.html`` lists them. Nothing is executed: outputs and
numbers are those of the pages.
"""

import ast
import base64
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import chain
from pathlib import Path

import nbformat
import pygments
from docutils import nodes
from docutils.utils import new_document
from glued import with_minus
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyter_cache import get_cache
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_nb.ext.glue import extract_glue_data_cell
from plain_markdown import EDGE, is_cell
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from reader_notebooks import ReaderNotebooks
from sphinx.application import Sphinx
from sphinx.util import logging

NAME = "slides"
SUFFIX = ".html"
TYPES = ("slide", "subslide", "fragment", "-", "notes", "skip")
NEW_SLIDE = re.compile(r"^---$", re.MULTILINE)
PAUSE = re.compile(r"^\. \. \.$", re.MULTILINE)
GLUED = re.compile(r"\{glue:text\}`([^`]+)`")
SPOKEN = (nodes.paragraph, nodes.bullet_list, nodes.enumerated_list, nodes.math_block, nodes.block_quote)
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
TALL = 1.7  # width by height of the widest picture that stands beside the text, and not under it
CODE_STYLE = "a11y-high-contrast-light"
ASSETS = {  # of MathJax the slides take tex-svg.js, which needs no files of fonts
    "reveal": files("sphinx_revealjs") / "_static" / "revealjs",
    "mathjax": files("mathjax") / "static" / "mathjax" / "es5",
    "book": Path(__file__).parents[1],
}


@dataclass
class Slide:
    """A slide in HTML."""

    below: bool
    body: list[Markup] = field(default_factory=list)
    notes: list[Markup] = field(default_factory=list)


def data_uri(path: Path) -> str:
    """Return an address that holds the content of a file."""
    kind, _ = mimetypes.guess_type(path)
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def asset(package: str, name: str) -> Markup:
    """Return a style sheet or a script, to stand inside of a page."""
    text = (ASSETS[package] / name).read_text(encoding="utf-8")
    return Markup(re.sub(r"<(?=/script|!--)", r"\\x3C", text) if name.endswith(".js") else text)


def fragment(content: Markup) -> Markup:
    """Return what the next key shows."""
    return Markup('<div class="fragment">{}</div>').format(content)


def formula(tex: str, options: dict) -> str:
    """Return a formula between the marks that MathJax looks for."""
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{escape(tex)}{right}"


def markdown(text: str) -> Markup:
    """Return Markdown with formulas in HTML."""
    parser = MarkdownIt("commonmark").enable("table")
    return Markup(parser.use(dollarmath_plugin, renderer=formula, allow_labels=False).render(text))


def output_html(output: nbformat.NotebookNode, alt: str) -> Markup:
    """Return an output of a cell in HTML."""
    if output.output_type == "stream":
        return Markup("<pre>{}</pre>").format(output.text.strip()) if output.name == "stdout" else Markup()
    data = output.get("data", {})
    if WIDGET in data:  # such as the bar of a download, which a page does not show either
        return Markup()
    if "text/html" in data:
        return Markup(data["text/html"])
    for kind in PICTURES:
        if kind in data:
            content, name = data[kind], "plot"  # Jupyter keeps SVG as text, and other pictures in base 64
            if kind == "image/svg+xml":
                size = VIEW_BOX.search(content)
                name += " tall" if size and float(size[1]) < TALL * float(size[2]) else ""
                content = base64.b64encode(content.encode()).decode()
            return Markup('<img class="{}" src="data:{};base64,{}" alt="{}">').format(name, kind, content, alt)
    return Markup("<pre>{}</pre>").format(data.get("text/plain", ""))


def prose_of_cells(doctree: nodes.document) -> dict[int, list[list[nodes.Node]]]:
    """Return what each cell of Markdown holds, by its index, split before each heading."""
    found = {}

    def collect(parent: nodes.Element) -> None:
        for node in parent.children:
            if isinstance(node, nodes.section):
                collect(node)
            elif node.line and not is_cell(node):
                parts = found.setdefault(node.line // 10_000 - 1, [[]])  # MyST-NB counts 10,000 lines for each cell
                if isinstance(node, nodes.title) and parts[-1]:
                    parts.append([])
                parts[-1].append(node)

    collect(doctree)
    return found


class Slides(ReaderNotebooks):
    """Write slides from each notebook of the core path whose cells say what is on them."""

    name = format = NAME
    epilog = f"The slides are in %(outdir)s: open index{SUFFIX} there."

    def init(self) -> None:
        """Load the templates, and forget what was written before."""
        folder = ASSETS["book"] / "_templates" / NAME
        self.templates = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        self.decks = {}

    def address(self, address: str) -> str:
        """Return the address of a published page, or none: a deck stands alone."""
        return super().address(address) if self.config.html_baseurl else ""

    def picture(self, uri: str) -> str:
        """Return an address that holds a picture of the page."""
        return data_uri(Path(self.srcdir) / uri)

    def sound(self, path: str) -> str:
        """Return an address that holds a clip."""
        return data_uri(Path(path))

    def get_outdated_docs(self) -> list[str]:
        """Return the notebooks of the core path."""
        names = [name for name in self.config.core_path if name in self.env.found_docs]
        return [name for name in names if Path(self.env.doc2path(name)).suffix == ".ipynb"]

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        """Write the deck of one notebook."""
        if docname not in self.get_outdated_docs():
            return
        self.current_doc_name, self.fignumbers = docname, self.env.toc_fignumbers.get(docname, {})
        self.doctree_settings = doctree.settings
        source = nbformat.read(self.env.doc2path(docname), as_version=4)
        cache = get_cache(self.env.mystnb_config.execution_cache_path)
        _, notebook = cache.merge_match_into_notebook(source, cell_meta=())
        codes = (cell for cell in notebook.cells if cell.cell_type == "code")
        self.glued = dict(chain.from_iterable(map(extract_glue_data_cell, codes)))
        slides = self.slides(notebook, prose_of_cells(doctree))
        if slides:
            stacks = []
            for slide in slides:
                stacks += [] if slide.below else [[]]
                stacks[-1].append(slide)
            title = self.title(docname)
            self.decks[docname] = {"title": title, "address": Path(docname).name + SUFFIX, "slides": len(slides)}
            formulas = any('class="math' in part for slide in slides for part in slide.body + slide.notes)
            self.write_page(Path(docname).name, "deck", title=title, stacks=stacks, formulas=formulas)

    def slides(self, notebook: nbformat.NotebookNode, prose: dict[int, list[list[nodes.Node]]]) -> list[Slide]:
        """Return the slides of a notebook."""
        slides = []
        for index, cell in enumerate(notebook.cells):
            settings = cell.metadata.get("slideshow", {})
            kind, parts = settings.get("slide_type", "skip"), prose.get(index, [])
            if kind not in TYPES:
                self.warn("cell %s has the slide_type %s, not one of %s", cell.id, kind, ", ".join(TYPES))
            elif kind not in ("slide", "subslide", "skip") and not slides:
                self.warn("cell %s has the slide_type %s before the first slide", cell.id, kind)
            elif kind == "notes":
                slides[-1].notes.append(self.plain(chain.from_iterable(parts)))
            elif kind != "skip":
                self.add(slides, cell, settings, parts)
        return slides

    def add(
        self, slides: list[Slide], cell: nbformat.NotebookNode, settings: dict, prose: list[list[nodes.Node]]
    ) -> None:
        """Add what a cell shows to the last slide, and to new ones."""
        kind, text = settings["slide_type"], settings.get("text", "")
        if text or cell.cell_type == "code":
            shown = [self.text(part) for part in NEW_SLIDE.split(text)]
        else:
            shown, prose = [self.plain(chain.from_iterable(prose))], []
        if cell.cell_type == "code":
            shown[-1] += self.code(cell, settings)
        first = len(slides) - (kind in ("fragment", "-"))
        for place, content in enumerate(shown):
            if first + place == len(slides):
                slides.append(Slide(below=kind == "subslide" and place == 0))
            slides[-1].body.append(fragment(content) if kind == "fragment" and place == 0 else content)
        for place, part in enumerate(prose):
            if spoken := [node for node in part if isinstance(node, SPOKEN)]:
                slides[min(first + place, len(slides) - 1)].notes.append(self.plain(spoken))

    def text(self, text: str) -> Markup:
        """Return the text of one slide in HTML, with its fragments."""
        first, *later = (markdown(GLUED.sub(self.number, part)) for part in PAUSE.split(text))
        return first + Markup().join(map(fragment, later))

    def number(self, match: re.Match) -> str:
        """Return what the notebook glues under a name."""
        if match[1] not in self.glued:
            self.warn("a slide shows %s, which the notebook does not glue", match[1])
            return match[1]
        return with_minus(str(ast.literal_eval(self.glued[match[1]]["data"]["text/plain"])))

    def plain(self, content: Iterable[nodes.Node]) -> Markup:
        """Return a part of the page in HTML."""
        document = new_document(self.current_doc_name, self.doctree_settings)
        document.extend(content)
        translator = self.create_translator(document, self)
        document.walkabout(translator)
        return markdown(translator.astext().replace(EDGE, ""))

    def code(self, cell: nbformat.NotebookNode, settings: dict) -> Markup:
        """Return the outputs of a cell in HTML, after its code if the slide shows it."""
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        shown = Markup().join(output_html(output, alt) for output in cell.outputs)
        if settings.get("code"):
            shown = Markup(pygments.highlight(cell.source, get_lexer_by_name("ipython3"), HtmlFormatter())) + shown
        return Markup('<div class="cell">{}</div>').format(shown)

    def warn(self, message: str, *values: str) -> None:
        """Warn of a slide."""
        logging.getLogger(__name__).warning(message, *values, location=self.current_doc_name)

    def write_page(self, name: str, template: str, **values: object) -> None:
        """Write a page that holds all it needs."""
        page = self.templates.get_template(template + SUFFIX).render(
            book=self.config.html_title,
            language=self.config.language,
            asset=asset,
            code_style=Markup(HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")),
            **values,
        )
        (Path(self.outdir) / (name + SUFFIX)).write_text(page, encoding="utf-8")

    def finish(self) -> None:
        """Write the list of all decks, in the order of the core path."""
        decks = [self.decks[name] for name in self.config.core_path if name in self.decks]
        self.write_page("index", "index", decks=decks)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("reader_notebooks")
    app.add_builder(Slides)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
