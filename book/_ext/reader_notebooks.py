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
import html
import posixpath
import re
import shutil
from itertools import groupby
from pathlib import Path

import nbformat
from cells import Unindexed
from clip import Player
from core_path import PAGE, SYMBOL
from docutils import nodes
from repository import colab_url
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.math import get_node_equation_number
from sphinx_exercise.nodes import exercise_enumerable_node, solution_node
from sphinx_exercise.utils import get_node_number
from sphinx_markdown_builder.contexts import (
    IndentContext,
    SubContext,
    SubContextParams,
    TableContext,
    TitleContext,
    WrappedContext,
)
from sphinx_markdown_builder.translator import MarkdownTranslator, pushing_context

NAME = "notebooks"
SUFFIX = ".ipynb"
EDGE = "\0"  # before and after what is said of a cell of code, where it stands in the text: of none at a heading
SPECIAL = re.compile(r"[\\*_`$<~]")
SET_UP = re.compile(r'^REPOSITORY = "".*$', re.MULTILINE)
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
BLOCK = SubContextParams(2, 2)  # an empty line before and after


def is_cell(node: nodes.Node) -> bool:
    """Whether a node is a cell of code, with its outputs."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


class Folded(nodes.General, nodes.Element):
    """A part of a solution, which a click unfolds."""


class KeepCaptions(SphinxPostTransform):
    """Of the outputs of a cell, keep the captions of its figures."""

    default_priority = 3  # before MyST-NB chooses what to show of an output, at 4
    builders = (NAME,)

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
            if not self.config.notebooks_with_solutions:
                content = []
            content = [node for part in content for node in (part if isinstance(part, nodes.section) else [part])]
            parts = []
            for cells, run in groupby(content, is_cell):
                found = list(run)
                parts += found if cells else [Folded("", *found, title=title.astext())]
            for cell in filter(is_cell, parts):
                cell["solution"] = True
            solution.parent.replace(solution, parts)


class Table(TableContext):
    """A table whose numbers stay as they are: the library would write 0.5 for 0.50."""

    def make(self) -> str:
        """Return the table in Markdown, under its title."""
        head, *body = [
            ["".join(entry).strip().replace("\n", " ").replace("|", r"\|") for entry in row]
            for row in (*self.headers, *self.body)
        ]
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
        return "\n".join([self.internal_context.make(), *lines])


class ReaderTranslator(MarkdownTranslator):
    """Write a page as Markdown that Jupyter shows, with a mark where each cell stands."""

    def visit_Text(self, node: nodes.Text) -> None:
        text = node.astext()
        self.add(SPECIAL.sub(r"\\\g<0>", text) if self.status.escape_text else text)

    def visit_emphasis(self, node: nodes.emphasis) -> None:
        self.add("*")

    depart_emphasis = visit_emphasis

    def visit_strong(self, node: nodes.strong) -> None:
        self.add("**")

    depart_strong = visit_strong

    def visit_math(self, node: nodes.math) -> None:
        formula = node.astext()
        if in_table(node):
            formula = formula.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        self.add(f"${formula}$")
        raise nodes.SkipNode

    def visit_math_block(self, node: nodes.math_block) -> None:
        number = get_node_equation_number(self, node) if node["number"] else ""
        tag = f" \\tag{{{number}}}" if number else ""
        self.add(f"$$\n{node.astext().strip()}{tag}\n$$", 2, 2)
        raise nodes.SkipNode

    def visit_raw(self, node: nodes.raw) -> None:
        if node["format"] == "html" and isinstance(node.parent, nodes.paragraph):  # a line break, and no script
            self.add(node.astext().strip())
        raise nodes.SkipNode

    def visit_container(self, node: nodes.container) -> None:
        if is_cell(node):
            self.add(f"{EDGE}{node['cell_index']} {node.get('solution', False)}{EDGE}", 2, 2)

    def visit_compound(self, node: nodes.compound) -> None:
        pass

    def visit_Unindexed(self, node: Unindexed) -> None:
        pass

    def depart_Unindexed(self, node: Unindexed) -> None:
        pass

    @pushing_context
    def visit_quote(self, node: nodes.Element) -> None:
        self._push_context(IndentContext("> ", empty=True, params=BLOCK))

    visit_block_quote = visit_admonition = visit_exercise_enumerable_node = visit_quote

    def visit_Folded(self, node: Folded) -> None:
        self.add(f"<details>\n<summary>{node['title']}</summary>", 2, 2)

    def depart_Folded(self, node: Folded) -> None:
        self.add("</details>", 2, 2)

    @pushing_context
    def visit_title(self, node: nodes.title) -> None:
        if isinstance(node.parent, nodes.table):
            self._push_context(SubContext(BLOCK))
            self.add(self.number(node.parent, "table"))
        elif isinstance(node.parent, nodes.Admonition):
            self._push_context(WrappedContext("**", params=BLOCK))
            if isinstance(node.parent, exercise_enumerable_node):
                self.add(node["title"] % get_node_number(self, node.parent, "exercise"))
        else:
            self.add(EDGE + EDGE, 2, 2)  # Jupyter folds a section at a cell that begins with its heading
            super().visit_title(node)

    @pushing_context
    def visit_term(self, node: nodes.term) -> None:
        self.add(EDGE + EDGE, 2, 2)
        self._push_context(TitleContext(self.status.section_level + 1))

    @pushing_context
    def visit_definition(self, node: nodes.definition) -> None:
        self._push_context(SubContext(BLOCK))

    @pushing_context
    def visit_table(self, node: nodes.table) -> None:
        self._push_context(Table(BLOCK))

    @pushing_context
    def visit_figure(self, node: nodes.figure) -> None:
        self._push_context(SubContext(BLOCK))

    @pushing_context
    def visit_caption(self, node: nodes.caption) -> None:
        self._push_context(SubContext(BLOCK))
        self.add(self.number(node.parent, "figure"))

    def number(self, node: nodes.Element, kind: str) -> str:
        """Return the words with which the caption of a figure or table begins."""
        numbers = self.builder.fignumbers[kind][node["ids"][0]]
        return f"**{self.config.numfig_format[kind] % '.'.join(map(str, numbers))}.** "

    def visit_image(self, node: nodes.image) -> None:
        width = f' width="{node["width"].removesuffix("px")}"' if "width" in node else ""
        alt = html.escape(" ".join(node["alt"].split()))
        self.add(f'<img src="{self.builder.picture(node["uri"])}" alt="{alt}"{width}>')

    def visit_Player(self, node: Player) -> None:
        self.add(f'**{node["label"]}** <audio controls src="{self.builder.sound(node["path"])}"></audio>', 2, 2)

    @pushing_context
    def visit_reference(self, node: nodes.reference) -> None:
        address = node.get("refuri", "")
        if node.get("internal"):
            address = self.builder.address(address)
        elif node.astext() == address:
            self.add(f"<{address}>")
            raise nodes.SkipNode
        self._push_context(WrappedContext("[", f"]({address})") if address else SubContext())

    visit_number_reference = visit_reference

    @pushing_context
    def visit_citation(self, node: nodes.citation) -> None:
        self._push_context(SubContext(BLOCK))

    def visit_label(self, node: nodes.label) -> None:
        raise nodes.SkipNode

    def visit_target(self, node: nodes.target) -> None:
        pass


def in_table(node: nodes.Node) -> bool:
    """Whether a node stands in a table."""
    return node.parent is not None and (isinstance(node, nodes.entry) or in_table(node.parent))


class ReaderNotebooks(Builder):
    """Write each page of the book as a notebook."""

    name = format = NAME
    default_translator_class = ReaderTranslator
    supported_image_types = ["image/svg+xml", "image/png", "image/jpeg"]  # noqa: RUF012 -- as Sphinx declares it
    allow_parallel = False
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
        page, _, part = address.partition("#")
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
        """Write the index."""
        root = self.config.external_site_map.root
        parts = [("", [root.docname]), *((tree.caption, tree.files()) for tree in root.subtrees)]
        lines = [
            f"# {self.config.html_title}\n",
            "Open a notebook, and run its cells from top to bottom: each one runs alone.",
            "The numbers in the text are those that the book found when it was built.\n",
            f"{SYMBOL} marks the core path; [{self.title(PAGE)}]({PAGE}{SUFFIX}) says what it needs.\n"
            if PAGE in self.env.found_docs
            else "",
        ]
        for caption, names in parts:
            lines += [f"\n## {caption}\n"] if caption else []
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
            line += f" ([in Colab]({colab_url(self.config.repository_url, name)}))"
        return line


def remove_styles(app: Sphinx, error: Exception | None) -> None:
    """Take away the style sheet that sphinx-exercise adds to every build."""
    if error is None and app.builder.name == NAME:
        shutil.rmtree(Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    for extension in ("sphinx_markdown_builder", "repository", "core_path", "clip", "sphinx_exercise"):
        app.setup_extension(extension)
    app.add_config_value("notebooks_with_solutions", True, "", bool)
    app.add_builder(ReaderNotebooks)
    app.add_node(Folded)
    app.add_post_transform(KeepCaptions)
    app.add_post_transform(FoldSolutions)
    app.connect("build-finished", remove_styles, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
