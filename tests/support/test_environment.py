"""The lists of requirements agree with each other and with what is installed."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

from musicwords import environment


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    return [Requirement(line) for line in [*project["dependencies"], *extras]]


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


def test_every_requirement_is_exact():
    for name in ("requirements.txt", "requirements-nodeps.txt", "recipes/requirements.txt"):
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
