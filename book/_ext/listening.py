"""Sphinx extension: the directive ``listening``, a listening test in the page.

::

    :::{listening}
    :::

What is heard stands in ``book/data/listening.yml``, and ``book/data/listening.py`` makes the sounds, once for each
state of what they are made of: they are kept in ``_build/listening``. ``listening.js`` and ``listening_results.js``
run the test; a page without a test does not load them.

All words of the test are text in the doctree of the page, so that its gettext catalogue has them. Other builders than
that of the pages say that the test is there.
"""

import base64
import hashlib
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from words import _

DATA = Path("book") / "data"
FILES = (DATA / "listening.yml", DATA / "listening.py", DATA / "generated.py")  # what says how the sounds are made
CHECKPOINTS = ("codec", "musicgen", "diffusion")
SCRIPTS = ("listening_results.js", "listening.js")
HOW = (
    "Each page is done when you have played every sound and answered every question. "
    "Your marks stay in this browser until you clear them, and are sent to nobody."
)
ELSEWHERE = "The test runs in the pages of the book, in a browser."
WORDS = {  # name -> what listening.js shows, with places for names and numbers
    "begin": "Begin the test",
    "resume": "Go on with page {page} of {pages}",
    "page": "Page {page} of {pages}",
    "mushra": "How close is each sound to the reference? One of them is the reference itself.",
    "levels": "bad, poor, fair, good, excellent",
    "sound": "Which of the two sounds better?",
    "fit": "Which of the two fits this sentence better?",
    "neither": "No difference",
    "reference": "Reference",
    "play": "Play {name}",
    "stop": "Stop {name}",
    "mark": "Mark of {name}",
    "unmarked": "no mark yet",
    "next": "Next page",
    "finish": "Finish, and show the answers",
    "unplayed": "Still to play: {names}.",
    "unanswered": "Still to mark: {names}.",
    "unchosen": "Still to choose: one of the answers.",
    "failed": "The sound of {name} could not be loaded. Check the connection, and press its button again.",
    "done": "The test is done. What you heard, and your marks:",
    "heading": "Sound",
    "what": "What it was",
    "yours": "Your mark",
    "better": "better",
    "other": "not chosen",
    "download": "Download the marks (CSV)",
    "clear": "Clear my marks",
    "cleared": "Your marks are cleared.",
    "forgetful": "This browser keeps no marks for this page: download them before you leave it.",
}


class Listening(nodes.General, nodes.Element):
    """A listening test: a paragraph, and the words of the script."""


class Word(nodes.General, nodes.TextElement):
    """What the script shows somewhere, with its ``name``."""


class ShowListening(SphinxDirective):
    """Show the listening test."""

    def run(self) -> list[nodes.Node]:
        """Return the test, or warn that a file is missing."""
        from musicwords import checkpoints

        root = Path(self.env.srcdir)
        if missing := [file.as_posix() for file in FILES if not (root / file).is_file()]:
            message = "the listening test needs %s"
            logging.getLogger(__name__).warning(message, ", ".join(missing), location=self.get_location())
            return []
        for file in (*(root / file for file in FILES), Path(checkpoints.__file__).with_name("registry.json")):
            self.env.note_dependency(str(file))
        test = Listening("", self.said(nodes.paragraph, HOW), self.said(nodes.paragraph, ELSEWHERE))
        test += [self.said(Word, words, name=name) for name, words in WORDS.items()]
        return [test]

    def said(self, kind: type, source: str, **attributes) -> nodes.TextElement:
        """Return words as a node that can be translated: the catalogues leave out what has no source."""
        node = kind(source, source, **attributes)
        self.set_source_info(node)
        return node


class PlainListening(SphinxPostTransform):
    """Let builders of other formats than HTML see no node of ours."""

    default_priority = 200

    def run(self, **kwargs) -> None:
        """Change the tests of one page."""
        builder = self.app.builder
        if builder.name == "gettext" or builder.format == "html":
            return
        for test in list(self.document.findall(Listening)):
            test.parent.replace(test, test[1])


def state(root: Path) -> str:
    """Return a name for what the sounds are made of: the files that say how, and the weights of the mini checkpoints.

    A clip of the set that was made anew comes with another ``metadata.jsonl``, whose bytes count too.
    """
    from musicwords.checkpoints import REGISTRY, SHIPPED

    digest = hashlib.sha256()
    clips = SHIPPED.with_name("clips") / "metadata.jsonl"
    for part in [*(root / file for file in FILES), clips]:
        digest.update(part.read_bytes())
    digest.update(json.dumps([REGISTRY[name]["mini"]["sha256"] for name in CHECKPOINTS]).encode())
    return digest.hexdigest()[:16]


def sounds(root: Path) -> Path:
    """Return the folder with the sounds of the test, which are made if they are not there yet.

    Raises
    ------
    RuntimeError
        If they cannot be made: with what the script said.
    """
    folder = root / "_build" / "listening" / state(root)
    if (folder / "made.json").is_file():
        return folder
    logging.getLogger(__name__).info("making the sounds of the listening test, in about half a minute")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        made = Path(unfinished) / folder.name
        command = [sys.executable, str(root / DATA / "listening.py"), str(made)]
        done = subprocess.run(command, env=os.environ | {"MUSICWORDS_TIER": "mini"}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
        try:
            made.rename(folder)
        except OSError:  # another build was faster
            if not (folder / "made.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
    return folder


def write_test(translator: object, node: Listening) -> None:
    """Write the paragraph, the sounds, and for the script what it shows.

    A sound is a data URI here; ``self_contained.py`` makes it a file, which is loaded when it is played.
    """
    root = Path(translator.builder.srcdir)
    folder = sounds(root)
    test = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    trials = [trial for group in test["groups"] for block in group for trial in block]
    files = sorted({stimulus["file"] for trial in trials for stimulus in trial["stimuli"]})
    words = {word["name"]: word.astext() for word in node.findall(Word)}
    attributes = {"data-test": test | {"state": folder.name, "sounds": files}, "data-words": words}
    written = "".join(
        f" {name}='{html.escape(json.dumps(value, ensure_ascii=False))}'" for name, value in attributes.items()
    )
    translator.body.append(f'<div class="listening"{written}>\n<p>{html.escape(node[0].astext())}</p>\n')
    translator.body.append("<noscript><p>" + html.escape(_("The test needs JavaScript.")) + "</p></noscript>\n")
    translator.body.append('<div class="sounds">\n')  # which the PDF shows as one
    for number, file in enumerate(files, start=1):
        data = base64.b64encode((folder / file).read_bytes()).decode()
        source = f'src="data:audio/mpeg;base64,{data}"'
        label = html.escape(_("Sound {number} of the test").format(number=number))
        translator.body.append(f'<audio preload="none" aria-label="{label}" {source}></audio>\n')
    translator.body.append("</div>\n</div>\n")
    raise nodes.SkipNode


def add_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Load the scripts in a page with a test."""
    if doctree is not None and next(doctree.findall(Listening), None) is not None:
        for script in SCRIPTS:
            app.add_js_file(script)


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.setup_extension("words")
    app.add_node(Listening, html=(write_test, None))
    app.add_node(Word)
    app.add_directive("listening", ShowListening)
    app.add_post_transform(PlainListening)
    app.connect("html-page-context", add_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
