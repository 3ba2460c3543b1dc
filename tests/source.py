"""What the sources of the book must hold to: each function takes the root of a tree and returns its problems.

A problem is a sentence that names the file. ``tests/test_source.py`` runs the functions on the book, and on
copies of it that were broken on purpose.
"""

import json
import re
from collections import Counter
from pathlib import Path

import nbformat
import yaml
from pybtex.database import parse_file

CITATION = re.compile(r"\{cite(?::[a-z]+)?\}`([^`]+)`")
FIGURE = re.compile(r"^(`{3,}|:{3,})\{(?:figure|image)\}[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
ALT = re.compile(r"^(?::alt: *|alt: *)(\S.*)$", re.MULTILINE)
MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
KEY = re.compile(r"[a-z]+\d{4}[a-z0-9]+")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<])/(?:home|root|Users|work|tmp|mnt|content|usr|opt)/|[A-Z]:\\\\")
EXERCISE = re.compile(r":{3,}\{exercise-start\}\n:label: (\S+)\n(.*?)\{exercise-end\}", re.DOTALL)
SOLUTION = re.compile(r":{3,}\{solution-start\} (\S+)\n(.*?)\{solution-end\}", re.DOTALL)
NOTEBOOK_LINK = re.compile(r"\]\((\S+\.ipynb)\)")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PARTS = ("On this page", "## Try it yourself", "## Summary", "## Where it breaks", "## Further reading")
FEWEST_EXERCISES = 2
SHORTEST_ALT = 30  # characters: a sentence, not a label
LARGEST_FILE = 1_000_000  # bytes, outside of musicwords/data
MOST_WORDS = 2_500  # of a page, without code, formulas and solutions
LONGEST_CELL = 25  # lines
CORE = {"cells": 55, "lines": 450, "minutes": 45}  # of a notebook, without solutions and cells that glue
DEEPER = {"cells": 75, "lines": 800}
# How long a lesson takes, without its exercises, is worked out from these, in steps of five minutes.
WORDS_A_MINUTE = 120  # of a careful reader in a second language
LINES_A_MINUTE = 30  # of code
MINUTES_A_PICTURE = 0.5  # or a formula, or a sound
PICTURE = re.compile(r"^(?:`{3,}|:{3,})\{(?:figure|clip)\}", re.MULTILINE)
MINUTES = re.compile(r"\*\*It takes\*\* about (\d+) minutes")
FENCE = re.compile(r"^(`{3,})(?P<directive>\{)?[^\n]*\n(?P<inside>.*?)^\1$", re.MULTILINE | re.DOTALL)
# What the book was asked to be made with; the first two make and run it.
PACKAGES = ("torch", "torchaudio", "transformers", "laion_clap", "audiocraft", "librosa", "datasets", "matplotlib")
# What the metadata of cells puts on slides, from the notebooks of the core path: see book/_ext/slides.py.
SLIDE_TYPES = {"slide", "subslide", "fragment", "-", "notes", "skip"}
NEW_SLIDE = re.compile(r"^---$", re.MULTILINE)
SLIDES = range(12, 26)  # of a notebook
MOST_WORDS_ON_A_SLIDE = 60  # of one cell, without formulas and numbers of a run
LONGEST_CODE_ON_A_SLIDE = 15  # lines
REGISTRY = re.compile(r"^:::\{registry\} (\w+)", re.MULTILINE)  # a table whose entries are cited
IMPORT = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)
NOTATION = "book/appendices/notation.md"
FORMULA = re.compile(r"\$\$(.*?)\$\$", re.DOTALL)
WRITTEN_OUT = re.compile(r"\\(?:text|mathrm|operatorname|begin|end)\s*\{[^{}]*\}")
GREEK = (
    "alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|"
    "varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|ell"
)
SYMBOL = re.compile(rf"(\\math(?:bf|cal|bb)\{{\w\}}|\\(?:{GREEK})(?![A-Za-z]))|\\[A-Za-z]+|([A-Za-z])")
SYMBOL_ROW = re.compile(r"^\| (\$.+?\$) \| .+ \| (.+) \|$", re.MULTILINE)

