"""Sphinx extension: the directive ``live-description``, which describes a sound of the reader in the browser.

::

    :::{live-description}
    :clip: jig-fiddle
    What the models get wrong, in a few sentences.
    :::

The option names the clip that the menu shows first. ``_static/live_description.js`` takes a clip of the book, a file or
a recording, and shows what the models of ``_static/live_description_model.js`` say of it. They are loaded when there is
a sound: see ``live.py``. If they were not made, the page says how to make them.

In the text, ``{true test}`` stands for the share of the captioner's statements that are true on a set of its scores,
``{deaf test}`` for that of the captioner without audio, and ``{changed}`` for a share above that of the captions of the
book's sounds that the rounding of the weights has changed, such as ``3 of 10``.
"""

import csv
import gzip
import html
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from live import MADE, NO_DATA, Live, LiveDirective, Words, add_widget
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
GROUPS = ("runtime", "clips", "description")
METHODS = {"true": "captioner", "deaf": "captioner without audio"}
NUMBER = re.compile(r"\{(true|deaf) (\w+)\}")
LABELS = {
    "clip": "A clip of the book",
    "describe": "Describe it",
    "file": "Or a file of yours: choose it, or drop it here",
    "record": "Or record up to 30 seconds",
    "stop": "Stop",
    "private": "What you choose or record stays in your browser: nothing is sent anywhere.",
}
# What the script says: the names are those of live_description.js, the words in braces are filled in by it.
MESSAGES = {
    "loading": "Loading the models, once: {percent} % of {size} MB.",
    "preparing": "Preparing the models …",
    "reading": "Reading the sound …",
    "hearing": "The models are listening.",
    "window": "Described: {done} of {windows} parts.",
    "described": "Described up to {end}.",
    "stopped": "Stopped. Described up to {end}.",
    "nothing": "Stopped before anything was described.",
    "asking": "The browser asks whether this page may use the microphone.",
    "listening": "Recording: {seconds} of {most} seconds. “Stop” ends the recording and describes it.",
    "recording": "Your recording",
    "captions": "A caption for each ten seconds",
    "time": "time",
    "caption": "caption",
    "quiet": "(silence)",
    "tags": "Tags over time, in percent",
    "tag": "tag",
    "nearest": "The clips of the book that sound most similar, the nearest one first:",
    "similarity": "similarity {value}",
    "cut": "Only the first three minutes are described. The rest, from {from} to {to}, is left out.",
    "short": "The sound lasts {seconds} seconds. It is repeated, because the models hear ten seconds at once.",
    "silent": "“{name}” is silent. Look whether it is the right file, and whether the recording worked.",
    "unreadable": "This browser finds no sound in “{name}”. Most browsers read WAV, MP3, FLAC and Ogg files.",
    "long": "“{name}” is longer than {minutes} minutes, which may be too much for a browser. Cut out a part of it.",
    "deaf": "The browser gives this page no microphone. Allow it, or look whether one is connected, and try again.",
    "failed": "The description could not be loaded: {file} did not arrive. Look whether there is a connection, "
    "and try again.",
    "broken": "The description does not run in this browser: {reason}",
    "file": "The description needs a web server, and this page was opened as a file. Run “python -m http.server” in "
    "the folder that has index.html, and open http://localhost:8000 in the browser.",
}
NO_SCRIPT = "The description needs JavaScript, which is off in this browser."
NOT_MADE = (
    "This copy of the book was built without the models that describe a sound. Install Node.js, which brings npm, and "
    "run make book."
)
ELSEWHERE = "In the pages of the book you can let models describe a sound of your own here."


class LiveDescription(Live):
    """A place to give a sound, with the ``clips`` of ``sounds``, and the name of the ``first`` one that is shown."""


