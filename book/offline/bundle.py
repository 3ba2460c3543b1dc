"""Pack the pages, the PDF and the readers' notebooks into one file for readers without a network: ``make bundle``.

The same build gives the same bytes: names stand in alphabetical order, and all files have the first date of ZIP.
"""

import argparse
import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from pdf import ROOT, TITLE, parts, version

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from repository import actual_url
from self_contained import DATA_URI, media_name

FOLDER = "connecting_music_audio_and_natural_language"
PDF = f"{FOLDER}.pdf"
WITH_OUTPUTS = ".outputs.ipynb"
LEFT_OUT = ("description", "generate")  # groups of live pages with large models: see book/live/parts.py
WIDGETS = re.compile(rf'(?=data-parts="[^"]*\b(?:{"|".join(LEFT_OUT)})-)')
README = """\
{title}
{version}

This folder holds the whole book, and needs no network.

Read it    Open pages/index.html in a browser. Players, formulas, quizzes and the search work from there.
           "Search the clips yourself" runs a model, which needs a web server, such as that of Python: run
           "python -m http.server" in the folder pages, and open http://localhost:8000.
           The pages that describe and generate music are there without their models, which are large.
Print it   {pdf} has the same pages for paper, in A4.
Notebooks  notebooks/index.ipynb lists them, for JupyterLab or VS Code, started in this folder. A notebook whose
           name ends in {ending} also has the results of its cells. Their sounds lie among the pages.

To run the notebooks, get the repository of the book{repository}, and run "make lab" in it:
the models and the music come with it.

The file LICENSE says what you may do with text, figures, code, sounds and models.
"""


def with_outputs(notebook: Path, source: Path, cache, media: str) -> bytes:
    """Return a reader's notebook with what its cells showed when the book was built.

    Sounds are those of the pages, so that none is packed twice.

    Parameters
    ----------
    notebook : of the reader
    source : notebook that it was made from
    cache : of the build, in which the source is found by its code
    media : folder with the sounds of the pages, as seen from the notebook
    """

    def linked(match: re.Match) -> str:
        return f'src="{media}/{media_name(match)}"' if match["type"] == "audio" else match[0]

    read = nbformat.read(notebook, as_version=4)
    record = cache.match_cache_notebook(nbformat.read(source, as_version=4))
    executed = cache.get_cache_bundle(record.pk).nb
    shown = [cell for cell in executed.cells if cell.cell_type == "code"]
    shown = [cell for cell in shown if "remove-cell" not in cell.metadata.get("tags", [])]
    for cell, done in zip((cell for cell in read.cells if cell.cell_type == "code"), shown, strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
        for output in cell.outputs:
            if page := output.get("data", {}).get("text/html"):
                output.data["text/html"] = DATA_URI.sub(linked, page)
    return nbformat.writes(read).encode()


def check_unchanged(name: str, notebook: nbformat.NotebookNode) -> None:
    """Raise a ValueError if a notebook is not as the build wrote it: who works in it has changed it."""
    written = nbformat.writes(nbformat.v4.new_notebook(cells=notebook.cells))
    if hashlib.sha256(written.encode()).hexdigest() != notebook.metadata.get("written_from"):
        raise ValueError(f"{name} was changed after the build wrote it: keep your work under another name, delete it")


def notebook_files(build: Path, sources: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each notebook of the book, without and with outputs, and what they show.

    Raises
    ------
    ValueError
        If a notebook was changed.
    """
    folder, cache = build / "notebooks", get_cache(build / ".jupyter_cache")
    names = [name for part in parts(sources / "book" / "_toc.yml") for name in part["names"]]
    for name in ("index", *names):
        path = folder / f"{name}.ipynb"
        check_unchanged(name, nbformat.read(path, as_version=4))
        yield f"{name}.ipynb", path.read_bytes()
        if (source := sources / f"{name}.ipynb").is_file():
            media = os.path.relpath("pages/_static/media", Path("notebooks", name).parent)
            yield f"{name}{WITH_OUTPUTS}", with_outputs(path, source, cache, Path(media).as_posix())
    for path in (*folder.glob("_images/*"), *folder.glob("_sounds/*")):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def entries(build: Path, sources: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file.

    What is hidden among the pages belongs to the build, and the social previews to sites that show a link. A widget
    whose models are left out is marked, and says so.
    """
    pages = build / "html"
    for path in pages.rglob("*"):
        inside = path.relative_to(pages)
        hidden = any(part.startswith(".") or part == "social_previews" for part in inside.parts)
        large = any(inside.match(f"_static/live/{group}-*/*") for group in LEFT_OUT)
        if path.is_file() and not hidden and not large:
            content = path.read_bytes()
            if path.suffix == ".html":
                content = WIDGETS.sub("data-left-out ", content.decode()).encode()
            yield f"pages/{inside.as_posix()}", content
    for name, content in notebook_files(build, sources):
        yield f"notebooks/{name}", content
    yield PDF, (build / PDF).read_bytes()
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    url = actual_url(sources)
    repository = f" from {url}" if url else ""
    said = README.format(title=TITLE, version=version(), pdf=PDF, ending=WITH_OUTPUTS, repository=repository)
    yield "README.txt", said.encode()


def write_bundle(build: Path, target: Path, sources: Path) -> None:
    """Write the bundle.

    Parameters
    ----------
    build : the folder ``_build``, with the pages, the readers' notebooks, the PDF and the cache of outputs
    target : the archive
    sources : root of the book

    Raises
    ------
    ValueError, FileNotFoundError
        If a notebook was changed, or if a part is missing. Then an archive that was there stays as it was.
    """
    files = sorted(entries(build, sources))
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files:
            file = zipfile.ZipInfo(f"{FOLDER}/{name}")
            file.compress_type, file.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            file.create_system = 3  # Unix, also where the build is not
            archive.writestr(file, content)
    partial.replace(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path, help="folder of the build, such as _build")
    parser.add_argument("--sources", type=Path, default=ROOT, help="root of the book")
    options = parser.parse_args()
    target = options.build / f"{FOLDER}-offline.zip"
    try:
        write_bundle(options.build, target, options.sources)
    except ValueError as error:
        sys.exit(str(error))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing, and the bundle holds it: run make bundle, which makes its parts first.")
    print(f"The book for readers without a network is {target}: {target.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
