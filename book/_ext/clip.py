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

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

GENERATED = Path("book") / "data" / "generated"


class Player(nodes.General, nodes.Element):
    """A player: its description is its content, the HTML around it stands in ``row``, ``before`` and ``after``.

    ``path`` and ``label`` are the file that it plays and the words above it.
    """


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
        before, after = player(Sound(load_audio(path, rate), rate, label))
        node = Player("", row=ROW, before=before, after=after, path=path, label=label)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def visit_player(translator: object, node: Player) -> None:
    """Write what stands before the description, and open the row with the first of several players."""
    place = node.parent.index(node)
    if place == 0 or not isinstance(node.parent[place - 1], Player):
        translator.body.append(node["row"])
    translator.body.append(node["before"])


def depart_player(translator: object, node: Player) -> None:
    """Write what stands behind the description, and close the row with the last of several players."""
    translator.body.append(node["after"])
    if not isinstance(node.next_node(descend=False, siblings=True), Player):
        translator.body.append("</div>")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(Player, html=(visit_player, depart_player))
    app.add_directive("clip", Clip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
