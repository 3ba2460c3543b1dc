"""Sphinx extension: what a screen reader, a keyboard and a small screen need that Sphinx and the theme do not give.

- The picture of a figure has a box of its own, which scrolls where the picture is wider than the screen, while the
  caption stays. ``_static/scrolling.js`` names the box and lets the keyboard reach it.
- The bibliography is no list to a screen reader: docutils says that it is, with entries that are none.
- What folds code is read with the words that it shows.
- What is in an exercise or a solution has no name: sphinx-exercise gives all of them on a page the same one.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

CHANGES = {
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<section id="exercise-content">': "<section>",
    '<section id="solution-content">': "<section>",
}


class BoxPictures(SphinxPostTransform):
    """Put the picture of each figure into a box that can scroll."""

    default_priority = 200  # after MyST-NB has chosen what to show of an output
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Change the figures of one page."""
        for figure in self.document.findall(nodes.figure):
            for part in list(figure.children):
                if isinstance(part, nodes.image) or (isinstance(part, nodes.reference) and part.next_node(nodes.image)):
                    figure.replace(part, nodes.container("", part, classes=["figure-scroller"]))


def correct_roles(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Take wrong roles and names out of the body of a page."""
    for wrong, right in CHANGES.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_post_transform(BoxPictures)
    app.connect("html-page-context", correct_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
