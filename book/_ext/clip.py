"""Sphinx extension: the directive ``clip``, a player for a clip of the book in a page that runs no code.

::

    :::{clip} chorale-choir
    :label: A
    One sentence on what to listen for.
    :::

The name is one of those in ``musicwords/data/clips/metadata.jsonl``, or ``generated/`` and one of those in
``book/data/generated/metadata.jsonl``, which ``book/data/generated.py`` made. Without a label the title is shown; that
of a generated clip has its checkpoint, its prompt and its seed.
The sentence may hold links and terms, and may be missing. Clips that follow each other stand side by side.
"""

import html
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from table_nodes import has_words

GENERATED = Path("book") / "data" / "generated"
PLACE = "{label}"


class Player(nodes.General, nodes.Element):
    """A player: its label and its description are its content.

    The HTML around them stands in ``row``, ``before`` and ``after``, with ``PLACE`` for the label. ``path`` is the file
    that it plays.
    """


class Label(nodes.General, nodes.TextElement):
    """The words above a player, which are a message if the page gives them, and a name if the clip does."""


class Clip(SphinxDirective):
    """Show a clip as ``musicwords.listen`` does in a notebook."""

    required_arguments = 1
    option_spec = {"label": directives.unchanged_required}  # noqa: RUF012 -- docutils asks for a plain attribute
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the player, or warn of a name that is no clip."""
        # Imported here, since it takes seconds and most builds of a page show no clip.
        from musicwords.clips import CLIPS, load_audio, load_clips
        from musicwords.listen import ROW, Sound, player

        folder, _, name = self.arguments[0].rpartition("/")
        source = Path(self.env.srcdir) / GENERATED if folder == GENERATED.name else CLIPS
        clips = {clip["name"]: clip for clip in load_clips(source)}
        if name not in clips:
            logging.getLogger(__name__).warning(
                "there is no clip %s: the clips are %s",
                self.arguments[0],
                ", ".join(clips),
                location=self.get_location(),
            )
            return []
        clip = clips[name]
        path = clip["audio"]["path"]
        self.env.note_dependency(path)
        rate = 32_000
        label = self.options.get("label", clip["title"])
        before, after = player(Sound(load_audio(path, rate), rate, PLACE))
        node = Player("", Label(label, label), row=ROW, before=before, after=after, path=path)
        self.set_source_info(node)
        if "label" in self.options and has_words(label):
            self.set_source_info(node[0])
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def labeled(node: Player, part: str) -> str:
    """Return the HTML before or after the description, with the label."""
    return node[part].replace(PLACE, html.escape(node[0].astext()))


def skip_label(translator: object, node: Label) -> None:
    """Leave out the label, which the HTML of its player has."""
    raise nodes.SkipNode


def visit_player(translator: object, node: Player) -> None:
    """Write what stands before the description, and open the row with the first of several players."""
    place = node.parent.index(node)
    if place == 0 or not isinstance(node.parent[place - 1], Player):
        translator.body.append(node["row"])
    translator.body.append(labeled(node, "before"))


def depart_player(translator: object, node: Player) -> None:
    """Write what stands behind the description, and close the row with the last of several players."""
    translator.body.append(labeled(node, "after"))
    if not isinstance(node.next_node(descend=False, siblings=True), Player):
        translator.body.append("</div>")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(Player, html=(visit_player, depart_player))
    app.add_node(Label, html=(skip_label, None))
    app.add_directive("clip", Clip)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