TERM = re.compile(r"^(\S.*)\n  \S", re.MULTILINE)
LINKED_TERM = re.compile(r"\{term\}`(?:[^`<]*<([^`>]+)>|([^`<]+))`")
REGISTRIES = ("models", "datasets", "benchmarks")
NAME = re.compile(r"\b[A-Za-z]*(?:[a-z][A-Z]|[A-Z]{2}|[A-Za-z]-?\d)[\w.+-]*\b")
NOT_PROSE = re.compile(
    r"```.*?```|\{[a-z:]+\}`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)|https?:\S+|^:[a-z-]+:[^\n]*$", re.DOTALL | re.MULTILINE
)
# What has the shape of a model's name in the prose and is none of music's models, data sets and benchmarks.
OTHER_NAMES = Path(__file__).parent / "data" / "other_names.txt"


def contents(root: Path) -> set[str]:
    """Return the files that the table of contents names, without their endings."""
    toc = yaml.safe_load((root / "book" / "_toc.yml").read_text(encoding="utf-8"))

    def files(entry):
        if isinstance(entry, dict):
            for key, value in entry.items():
                if key in ("file", "root"):
                    yield value
                elif isinstance(value, list):
                    for part in value:
                        yield from files(part)

    return set(files(toc))


def page_files(root: Path) -> list[Path]:
    """Return every page and notebook."""
    found = [*(root / "book").rglob("*.md"), *(root / "notebooks").rglob("*.ipynb")]
    return sorted(p for p in found if not {"_build", ".ipynb_checkpoints"} & set(p.parts))


