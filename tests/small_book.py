"""A book of a few pages with the configuration of the real one, to break it on purpose."""

import shutil
from pathlib import Path

import nbformat
from babel.messages.pofile import read_po
from building import build
from run_notebooks import ROOT

CONTENTS = "format: jb-book\nroot: book/intro\nchapters:\n"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def make_book(root: Path) -> Path:
    """Write a book of one page and one notebook to ``root``."""
    for folder in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / folder, root / "book" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "references.bib", "img/logo.svg", "img/logo_dark.svg", "img/logo.png"):
        (root / "book" / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "book" / name, root / "book" / name)
    write_contents(root, "notebooks/cells")
    write_page(root, "# Title\n\nText.\n")
    write_cells(root, "1 + 1")
    return root


def write_contents(root: Path, *names: str) -> None:
    """Let the book have these pages after its first."""
    lines = "".join(f"- file: {name}\n" for name in names)
    (root / "book" / "_toc.yml").write_text(CONTENTS + lines, encoding="utf-8")


def write_page(root: Path, text: str, name: str = "book/intro") -> None:
    """Write a page of Markdown."""
    path = (root / name).with_suffix(".md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_cells(root: Path, *cells: str | tuple[str, str], name: str = "notebooks/cells") -> None:
    """Write a notebook with a title and these cells of code, each alone or with a tag."""
    written = [nbformat.v4.new_markdown_cell("# Cells")]
    for cell in cells:
        code, *tags = (cell,) if isinstance(cell, str) else cell
        written.append(nbformat.v4.new_code_cell(code, metadata={"tags": tags}))
    path = (root / name).with_suffix(".ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=written, metadata=KERNEL), path)


def write_path(root: Path, *names: str) -> None:
    """Let the core path be these pages."""
    path = root / "book" / "data" / "paths.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("core:\n" + "".join(f"  - {name}\n" for name in names), encoding="utf-8")


def catalogue(book: Path) -> set[str]:
    """Return the messages of a small book that are to be translated."""
    found = set()
    for path in built(book, "gettext", "gettext").rglob("*.pot"):
        with path.open("rb") as file:
            found |= {message.id for message in read_po(file)}
    return found


def built(book: Path, builder: str = "", output: str = "out") -> Path:
    """Build the small book, and return the folder of the pages, or of what another builder writes."""
    options = (f"--builder=custom --custom-builder={builder}" if builder else "").split()
    done = build(book, book / output, book / "network.log", *options)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return book / output / "_build" / (builder or "html")
