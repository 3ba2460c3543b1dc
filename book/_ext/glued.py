"""Sphinx extension: what a notebook glues into a sentence with ``{glue:text}`` is set as the sentence is.

Words between asterisks are emphasized, and a negative number has a minus in place of a hyphen.
"""

import re

from docutils import nodes
from myst_nb.ext.glue.roles import PasteTextRole
from sphinx.application import Sphinx
from sphinx.config import Config

EMPHASIS = re.compile(r"\*(?=\S)([^*]+)(?<=\S)\*")
HYPHEN = re.compile(r"(?<![\w.)])-(?=\d)")


def with_minus(text: str) -> str:
    """Return a text whose negative numbers have a minus."""
    return HYPHEN.sub("\N{MINUS SIGN}", text)


def shown(text: str) -> list[nodes.Node]:
    """Return a glued text as the nodes that a sentence shows."""
    pieces = EMPHASIS.split(with_minus(text))  # every second one stood between asterisks
    kinds = (nodes.emphasis("", piece) if place % 2 else nodes.Text(piece) for place, piece in enumerate(pieces))
    return [node for node in kinds if node.astext()]


class GluedText(PasteTextRole):
    """``glue:text``, set as the sentence around it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the text."""
        found, messages = super().run()
        for node in found:
            if isinstance(node, nodes.inline):
                node.children = []
                node += shown(node.rawsource)
        return found, messages


def set_role(app: Sphinx, config: Config) -> None:
    """Take the place of the role of MyST-NB, which has registered it by now."""
    app.add_role_to_domain("glue", "text", GluedText(), override=True)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.connect("config-inited", set_role, priority=850)  # chinese.py has one of its own, later
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
