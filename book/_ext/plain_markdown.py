"""A page of the book as the plain Markdown that Jupyter shows, with a mark where each cell of code stands."""

import html
import re

from cells import Unindexed
from clip import Label, Player
from docutils import nodes
from sphinx.util.math import get_node_equation_number
from sphinx_exercise.nodes import exercise_enumerable_node
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

EDGE = "\0"  # before and after what is said of a cell of code, where it stands in the text: nothing at a heading
SPECIAL = re.compile(r"[\\*_`$<~]")
BLOCK = SubContextParams(2, 2)  # an empty line before and after


def is_cell(node: nodes.Node) -> bool:
    """Whether a node is a cell of code, with its outputs."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


class Folded(nodes.General, nodes.Element):
    """A part of a solution, which a click unfolds."""


def in_table(node: nodes.Node) -> bool:
    """Whether a node stands in a table."""
    return node.parent is not None and (isinstance(node, nodes.entry) or in_table(node.parent))


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


class PlainTranslator(MarkdownTranslator):
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
        self.add(f'**{node[0].astext()}** <audio controls src="{self.builder.sound(node["path"])}"></audio>', 2, 2)

    def visit_Label(self, node: Label) -> None:
        raise nodes.SkipNode

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
