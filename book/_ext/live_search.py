"""Sphinx extension: the directive ``live-search``, a field in which a reader searches the clips of the book by words.

::

    :::{live-search}
    :examples: slow piano | fast folk dance | 安静的钢琴曲
    What the search cannot do, in two or three sentences.
    :::

The browser of the reader ranks the clips: ``_static/live_search.js`` shows them, ``_static/live_model.js`` runs the
text tower of the mini CLAP. Both are loaded by the first key: see ``live.py``. If what they load was not made, the
page says how to make it. ``{difference}`` in the text stands for what the rounding of the weights changes in a
similarity, at most.
"""

import math

from docutils import nodes
from docutils.parsers.rst import directives
from live import NO_DATA, Live, LiveDirective, Words, add_widget
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
GROUPS = ("runtime", "clips", "search")
LABEL = "What do you want to hear? Write in English or Chinese."
EXAMPLES = "For example:"
# What the script says: the names are those of live_search.js, the words in braces are filled in by it.
MESSAGES = {
    "loading": "Loading the model, once: {percent} % of {size} MB.",
    "preparing": "The model is here, and is being prepared.",
    "found": "The {shown} of {clips} clips that fit best, the best one first:",
    "similarity": "similarity {value}",
    "failed": "The search could not be loaded: {file} did not arrive. "
    "Look whether there is a connection, and press Enter to try again.",
    "broken": "The search does not run in this browser: {reason}",
    "file": "The search needs a web server, and this page was opened as a file. Run “python -m http.server” in the "
    "folder that has index.html, and open http://localhost:8000 in the browser.",
}
NO_SCRIPT = "The search needs JavaScript, which is off in this browser."
NOT_MADE = (
    "This copy of the book was built without its search by words. Install Node.js, which brings npm, and run make book."
)
ELSEWHERE = "In the pages of the book there is a search field here."


class LiveSearch(Live):
    """A search field."""


class ShowLiveSearch(LiveDirective):
    """Show a search field."""

    option_spec = {"examples": directives.unchanged_required}  # noqa: RUF012 -- docutils asks for a plain attribute
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the field, or what to do where its parts were not made, or warn of what the directive lacks."""
        if not self.content or "examples" not in self.options:
            logger.warning(
                "a live-search needs `:examples:`, and a text that says what it cannot do", location=self.get_location()
            )
            return []
        parts = self.parts()
        difference = f"{math.ceil(parts['search']['difference'] * 1000) / 1000:.3f}" if parts else NO_DATA
        described = nodes.container(classes=["live-limits"])
        lines = [line.replace("{difference}", difference) for line in self.content]
        self.state.nested_parse(lines, self.content_offset, described)
        if parts is None:
            return [self.said(nodes.paragraph, NOT_MADE, classes=["live-missing"]), described]
        number = self.env.new_serialno("live-search")
        field = self.widget(LiveSearch, parts, GROUPS, number=number, elsewhere=ELSEWHERE)
        field += [self.said(Words, LABEL, kind="label"), self.said(Words, EXAMPLES, kind="before")]
        field += [self.said(Words, one.strip(), kind="example") for one in self.options["examples"].split("|")]
        field += [self.said(Words, NO_SCRIPT, kind="noscript"), *self.messages(MESSAGES)]
        return [field, described]


def write_field(translator: object, node: LiveSearch) -> None:
    """Write the field, off until the script turns it on, with a place for what is found."""
    name = f"live-search-{node['number']}"
    translator.body.append(
        f'<div class="live-search" {node.attributes_of_parts()}>\n'
        f'<form><label for="{name}">{node.words("label")[0]}</label>\n'
        f'<input type="search" id="{name}" autocomplete="off" spellcheck="false" maxlength="400" disabled>\n'
        f"<p>{node.words('before')[0]} {node.examples()}</p></form>\n"
        f'<p class="live-status" role="status"></p>\n<ol class="live-results sounds"></ol>\n'
        f"{node.messages()}\n"
        f"<noscript><p>{node.words('noscript')[0]}</p></noscript>\n</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("live")
    app.add_node(LiveSearch, html=(write_field, None))
    app.add_directive("live-search", ShowLiveSearch)
    add_widget(app, "live-search", GROUPS, ("live_search.css", "live_search.js"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
