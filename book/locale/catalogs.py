"""Keep the catalogues of translations in step with the book: ``python book/locale/catalogs.py``, or ``make catalogs``.

Without arguments, the messages of the pages are collected anew, and each catalogue gets those that are new or changed.
A changed one keeps its old translation, marked as *fuzzy*: a translator looks at it, mends it and deletes the mark.
Where the meaning has not changed, ``--carry book/intro`` deletes the marks of a page, if its translations keep what
they have to keep (see ``messages.py``). ``--check`` changes nothing, and says what is wrong with any translation.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from messages import has_words, problems
from sphinx_intl.basic import update
from sphinx_intl.catalog import dump_po, load_po

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "book" / "locale"
LANGUAGES = sorted(path.parent.name for path in LOCALE.glob("*/config.yml"))
CODE = {  # catalogue -> what Babel calls the language, files, and the function that is given the words
    "extensions": ("python", "_ext/*.py", "_"),
    "scripts": ("javascript", "_static/*.js", "gettext"),
}
EVERYWHERE = 2**31 - 1  # characters in a line: a message stays in one, and a change of a word changes one line


def catalogues(language: str) -> dict[str, Path]:
    """Return the catalogues of a language by the pages that they are of."""
    folder = LOCALE / language / "LC_MESSAGES"
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.po"))}


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Yield the messages of a catalogue that have words."""
    return (message for message in catalogue if message.id and has_words(message.id))


def faults(path: Path) -> list[str]:
    """Return what is wrong with the translations of a page, in words."""
    found = []
    for message in messages(load_po(path)):
        start = " ".join(message.id.split())[:70]
        if message.fuzzy:
            found.append(f"“{start}” has changed: look at its translation, and delete the mark “fuzzy”")
        else:
            found += [f"“{start}” {problem}" for problem in problems(message.id.strip(), message.string.strip())]
    return found


def of_code(name: str) -> Catalog:
    """Return the messages in the code of the extensions, or of the scripts, as a template."""
    language, files, function = CODE[name]
    template = Catalog()
    for path in sorted((ROOT / "book").glob(files)):
        for _, message, *_ in extract_from_file(language, path, keywords={function: None}):
            template.add(message)
    return template


def collect(output: Path) -> Path:
    """Collect the messages of all pages and of the code, with the outputs of the notebooks from the last build.

    Returns
    -------
    Path
        Folder with a template for each page.
    """
    own = output / "catalogs"
    (own / "_build").mkdir(parents=True, exist_ok=True)
    cache = own / "_build" / ".jupyter_cache"
    if not cache.exists():
        cache.symlink_to((output / cache.name).resolve())
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--config", "book/_config.yml"]
    command += ["--toc", "book/_toc.yml", "--path-output", own, "--builder=custom", "--custom-builder=gettext"]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"MUSICWORDS_TIER": "mini"})
    templates = own / "_build" / "gettext"
    for name in CODE:
        dump_po(str(templates / f"{name}.pot"), of_code(name), width=EVERYWHERE)
    return templates


def carry(language: str, page: str) -> list[str]:
    """Delete the marks of a page, and return what is wrong with its translations: then the marks stay."""
    path = catalogues(language)[page]
    catalogue = load_po(path)
    for message in catalogue:
        message.flags.discard("fuzzy")
    wrong = [f"“{one.id[:70]}” {what}" for one in messages(catalogue) for what in problems(one.id, one.string)]
    if not wrong:
        dump_po(path, catalogue, width=EVERYWHERE, ignore_obsolete=True)
    return wrong


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="say what is wrong with the translations")
    group.add_argument("--carry", metavar="PAGE", nargs="+", help="the meaning of these pages has not changed")
    parser.add_argument("--output", type=Path, default=ROOT / "_build", help="folder of the last build")
    options = parser.parse_args()
    wrong = []
    for language in LANGUAGES:
        if options.carry:
            wrong += [f"{page}: {fault}" for page in options.carry for fault in carry(language, page)]
        elif options.check:
            wrong += [f"{page}: {fault}" for page, path in catalogues(language).items() for fault in faults(path)]
    if not options.check and not options.carry:
        update(str(LOCALE), str(collect(options.output)), LANGUAGES, line_width=EVERYWHERE, ignore_obsolete=True)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
