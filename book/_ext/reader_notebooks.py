"""Sphinx extension: the builder ``notebooks``, which writes the book as notebooks that read well everywhere.

The sources are in MyST, which JupyterLab and Colab show as raw markup. Here each page becomes a notebook of plain
Markdown and of the very cells of its source, in which

- numbers, citations, references and the numbers of figures, equations and exercises are those of the built book,
- exercises and other boxes are quotes with a title, and solutions are folded, text and code,
- cells that only put numbers into the text (``remove-cell``) are left out, and no cell has an output,
- the set-up cell holds the address of the repository, if ``repository.py`` knows it,
- a link to another page leads to the page on the web, if ``BOOK_SITE`` says where that is, and else to the notebook
  beside this one. So pages without code become notebooks too: without them the links of the others lead nowhere.

``index.ipynb`` lists all in the order of the contents. Nothing is executed: the numbers come from the cache of the
build of the pages. What a reader changed in a notebook stays until the book has something new to write there.
"""

import hashlib
import posixpath
import re
import shutil
from itertools import groupby
from pathlib import Path

import nbformat
from core_path import PAGE, SYMBOL
from docutils import nodes
from plain_markdown import EDGE, Folded, PlainTranslator, is_cell
from repository import colab_url
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import solution_node
from words import _, of_page

NAME = "notebooks"
BUILDERS = (NAME, "slides")  # those that show cells in their own way
SUFFIX = ".ipynb"
SET_UP = re.compile(r'^REPOSITORY = "".*$', re.MULTILINE)
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}


class KeepCaptions(SphinxPostTransform):
    """Of the outputs of a cell, keep the captions of its figures."""

    default_priority = 3  # before MyST-NB chooses what to show of an output, at 4
    builders = BUILDERS

    def run(self, **kwargs) -> None:
        """Change the cells of one page."""
        for cell in list(self.document.findall(is_cell)):
            figures = list(cell.findall(nodes.figure))
            for figure in figures:
                figure.children = [part for part in figure.children if isinstance(part, nodes.caption)]
            cell.children = figures


class FoldSolutions(SphinxPostTransform):
    """Split each solution at its cells: a notebook cannot have a cell inside of a text."""

    default_priority = 200  # after sphinx-exercise has given the solutions their titles
    builders = (NAME,)

    def run(self, **kwargs) -> None:
        """Change the solutions of one page."""
        for solution in list(self.document.findall(solution_node)):
            title, *content = solution.children
            content = [node for part in content for node in (part if isinstance(part, nodes.section) else [part])]
            parts = []
            for cells, run in groupby(content, is_cell):
                found = list(run)
                parts += found if cells else [Folded("", *found, title=title.astext())]
            for cell in filter(is_cell, parts):
                cell["solution"] = True
            solution.parent.replace(solution, parts)


