"""How the directives of the book make a table."""

from collections.abc import Iterable, Mapping, Sequence

from docutils import nodes


def table(columns: Mapping[str, int], rows: Iterable[Sequence[Sequence[nodes.Node]]], *classes: str) -> nodes.table:
    """Return a table.

    Parameters
    ----------
    columns : head of each column, and its share of the width
    rows : of cells, each of which is a sequence of nodes
    classes : of the table, for the style sheet and the scripts
    """
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in columns.values()), cols=len(columns))
    group += nodes.thead("", nodes.row("", *(nodes.entry("", nodes.paragraph("", head)) for head in columns)))
    group += nodes.tbody("", *(nodes.row("", *(nodes.entry("", *cell) for cell in row)) for row in rows))
    return nodes.table("", group, classes=list(classes))
