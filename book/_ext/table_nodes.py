"""How the directives of the book make a table, so that the gettext catalogue of the page has its words."""

import re
from collections.abc import Iterable, Mapping, Sequence

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

# Roles, code, where links lead, and counts, whose words are those of the code.
SAME_EVERYWHERE = re.compile(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)\s]*\)|\d+ of \d+")
WORD = re.compile(r"[a-z]{2}")


def has_words(text: str) -> bool:
    """Tell whether a line of MyST has words to translate: a number, an acronym, code or a citation has none."""
    return WORD.search(SAME_EVERYWHERE.sub(" ", text)) is not None


def same(directive: SphinxDirective, text: str) -> nodes.paragraph:
    """Return a line of MyST as a paragraph that is the same in all languages."""
    return nodes.paragraph(text, "", *directive.state.inline_text(text, directive.lineno)[0])


def line(directive: SphinxDirective, text: str) -> nodes.paragraph:
    """Return a line of MyST as a paragraph. If it has words, the catalogue of the page has them."""
    paragraph = same(directive, text)
    if has_words(text):
        directive.set_source_info(paragraph)  # the catalogues leave out what has no source
    return paragraph


def page_link(directive: SphinxDirective, name: str) -> addnodes.pending_xref:
    """Return a link to a page, with its title."""
    return addnodes.pending_xref("", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{name}",
                                 refexplicit=False, refwarn=True, refdoc=directive.env.docname)  # fmt: skip


def table(
    directive: SphinxDirective,
    columns: Mapping[str, int],
    rows: Iterable[Sequence[Sequence[nodes.Node]]],
    *classes: str,
) -> nodes.table:
    """Return a table.

    Parameters
    ----------
    directive : that shows it
    columns : head of each column, and its share of the width
    rows : of cells, each of which is a sequence of nodes
    classes : of the table, for the style sheet and the scripts
    """
    heads = [nodes.paragraph(head, head) for head in columns]
    for head in heads:
        directive.set_source_info(head)
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in columns.values()), cols=len(columns))
    group += nodes.thead("", nodes.row("", *(nodes.entry("", head) for head in heads)))
    group += nodes.tbody("", *(nodes.row("", *(nodes.entry("", *cell) for cell in row)) for row in rows))
    return nodes.table("", group, classes=list(classes))