class ReaderNotebooks(Builder):
    """Write each page of the book as a notebook."""

    name = format = NAME
    default_translator_class = PlainTranslator
    supported_image_types = ["image/svg+xml", "image/png", "image/jpeg"]  # noqa: RUF012 -- as Sphinx declares it
    epilog = f"The notebooks are in %(outdir)s: begin with index{SUFFIX}."

    def get_outdated_docs(self) -> set[str]:
        """Return all pages: which one has changed is known once it is written."""
        return self.env.found_docs

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Return where a page lies in the folder of the notebooks."""
        return docname + SUFFIX

    def get_relative_uri(self, from_: str, to: str, typ: str | None = None) -> str:
        """Return the address of the published page, or where the notebook lies as seen from another one."""
        if self.config.html_baseurl:
            return f"{self.config.html_baseurl}{to}.html"
        return super().get_relative_uri(from_, to, typ)

    def address(self, address: str) -> str:
        """Return the address of a link inside of the book, or an empty one within a page: Colab has no such links."""
        page, __, part = address.partition("#")
        if not page or self.config.html_baseurl:
            return address if page else ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(self.current_doc_name), page))
        heading = self.headings.get((target.removesuffix(SUFFIX), part))
        return f"{page}#{heading}" if heading else page

    def picture(self, uri: str) -> str:
        """Return the address of a picture, after it was copied into the folder of the notebooks."""
        name = self.env.images[uri][1]
        local = self.copied(Path(self.srcdir) / uri, f"_images/{name}")
        return f"{self.config.html_baseurl}_images/{name}" if self.config.html_baseurl else local

    def sound(self, path: str) -> str:
        """Return the address of a sound, after it was copied into the folder of the notebooks."""
        return self.copied(Path(path), f"_sounds/{Path(path).name}")

    def copied(self, source: Path, target: str) -> str:
        """Copy a file into the folder of the notebooks, and return where it lies as seen from the page."""
        path = Path(self.outdir) / target
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, path)
        return posixpath.relpath(target, posixpath.dirname(self.current_doc_name))

    def prepare_writing(self, docnames: set[str]) -> None:
        """Learn the headings that links lead to, by the names that Jupyter gives them: the terms of the glossary."""
        objects = self.env.domains["std"].get_objects()
        self.headings = {(o[3], o[4]): o[0].replace(" ", "-") for o in objects if o[2] == "term"}

    def write_doc(self, docname: str, doctree: nodes.document) -> None:
        """Write one page."""
        self.current_doc_name, self.fignumbers = docname, self.env.toc_fignumbers.get(docname, {})
        translator = self.create_translator(doctree, self)
        doctree.walkabout(translator)
        path = Path(self.env.doc2path(docname))
        source = nbformat.read(path, as_version=4) if path.suffix == SUFFIX else None
        cells = []
        for place, part in enumerate(translator.astext().split(EDGE)):
            if place % 2 and part:
                index, in_solution = part.split()
                cells.append(self.code_cell(source.cells[int(index)], in_solution == "True"))
            elif part.strip():
                cells.append(nbformat.v4.new_markdown_cell(part.strip()))
        self.write_notebook(docname, cells)

    def code_cell(self, cell: nbformat.NotebookNode, in_solution: bool) -> nbformat.NotebookNode:
        """Return a cell as in the source, with the address of the repository, and folded if it is of a solution."""
        tags = cell.metadata.get("tags", [])
        code, metadata = cell.source, {"tags": tags} if tags else {}
        if "colab" in tags and self.config.repository_url:
            code = SET_UP.sub(f'REPOSITORY = "{self.config.repository_url}"', code)
        if in_solution:
            metadata |= {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "cellView": "form"}
        return nbformat.v4.new_code_cell(code, metadata=metadata)

    def write_notebook(self, name: str, cells: list[nbformat.NotebookNode]) -> None:
        """Write a notebook, unless it was written from the same text before."""
        for place, cell in enumerate(cells):
            cell.id = f"cell-{place}"
        digest = hashlib.sha256(nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()).hexdigest()
        path = Path(self.outdir) / (name + SUFFIX)
        if path.exists() and nbformat.read(path, as_version=4).metadata.get("written_from") == digest:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL | {"written_from": digest}), path)

    def finish(self) -> None:
        """Write the index, and let the published pages offer these notebooks for download, not their sources."""
        self.write_index()
        for page in self.env.found_docs if self.config.html_baseurl else ():
            offered = Path(self.outdir).parent / "html" / "_sources" / (page + SUFFIX)
            if offered.exists():
                shutil.copyfile(Path(self.outdir) / (page + SUFFIX), offered)

    def write_index(self) -> None:
        """Write the list of all pages, in the order of the contents."""
        root = self.config.external_site_map.root
        parts = [("", [root.docname]), *((tree.caption or "", tree.files()) for tree in root.subtrees)]
        lines = [
            f"# {self.config.html_title}\n",
            _("Open a notebook, and run its cells from top to bottom: each one runs alone."),
            _("The numbers in the text are those that the book found when it was built.") + "\n",
            _("{symbol} marks the core path; {page} says what it needs.").format(
                symbol=SYMBOL, page=f"[{self.title(PAGE)}]({PAGE}{SUFFIX})"
            )
            + "\n"
            if PAGE in self.env.found_docs
            else "",
        ]
        for caption, names in parts:
            lines += [f"\n## {of_page(self.app, root.docname, caption)}\n"] if caption else []
            lines += [self.entry(name) for name in names]
        self.write_notebook("index", [nbformat.v4.new_markdown_cell("\n".join(lines))])

    def title(self, name: str) -> str:
        """Return the title of a page."""
        return self.env.titles[name].astext()

    def entry(self, name: str) -> str:
        """Return the line of the index for one page."""
        line = f"- [{self.title(name)}]({name}{SUFFIX})"
        if name in self.config.core_path:
            line += f" {SYMBOL}"
        if self.config.html_baseurl and self.config.repository_url and name.startswith("notebooks/"):
            line += _(" ([in Colab]({address}))").format(address=colab_url(self.config.repository_url, name))
        return line


def remove_styles(app: Sphinx, error: Exception | None) -> None:
    """Take away the style sheet that sphinx-exercise adds to every build."""
    if error is None and app.builder.name in BUILDERS:
        shutil.rmtree(Path(app.outdir) / "_static", ignore_errors=True)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    for extension in ("sphinx_markdown_builder", "repository", "core_path", "clip", "exercises", "words"):
        app.setup_extension(extension)
    app.add_builder(ReaderNotebooks)
    app.add_node(Folded)
    app.add_post_transform(KeepCaptions)
    app.add_post_transform(FoldSolutions)
    app.connect("build-finished", remove_styles, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
