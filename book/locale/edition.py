"""Build the book in another language beside the English pages: ``python book/locale/edition.py _build zh_CN``.

The notebooks are not executed again: their outputs come from the cache of the English pages. What both editions would
have, such as scripts, sounds and figures, stands once, in the folder of the English pages. With ``--notebooks`` the
notebooks that readers open are written instead of the pages.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from filecmp import cmp
from pathlib import Path

import yaml
from sphinx_intl.catalog import load_po, write_mo

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("_static", "_images")  # folders whose files are left out where the English pages have the same
LINK = re.compile(rf'((?:src|href)=")((?:\.\./)*)((?:{"|".join(SHARED)})/[^"?#]+)')


def folder(language: str) -> str:
    """Return the folder of an edition among the pages, such as ``zh``."""
    return language.partition("_")[0]


def merged(config: dict, changes: dict) -> dict:
    """Return settings with changes, which may be nested."""
    nested = {key: merged(config[key], one) for key, one in changes.items() if isinstance(config.get(key), dict)}
    return config | changes | nested


def write_config(root: Path, language: str, target: Path) -> None:
    """Write the settings of an edition: those of ``book/_config.yml``, and what its own file changes."""
    book = root / "book"
    changes = yaml.safe_load((book / "locale" / language / "config.yml").read_text(encoding="utf-8"))
    config = merged(yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8")), changes)
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {name: str((book / path).resolve()) for name, path in extensions.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def share(pages: Path, edition: Path) -> None:
    """Delete what the English pages have too, and let the pages of the edition point there."""

    def is_shared(name: str) -> bool:
        ours, theirs = edition / name, pages / name
        return theirs.is_file() and (not ours.is_file() or cmp(ours, theirs, shallow=False))

    def link(match: re.Match) -> str:
        start, up, name = match.groups()
        return f"{start}{up}../{name}" if is_shared(name) else match[0]

    for path in edition.rglob("*.html"):
        path.write_text(LINK.sub(link, path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in [path for part in SHARED for path in (edition / part).rglob("*") if path.is_file()]:
        if is_shared(path.relative_to(edition).as_posix()):
            path.unlink()


def build(output: Path, language: str, root: Path = ROOT, builder: str = "html") -> int:
    """Build an edition beside the English one, which is in ``output`` already; return the exit status.

    Parameters
    ----------
    output : folder of the build, such as ``_build``
    language : such as ``zh_CN``
    root : of the book
    builder : ``html`` for the pages, ``notebooks`` for the notebooks that readers open
    """
    own = output / language
    write_config(root, language, own / "_config.yml")
    words = root / "book" / "locale" / language / "LC_MESSAGES" / "extensions.po"
    if words.is_file():  # of the extensions, which load them before Sphinx compiles catalogues
        write_mo(str(words.with_suffix(".mo")), load_po(str(words)))
    (own / "_build").mkdir(exist_ok=True)
    cache = own / "_build" / ".jupyter_cache"
    if not cache.exists():
        cache.symlink_to((output / cache.name).resolve())
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--config", own / "_config.yml"]
    command += ["--toc", "book/_toc.yml", "--path-output", own, "-W", "-n", "--keep-going"]
    command += [] if builder == "html" else ["--builder=custom", f"--custom-builder={builder}"]
    site = os.environ.get("BOOK_SITE", "").rstrip("/")
    environment = os.environ | ({"BOOK_SITE": f"{site}/{folder(language)}"} if site else {})
    done = subprocess.run(command, cwd=root, env=environment)
    if done.returncode == 0:
        target = output / builder / folder(language)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(own / "_build" / builder, target)
        if builder == "html":
            (target / "404.html").unlink()  # a site has one such page: that of the root
            share(output / builder, target)
        elif site:
            offer(target, output / "html" / folder(language) / "_sources")
    return done.returncode


def offer(notebooks: Path, sources: Path) -> None:
    """Put the notebooks of readers in place of the sources that a published page offers for download."""
    for path in sources.rglob("*.ipynb"):
        shutil.copyfile(notebooks / path.relative_to(sources), path)


def main() -> int:
    """Build an edition that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path, help="folder of the build, such as _build")
    parser.add_argument("language", help="such as zh_CN")
    parser.add_argument("--notebooks", action="store_true", help="write the notebooks that readers open")
    options = parser.parse_args()
    return build(options.output.resolve(), options.language, builder="notebooks" if options.notebooks else "html")


if __name__ == "__main__":
    sys.exit(main())
