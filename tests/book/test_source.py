"""The sources of the book hold to its rules, and each rule is seen to be broken by a book that breaks it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import source
from run_notebooks import ROOT

RULES = [
    source.contents_problems,
    source.citation_problems,
    source.figure_problems,
    source.notebook_problems,
    source.lesson_problems,
    source.budget_problems,
    source.slide_problems,
    source.package_problems,
    source.notation_problems,
    source.registry_problems,
    source.glossary_problems,
]


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in listing.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_book_follows_rule(rule):
    assert rule(ROOT) == []


def test_no_large_file():
    files = tracked_files()
    assert len(files) > 30
    assert source.size_problems(ROOT, files) == []


def test_large_file_is_found(tmp_path):
    (tmp_path / "large.bin").write_bytes(bytes(source.LARGEST_FILE + 1))
    assert source.size_problems(tmp_path, [Path("large.bin")]) == ["large.bin has 1.0 MB"]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the book's sources, to be broken."""
    for folder in ("book", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def edit_notebook(root: Path, change) -> None:
    path = next((root / "notebooks").rglob("*.ipynb"))
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def edit_slide(root: Path, change) -> None:
    path = root / f"{source.core_path(root)[0]}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change([cell.metadata["slideshow"] for cell in notebook.cells if "slideshow" in cell.metadata])
    nbformat.write(notebook, path)


def first_code(notebook):
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def append(root: Path, text: str) -> None:
    path = root / "book" / "intro.md"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


PAGE = "book/retrieval/intro.md"
ENTRY = "@article{doe2024word, title={A}, author={Doe, J.}, year={2024}, doi={1}}\n"
BREAKS = {
    "page not in the contents": (
        source.contents_problems,
        lambda root: (root / "book" / "extra.md").write_text("# Extra\n"),
        "book/extra is not in",
    ),
    "contents without a page": (
        source.contents_problems,
        lambda root: (root / "book" / "appendices" / "glossary.md").unlink(),
        "names book/appendices/glossary",
    ),
    "citation without an entry": (
        source.citation_problems,
        lambda root: append(root, "\n{cite:p}`nobody2024nothing`\n"),
        "no entry for the citation nobody2024nothing",
    ),
    "entry never cited": (
        source.citation_problems,
        lambda root: edit(root, "book/references.bib", "@", ENTRY + "@"),
        "doe2024word is never cited",
    ),
    "model that the registry lacks": (
        source.registry_problems,
        lambda root: append(root, "\nListen to NoSuchModel-7B.\n"),
        "book/intro.md names NoSuchModel-7B",
    ),
    "figure without alt text": (
        source.figure_problems,
        lambda root: append(root, "\n```{figure} img/overview.svg\n:name: x\nCaption\n```\n"),
        "has no alt text",
    ),
    "image without alt text": (
        source.figure_problems,
        lambda root: append(root, "\n![](img/overview.svg)\n"),
        "has no alt text",
    ),
    "plot without alt text": (
        source.figure_problems,
        lambda root: edit_notebook(
            root, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("fig, ax = plt.subplots()"))
        ),
        "has no alt text",
    ),
    "notebook with outputs": (
        source.notebook_problems,
        lambda root: edit_notebook(
            root, lambda nb: first_code(nb).outputs.append(nbformat.v4.new_output("stream", text="x"))
        ),
        "has outputs",
    ),
    "notebook with widget state": (
        source.notebook_problems,
        lambda root: edit_notebook(root, lambda nb: nb.metadata.update(widgets={})),
        "has metadata widgets",
    ),
    "absolute path": (
        source.notebook_problems,
        lambda root: edit_notebook(
            root, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("open('/home/me/x.wav')"))
        ),
        "has the absolute path",
    ),
    "empty cell": (
        source.notebook_problems,
        lambda root: edit_notebook(root, lambda nb: nb.cells.append(nbformat.v4.new_code_cell(" "))),
        "has an empty cell",
    ),
    "page without a summary": (
        source.lesson_problems,
        lambda root: edit(root, PAGE, "## Summary", "## In short"),
        "has no '## Summary'",
    ),
    "exercise without a solution": (
        source.lesson_problems,
        lambda root: edit(root, PAGE, "{solution-start} ", "{solution-start} x"),
        "has no solution",
    ),
    "page without exercises": (
        source.lesson_problems,
        lambda root: (root / PAGE).write_text("# Title\n"),
        "has 0 exercises",
    ),
    "page with too many words": (
        source.budget_problems,
        lambda root: edit(root, PAGE, "## Summary", "words " * source.MOST_WORDS + "\n\n## Summary"),
        f"words (at most {source.MOST_WORDS})",
    ),
    "term that no page links to": (
        source.glossary_problems,
        lambda root: edit(root, "book/appendices/glossary.md", ":::{glossary}", ":::{glossary}\naccordion\n  A box."),
        "no page links to 'accordion'",
    ),
    "page without minutes": (
        source.budget_problems,
        lambda root: edit(root, PAGE, "**It takes** about", "**It takes**"),
        "does not say how many minutes",
    ),
    "page with other minutes than it takes": (
        source.budget_problems,
        lambda root: edit(root, PAGE, "**It takes** about ", "**It takes** about 1"),
        "minutes, and says 1",
    ),
    "cell that fills more than a screen": (
        source.budget_problems,
        lambda root: edit_notebook(root, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("x = 1\n" * 26))),
        "26 longest cell (at most 25)",
    ),
    "notebook with too many cells": (
        source.budget_problems,
        lambda root: edit_notebook(root, lambda nb: nb.cells.extend(map(nbformat.v4.new_markdown_cell, "x" * 76))),
        "cells (at most",
    ),
    "core path with a page that is none": (
        source.budget_problems,
        lambda root: edit(root, "book/data/paths.yml", "core:", "core:\n  - book/nowhere"),
        "paths.yml names book/nowhere",
    ),
    "package that no notebook imports": (
        source.package_problems,
        lambda root: [path.unlink() for path in (root / "notebooks").rglob("musicgen.ipynb")],
        "no notebook imports audiocraft",
    ),
    "letter that the table of notation lacks": (
        source.notation_problems,
        lambda root: edit(root, PAGE, "$$\n", "$$\n\\mathbf{z}_{\\text{new}} + "),
        r"lacks \mathbf{z}, which stands in",
    ),
    "letter that no formula of the page has": (
        source.notation_problems,
        lambda root: edit(root, source.NOTATION, r"| $\pi$ |", r"| $\pi$, $\Omega$ |"),
        r"says that \Omega stands in",
    ),
    "notation with a page of no address": (
        source.notation_problems,
        lambda root: edit(root, source.NOTATION, "[codecs]:", "[codec]:"),
        "no address for [codecs]",
    ),
    "slide of an unknown type": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[3].update(slide_type="slid")),
        "has unknown metadata {'slide_type': 'slid'",
    ),
    "slide without a title": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[0].update(text="# A\n\n---\n\nText.")),
        "a slide begins with 'Text.', not with ## and a title",
    ),
    "deck without a title": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[0].update(text="## A")),
        "the first slide begins with '## A'",
    ),
    "slide with too many words": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[0].update(text="# A\n\n" + 60 * "word ")),
        "puts 61 words on a slide (at most 60)",
    ),
    "deck that ends without an exercise": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[-1].update(text="A\n\n---\n\n## The end")),
        "the last slide is '## The end'",
    ),
    "deck of too many slides": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: slides[0].update(text="# A" + 20 * "\n\n---\n\n## B")),
        "slides, not 12 to 25",
    ),
    "slide with too much code": (
        source.slide_problems,
        lambda root: edit_slide(root, lambda slides: [one.update(code=True) for one in slides]),
        "lines of code on a slide",
    ),
    "another set-up cell": (
        source.notebook_problems,
        lambda root: edit_notebook(root, lambda nb: first_code(nb).update(source="pass")),
        "versions, not one",
    ),
    "set-up cell without an extra": (
        source.notebook_problems,
        lambda root: edit_notebook(
            root,
            lambda nb: nb.cells[-1].update(cell_type="code", source="import faiss", outputs=[], execution_count=None),
        ),
        "installs musicwords[catalog] where that is used",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_book_is_found(copy, name):
    rule, break_it, problem = BREAKS[name]
    assert rule(copy) == []
    break_it(copy)
    assert any(problem in found for found in rule(copy))


def test_notebooks_are_utf8_json_with_final_newline():
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert json.loads(text)["nbformat"] == 4


def test_what_a_notebook_derives_is_found_there():
    """A docstring of the package says where its code is written out step by step."""
    derived = {}
    for path in sorted((ROOT / "musicwords").rglob("*.py")):
        for name in re.findall(r"Derived in: (\S+)", path.read_text(encoding="utf-8")):
            derived[path.stem, name] = (ROOT / name).is_file()
    assert len(derived) >= 4
    assert [key for key, there in derived.items() if not there] == []
