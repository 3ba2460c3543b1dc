"""Sphinx extension: the directive ``live-generate``, with which a reader generates music in the browser.

::

    :::{live-generate}
    :examples: A slow piece for piano. | 一首快速的吉他曲
    What the model cannot do, in two or three sentences.
    :::

The first example stands in the field from the beginning, so that one click gives something to hear.
``_static/live_generate.js`` shows what ``_static/live_generator.js`` makes in a worker. Both are loaded by the first
click: see ``live.py``. If what they load was not made, the page says how to make it.
"""

import html

from docutils import nodes
from docutils.parsers.rst import directives
from live import Live, LiveDirective, Words, add_widget
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
GROUPS = ("runtime", "generate")
# Name of a field -> its label, the value that it begins with, the least and the largest, and its step.
TEXTS = {
    "prompt": "What do you want to hear? Write in English or Chinese.",
    "negative": "Negative prompt: what do you not want to hear?",
}
NUMBERS = {
    "guidance": ("Guidance scale", 4, 0, 100, "any"),
    "steps": ("Steps", 20, 1, 100, 1),
    "seed": ("Seed", 0, 0, 2**32 - 1, 1),
    "seconds": ("Seconds", 10, 1, 10, "any"),
}
LONGEST = 2000  # characters of a text; the model reads far fewer
EXAMPLES = "For example:"
SETTINGS = "Settings"
# Buttons, and what the script says: the names are those of live_generate.js, which fills in the words in braces.
MESSAGES = {
    "generate": "Generate",
    "stop": "Stop",
    "again": "With the next seed",
    "loading": "Loading the model, once: {percent} % of {size} MB.",
    "preparing": "Preparing the model …",
    "started": "Generating.",
    "step": "Step {step} of {steps}, {seconds} s",
    "done": "The sound is here, after {seconds} s.",
    "stopped": "Stopped.",
    "unread": "The model knows only {known} of the {pieces} word pieces of “{text}”. Write in English or Chinese.",
    "unknown": "It does not know {unknown} of the {pieces} word pieces of “{text}”.",
    "left": "Of “{text}” it read {read} word pieces, and left out the last {left}.",
    "number": "{field} is “{value}”. Write a number from {low} to {high}.",
    "whole": "{field} is “{value}”. Write a whole number from {low} to {high}.",
    "empty": "Without a prompt",
    "made": "mini diffusion model; seed {seed}, steps {steps}, guidance scale {guidance}",
    "against": "negative prompt “{negative}”",
    "louder": "made {decibels} dB louder for this player",
    "softer": "made {decibels} dB softer for this player",
    "alt": "Mel spectrogram, {seconds} seconds: most of its energy lies between {low} and {high} Hz.",
    "guess": "Mel spectrogram of what the model expects at this step.",
    "download": "Download as WAV",
    "failed": "The model could not be loaded: {file} did not arrive. "
    "Look whether there is a connection, and press Generate to try again.",
    "broken": "The model does not run in this browser: {reason}",
    "file": "The model needs a web server, and this page was opened as a file. Run “python -m http.server” in the "
    "folder that has index.html, and open http://localhost:8000 in the browser.",
}
NO_SCRIPT = "Generating needs JavaScript, which is off in this browser."
NOT_MADE = (
    "This copy of the book was built without its model of music. Install Node.js, which brings npm, and run make book."
)
ELSEWHERE = "In the pages of the book one can generate music here."


class LiveGenerate(Live):
    """The fields and buttons of a generator."""


class ShowLiveGenerate(LiveDirective):
    """Show a generator."""

    option_spec = {"examples": directives.unchanged_required}  # noqa: RUF012 -- docutils asks for a plain attribute
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the generator, or what to do where its parts were not made, or warn of what the directive lacks."""
        if not self.content or "examples" not in self.options:
            logger.warning(
                "a live-generate needs `:examples:`, and a text that says what the model cannot do",
                location=self.get_location(),
            )
            return []
        parts = self.parts()
        described = nodes.container(classes=["live-limits"])
        self.state.nested_parse(self.content, self.content_offset, described)
        if parts is None:
            return [self.said(nodes.paragraph, NOT_MADE, classes=["live-missing"]), described]
        number = self.env.new_serialno("live-generate")
        made = self.widget(LiveGenerate, parts, GROUPS, number=number, elsewhere=ELSEWHERE)
        labels = TEXTS | {name: label for name, (label, *_) in NUMBERS.items()}
        made += [self.said(Words, label, kind=name) for name, label in labels.items()]
        made += [self.said(Words, EXAMPLES, kind="before"), self.said(Words, SETTINGS, kind="settings")]
        made += [self.said(Words, one.strip(), kind="example") for one in self.options["examples"].split("|")]
        made += [self.said(Words, NO_SCRIPT, kind="noscript"), *self.messages(MESSAGES)]
        return [made, described]


def write_generator(translator: object, node: LiveGenerate) -> None:
    """Write fields and buttons, off until the script turns them on, with places for what is generated."""
    name = f"live-generate-{node['number']}"
    messages = {one["name"]: html.escape(one.astext()) for one in node if one["kind"] == "message"}

    def field(kind: str, **attributes) -> str:
        label = f'<label for="{name}-{kind}">{node.words(kind)[0]}</label>'
        given = " ".join(f'{key}="{value}"' for key, value in attributes.items())
        return f'{label}\n<input id="{name}-{kind}" name="{kind}" autocomplete="off" {given} disabled>\n'

    text = {"type": "text", "spellcheck": "false", "maxlength": LONGEST}
    prompt, negative = field("prompt", value=node.words("example")[0], **text), field("negative", **text)
    numbers = [
        f"<div>{field(kind, type='number', value=value, min=low, max=high, step=step)}</div>\n"
        for kind, (_, value, low, high, step) in NUMBERS.items()
    ]
    translator.body.append(
        f'<div class="live-generate" {node.attributes_of_parts()}>\n<form novalidate>\n{prompt}'
        f"<p>{node.words('before')[0]} {node.examples()}</p>\n"
        f'<details class="live-settings"><summary>{node.words("settings")[0]}</summary>\n{negative}'
        f'<div class="live-numbers">{"".join(numbers)}</div></details>\n'
        f'<p><button type="submit" class="live-start" disabled>{messages["generate"]}</button>\n'
        f'<button type="button" class="live-again" disabled hidden>{messages["again"]}</button></p></form>\n'
        f'<p class="live-status" role="status"></p>\n'
        f'<div class="live-progress" hidden><p class="live-step"></p><progress></progress><canvas role="img" hidden>'
        f'</canvas></div>\n<ol class="live-results sounds" reversed></ol>\n{node.messages()}\n'
        f"<noscript><p>{node.words('noscript')[0]}</p></noscript>\n</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("live")
    app.add_node(LiveGenerate, html=(write_generator, None))
    app.add_directive("live-generate", ShowLiveGenerate)
    add_widget(app, "live-generate", GROUPS, ("live_generate.css", "live_generate.js"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
