"""Sphinx extension: what a page shows of a notebook's code, and what the search finds of it.

In the notebook itself nothing is hidden. In a page of the book

- a cell with the tag ``colab`` is not shown: who reads a page installs nothing,
- the code of a cell with the tag ``hide-input`` is folded behind a click, which MyST-NB does by itself,
- and neither is in the search index: a search for a library would otherwise list every notebook, for its imports.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class Unindexed(nodes.comment):
    """A part of a page that a reader sees and the search does not.

    Sphinx leaves comments out of the search index, so this is one, except that it is shown.
    """


class HideCells(SphinxPostTransform):
    """Take the cells for Colab out of the pages, and folded code out of the search index."""

    default_priority = 198  # before MyST-NB wraps what is folded, at 199
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Change the cells of one page."""
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") != "cell_code":
                continue
            tags = cell["cell_metadata"].get("tags", [])
            if "colab" in tags:
                cell.parent.remove(cell)
            elif "hide-input" in tags:
                for source in cell.children:
                    if source.get("nb_element") == "cell_code_source":
                        code = source.children
                        source.clear()
                        source.append(Unindexed("", "", *code))


def show_children(translator: object, node: Unindexed) -> None:
    """Write no tag of its own for what is left out of the index, only what is in it."""


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(Unindexed, html=(show_children, show_children))
    app.add_post_transform(HideCells)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