class ShowLiveDescription(LiveDirective):
    """Show a place to give a sound."""

    option_spec = {"clip": directives.unchanged_required}  # noqa: RUF012 -- docutils asks for a plain attribute
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return it, or what to do where its parts were not made, or warn of what the directive lacks."""
        if not self.content or "clip" not in self.options:
            logger.warning(
                "a live-description needs `:clip:`, and a text that says what the models get wrong",
                location=self.get_location(),
            )
            return []
        from musicwords.checkpoints import SHIPPED

        card = SHIPPED / "captioner" / "scores.csv"
        self.env.note_dependency(str(card))
        described = nodes.container(classes=["live-limits"])
        parts = self.parts()
        changed = f"{tenths(**parts['description'])} of 10" if parts else NO_DATA
        lines = [NUMBER.sub(lambda match: share(card, *match.groups()), line) for line in self.content]
        lines = [line.replace("{changed}", changed) for line in lines]
        self.state.nested_parse(lines, self.content_offset, described)
        if parts is None:
            return [self.said(nodes.paragraph, NOT_MADE, classes=["live-missing"]), described]
        widget = self.widget(
            LiveDescription,
            parts,
            GROUPS,
            number=self.env.new_serialno("live-description"),
            elsewhere=ELSEWHERE,
            clips=sounds(Path(self.env.srcdir) / MADE / "parts" / parts["clips"]["key"]),
            first=self.options["clip"],
        )
        widget += [self.said(Words, words, kind=kind) for kind, words in (LABELS | {"noscript": NO_SCRIPT}).items()]
        widget += self.messages(MESSAGES)
        return [widget, described]


def tenths(sounds: int, changed: int, **others) -> int:
    """Return the next tenth above the share of changed captions, of which another machine may have one or two more."""
    return 10 * changed // sounds + 1


def share(card: Path, kind: str, name: str) -> str:
    """Return the share of true statements in plain captions of a set, such as ``0.82``, from the captioner's scores.

    Raises
    ------
    ValueError
        If the scores have no such set.
    """
    with card.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if (row["set"], row["task"], row["method"], row["metric"]) == (name, "plain", METHODS[kind], "precision"):
                return f"{float(row['value']):.2f}"
    raise ValueError(f"{card.name} of the captioner has no plain captions of the set {name!r}: name another set.")


def sounds(folder: Path) -> list[tuple[str, str, str]]:
    """Return the name of each clip, its title, and the name of the file with its sound."""
    clips = json.loads(gzip.decompress((folder / "clips.json.gzip").read_bytes()))
    return [(clip["name"], clip["title"], clip["sound"]) for clip in clips]


def write_widget(translator: object, node: LiveDescription) -> None:
    """Write the widget, off until the script turns it on, with a place for what is said."""
    name = f"live-description-{node['number']}"
    label = {kind: node.words(kind)[0] for kind in (*LABELS, "noscript")}
    options = "".join(
        f'<option value="{sound}"{" selected" if clip == node["first"] else ""}>{html.escape(title)}</option>'
        for clip, title, sound in node["clips"]
    )
    translator.body.append(
        f'<div class="live-description" {node.attributes_of_parts()}>\n<form>\n'
        f'<p><label for="{name}-clip">{label["clip"]}</label>\n'
        f'<select id="{name}-clip" disabled>{options}</select>\n'
        f'<button type="button" class="live-clip" disabled>{label["describe"]}</button></p>\n'
        f'<p><label for="{name}-file">{label["file"]}</label>\n'
        f'<input type="file" id="{name}-file" accept="audio/*" disabled></p>\n'
        f'<p><button type="button" class="live-record" disabled>{label["record"]}</button></p>\n</form>\n'
        f"<p>{label['private']}</p>\n"
        '<div class="live-own"></div>\n'
        '<div class="live-bar"><p class="live-status" role="status" tabindex="-1"></p>\n'
        f'<button type="button" class="live-stop" hidden>{label["stop"]}</button></div>\n'
        '<p class="live-notes"></p>\n<div class="live-described"></div>\n'
        f"{node.messages()}\n<noscript><p>{label['noscript']}</p></noscript>\n</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("live")
    app.add_node(LiveDescription, html=(write_widget, None))
    app.add_directive("live-description", ShowLiveDescription)
    add_widget(app, "live-description", GROUPS, ("live_description.css", "live_description.js"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