def text_of(path: Path) -> str:
    """Return the prose of a page or notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def contents_problems(root: Path) -> list[str]:
    """Pages missing from the contents, and entries of the contents without a page."""
    listed = contents(root)
    present = {path.relative_to(root).with_suffix("").as_posix() for path in page_files(root)}
    return [f"{name} is not in book/_toc.yml" for name in sorted(present - listed)] + [
        f"book/_toc.yml names {name}, which does not exist" for name in sorted(listed - present)
    ]


def citation_problems(root: Path) -> list[str]:
    """Citations without an entry, and entries that are unused, doubled, misnamed or incomplete."""
    entries = parse_file(root / "book" / "references.bib").entries
    cited = {}
    for path in page_files(root):
        for group in CITATION.findall(text_of(path)):
            for key in group.split(","):
                cited.setdefault(key.strip(), path)
        for name in REGISTRY.findall(text_of(path)):
            data = root / "book" / "data" / f"{name}.yml"
            for entry in yaml.safe_load(data.read_text(encoding="utf-8")):
                if entry["cite"]:
                    cited.setdefault(entry["cite"], data)
    problems = [f"{path}: no entry for the citation {key}" for key, path in cited.items() if key not in entries]
    problems += [f"references.bib: {key} is never cited" for key in entries if key not in cited]
    titles = Counter(re.sub(r"\W", "", entry.fields.get("title", "")).lower() for entry in entries.values())
    for key, entry in entries.items():
        fields = {name for name, value in entry.fields.items() if value} | ({"author"} if entry.persons else set())
        problems += [
            f"references.bib: {key} lacks {name}" for name in ("author", "title", "year") if name not in fields
        ]
        if not fields & {"doi", "eprint", "url", "isbn"}:
            problems.append(f"references.bib: {key} has no doi, eprint, url or isbn")
        if not KEY.fullmatch(key):
            problems.append(f"references.bib: {key} is not of the form surname2024word")
        if titles[re.sub(r"\W", "", entry.fields.get("title", "")).lower()] > 1:
            problems.append(f"references.bib: {key} has the title of another entry")
    return problems


def figure_problems(root: Path) -> list[str]:
    """Figures without a text alternative that is a sentence."""
    problems = []
    for path in page_files(root):
        text = text_of(path)
        alts = [(match[0].splitlines()[0], ALT.search(match[2])) for match in FIGURE.finditer(text)]
        found = [(what, alt[1] if alt else "") for what, alt in alts]
        found += [(match[0], match[1]) for match in MARKDOWN_IMAGE.finditer(text)]
        if path.suffix == ".ipynb":
            for cell in nbformat.read(path, as_version=4).cells:
                mystnb = cell.metadata.get("mystnb", {})
                if cell.cell_type == "code" and ("figure" in mystnb or "plt.subplots" in cell.source):
                    found.append((f"the cell {cell.source[:40]!r}", mystnb.get("image", {}).get("alt", "")))
        problems += [
            f"{path}: {what} has no alt text that is a sentence" for what, alt in found if len(alt) < SHORTEST_ALT
        ]
    return problems


IN_CATALOG = re.compile(r"^\s*(?:import|from) (?:faiss|lancedb|ray)\b", re.MULTILINE)  # of the extra of this name


def notebook_problems(root: Path) -> list[str]:
    """Notebooks with outputs, widget state, absolute paths, empty cells or another set-up cell than the rest."""
    problems, setups = [], Counter()
    paths = sorted((root / "notebooks").rglob("*.ipynb"))
    for path in paths:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        if any(cell["outputs"] or cell["execution_count"] for cell in code):
            problems.append(f"{path} has outputs: run make format")
        if unknown := set(notebook["metadata"]) - {"kernelspec", "language_info"}:
            problems.append(f"{path} has metadata {', '.join(sorted(unknown))}: run make format")
        sources = ["".join(cell["source"]) for cell in notebook["cells"]]
        problems += [f"{path} has the absolute path {m[0]}" for s in sources for m in ABSOLUTE_PATH.finditer(s)]
        if not all(source.strip() for source in sources):
            problems.append(f"{path} has an empty cell")
        first, rest = "".join(code[0]["source"]), "\n".join("".join(cell["source"]) for cell in code[1:])
        if bool(IN_CATALOG.search(rest)) != ("musicwords[catalog]" in first):
            problems.append(f"{path}: the set-up cell installs musicwords[catalog] where that is used, and only there")
        setups[first.replace("[catalog]", "")] += 1
    if len(setups) > 1:
        problems.append(f"the first code cell of the {len(paths)} notebooks has {len(setups)} versions, not one")
    return problems


def lesson_problems(root: Path) -> list[str]:
    """Pages between the front page and the appendices that lack a part, or two exercises with their solutions."""
    problems = []
    for path in page_files(root):
        if path.parent in (root / "book", root / "book" / "appendices"):
            continue
        text = text_of(path)
        problems += [f"{path} has no {part!r}" for part in PARTS if f"{part}\n" not in text]
        exercises = EXERCISE.findall(text)
        if len(exercises) < FEWEST_EXERCISES:
            problems.append(f"{path} has {len(exercises)} exercises, and {FEWEST_EXERCISES} are expected")
        solved = {label for label, _ in SOLUTION.findall(text)}
        problems += [f"{path}: the exercise {label} has no solution" for label, _ in exercises if label not in solved]
    return problems


def core_path(root: Path) -> list[str]:
    """Return the pages of the core path in their order, without their endings."""
    return yaml.safe_load((root / "book" / "data" / "paths.yml").read_text(encoding="utf-8"))["core"]


def running_words(text: str) -> int:
    """Count the words of a page's prose, without code, formulas, directives, citations and solutions."""
    text = SOLUTION.sub("", text)
    text = FENCE.sub(lambda match: match["inside"] if match["directive"] else "", text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    text = re.sub(r"^(?:[`:]{3,}.*|:[a-z-]+:.*)$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\{(?:cite:[a-z]+|numref|eq|ref)\}`[^`]*`|\]\([^)]*\)|^\(.*\)=$", "", text, flags=re.MULTILINE)
    return len(re.findall(r"\w[\w'-]*", text))


def size_of_notebook(path: Path) -> dict[str, int]:
    """Return cells, lines of code and minutes of a notebook, and the lines of its longest cell.

    Cells with solutions, cells that only glue numbers into the text, and those for Colab do not count.
    """
    cells = nbformat.read(path, as_version=4).cells
    counted = [cell for cell in cells if not {"solution", "remove-cell", "colab"} & set(cell.metadata.get("tags", []))]
    lines = [len(cell.source.splitlines()) for cell in counted if cell.cell_type == "code"]
    minutes = MINUTES.search(text_of(path))
    size = {"cells": len(counted), "lines": sum(lines), "longest cell": max(lines, default=0)}
    return size | {"minutes": int(minutes[1]) if minutes else 0}


def reading_minutes(path: Path) -> int:
    """Return how many minutes a lesson takes, by its words, its lines of code, and what is to be looked at or heard."""
    text, lines, pictures = text_of(path), 0, 0
    if path.suffix == ".ipynb":
        lines = size_of_notebook(path)["lines"]
        pictures = sum("mystnb" in cell.metadata for cell in nbformat.read(path, as_version=4).cells)
    pictures += len(PICTURE.findall(text)) + len(FORMULA.findall(text))
    minutes = running_words(text) / WORDS_A_MINUTE + lines / LINES_A_MINUTE + pictures * MINUTES_A_PICTURE
    return max(5, 5 * round(minutes / 5))


def budget_problems(root: Path) -> list[str]:
    """Lessons that are longer than a reader was promised, and entries of the core path that are no pages."""
    core, problems = core_path(root), []
    for path in page_files(root):
        name = path.relative_to(root).with_suffix("").as_posix()
        if path.parent in (root / "book", root / "book" / "appendices"):
            continue
        said = MINUTES.search(text_of(path))
        if not said:
            problems.append(f"{path} does not say how many minutes it takes")
        elif int(said[1]) != reading_minutes(path):
            problems.append(f"{path} takes about {reading_minutes(path)} minutes, and says {said[1]}")
        if path.suffix == ".md":
            size, budget = {"words": running_words(text_of(path))}, {"words": MOST_WORDS}
        else:
            size = size_of_notebook(path)
            budget = (CORE if name in core else DEEPER) | {"longest cell": LONGEST_CELL}
        over = [f"{size[what]} {what} (at most {most})" for what, most in budget.items() if size[what] > most]
        problems += [f"{path} has {', '.join(over)}"] if over else []
    return problems + [f"paths.yml names {name}, which is no page" for name in core if name not in contents(root)]


def slide_problems(root: Path) -> list[str]:
    """Notebooks of the core path with too few or too many slides, and slides that are no good to project."""
    problems = []
    for path in (root / f"{name}.ipynb" for name in core_path(root) if name.startswith("notebooks/")):
        texts = []  # of each slide the first, and None where a slide begins without one
        for cell in nbformat.read(path, as_version=4).cells:
            slideshow = cell.metadata.get("slideshow", {"slide_type": "skip"})
            kind, parts = slideshow.get("slide_type"), NEW_SLIDE.split(slideshow.get("text", ""))
            if kind not in SLIDE_TYPES or set(slideshow) - {"slide_type", "text", "code"}:
                problems.append(f"{path}: the slide of {cell.id} has unknown metadata {dict(slideshow)}")
            texts += parts if kind in ("slide", "subslide") else parts[1:]
            words = max(len(re.findall(r"\w[\w'-]*", NOT_PROSE.sub(" ", re.sub(FORMULA, " ", part)))) for part in parts)
            if words > MOST_WORDS_ON_A_SLIDE:
                problems.append(f"{path}: {cell.id} puts {words} words on a slide (at most {MOST_WORDS_ON_A_SLIDE})")
            lines = len(cell.source.splitlines())
            if slideshow.get("code") and lines > LONGEST_CODE_ON_A_SLIDE:
                problems.append(f"{path}: {cell.id} puts {lines} lines of code on a slide")
        titles = [(text.strip().splitlines() or [""])[0] for text in texts]
        if len(titles) not in SLIDES:
            problems.append(f"{path} has {len(titles)} slides, not {SLIDES.start} to {SLIDES.stop - 1}")
            continue
        problems += [
            f"{path}: a slide begins with {title!r}, not with ## and a title"
            for title in titles[1:]
            if title[:3] != "## "
        ]
        if not titles[0].startswith("# "):
            problems.append(f"{path}: the first slide begins with {titles[0]!r}, not with # and the title")
        if titles[-1] != "## Try it yourself":
            problems.append(f"{path}: the last slide is {titles[-1]!r}, not ## Try it yourself")
    return problems


def importers(root: Path) -> dict[str, list[str]]:
    """Return, for each of the packages that the book teaches with, the notebooks that import it."""
    found = {package: [] for package in PACKAGES}
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        for package in set(IMPORT.findall(code)) & set(found):
            found[package].append(path.stem)
    return found


def package_problems(root: Path) -> list[str]:
    """Packages that the book was asked to be made with, and that no notebook imports."""
    return [f"no notebook imports {package}" for package, names in importers(root).items() if not names]


def symbols(formula: str) -> set[str]:
    """Return the letters of a formula in TeX: Greek ones, those set in a special type, and single Latin ones.

    Names that are written out, such as ``\\text{softmax}``, and hats, primes and operators are left out.
    """
    found = SYMBOL.findall(WRITTEN_OUT.sub(" ", formula))
    return {special or latin for special, latin in found} - {""}  # an operator is neither


def notation_problems(root: Path) -> list[str]:
    """Letters of displayed formulas that the table of notation lacks for their page, and the other way round."""
    notation = root / NOTATION
    text = notation.read_text(encoding="utf-8")
    targets = dict(re.findall(r"^\[(.+)\]: (\S+)$", text, re.MULTILINE))
    listed, problems = {}, []
    for letters, pages in SYMBOL_ROW.findall(text):
        for name in re.findall(r"\[([^\]]+)\]", pages):
            if name in targets:
                page = (notation.parent / targets[name]).resolve()
                listed.setdefault(page, set()).update(symbols(letters))
            else:
                problems.append(f"{NOTATION}: no address for [{name}]")
    used = {path.resolve(): set().union(*map(symbols, FORMULA.findall(text_of(path)))) for path in page_files(root)}
    for page in sorted(used.keys() | listed.keys()):
        in_page, in_table = used.get(page, set()), listed.get(page, set())
        problems += [f"{NOTATION} lacks {symbol}, which stands in {page}" for symbol in sorted(in_page - in_table)]
        problems += [f"{NOTATION} says that {symbol} stands in {page}" for symbol in sorted(in_table - in_page)]
    return problems


def glossary_problems(root: Path) -> list[str]:
    """Terms of the glossary that no other page links to."""
    path = root / "book" / "appendices" / "glossary.md"
    terms = TERM.findall(path.read_text(encoding="utf-8").partition(":::{glossary}")[2])
    texts = "\n".join(text_of(other) for other in page_files(root) if other != path)
    linked = {(named or plain).lower() for named, plain in LINKED_TERM.findall(texts)}
    return [f"no page links to {term!r} of the glossary" for term in terms if term.lower() not in linked]


def registry_problems(root: Path) -> list[str]:
    """Names in the prose that no entry of the registry has."""
    known = " ".join(
        entry["name"].lower()
        for kind in REGISTRIES
        for entry in yaml.safe_load((root / "book" / "data" / f"{kind}.yml").read_text(encoding="utf-8"))
    )
    others = set(OTHER_NAMES.read_text(encoding="utf-8").split())
    problems = []
    for path in page_files(root):
        names = set(NAME.findall(NOT_PROSE.sub(" ", text_of(path)))) - others
        unknown = sorted(name for name in names if name.lower().rstrip(".") not in known)
        problems += [
            f"{path.relative_to(root)} names {name}: enter it in book/data, or in tests/data/other_names.txt"
            for name in unknown
        ]
    return problems


def page_solutions(root: Path) -> list[tuple[Path, Path | None, str]]:
    """Return the code in the solutions of pages that are no notebooks.

    Each comes with its page, and with the first notebook that its exercise links to, in whose state it is to be run.
    """
    found = []
    for path in sorted((root / "book").rglob("*.md")):
        text = text_of(path)
        tasks = dict(EXERCISE.findall(text))
        for label, solution in SOLUTION.findall(text):
            notebook = NOTEBOOK_LINK.search(tasks[label])
            notebook = (path.parent / notebook[1]).resolve() if notebook else None
            found += [(path, notebook, code) for code in PYTHON.findall(solution)]
    return found


def page_code(root: Path) -> dict[Path, str]:
    """Return, for each page that is no notebook and shows Python, its code in order, without that of solutions."""
    texts = {path: SOLUTION.sub("", text_of(path)) for path in sorted((root / "book").rglob("*.md"))}
    return {path: "\n".join(found) for path, text in texts.items() if (found := PYTHON.findall(text))}


def size_problems(root: Path, files: list[Path]) -> list[str]:
    """Files over 1 MB outside of ``musicwords/data``."""
    return [
        f"{path} has {(root / path).stat().st_size / 1e6:.1f} MB"
        for path in files
        if not path.is_relative_to("musicwords/data") and (root / path).stat().st_size > LARGEST_FILE
    ]
