"""The address of the repository is the same everywhere, and one command changes it everywhere."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import repository


def test_config_and_notebooks_agree():
    urls = repository.notebook_urls()
    assert len(urls) >= 3
    assert {url for found in urls.values() for url in found} == {repository.configured_url()}
    assert all(len(found) == 1 for found in urls.values())


def test_stamp_changes_every_place(tmp_path):
    for folder in ("book", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    changed = repository.stamp("https://github.com/someone/fork", tmp_path)
    assert len(changed) == 1 + len(repository.notebook_urls())
    assert repository.configured_url(tmp_path) == "https://github.com/someone/fork"
    assert {u for found in repository.notebook_urls(tmp_path).values() for u in found} == {
        "https://github.com/someone/fork"
    }
    assert repository.stamp("https://github.com/someone/fork", tmp_path) == []


@pytest.mark.parametrize(
    "url", ["", "someone/fork", "http://github.com/a/b", "https://github.com/a b", r"https://x/\1"]
)
def test_bad_address_is_refused_and_nothing_changes(tmp_path, url):
    for folder in ("book", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with pytest.raises(ValueError, match="is no address"):
        repository.stamp(url, tmp_path)
    assert repository.configured_url(tmp_path) == repository.configured_url()


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("git@github.com:a/b-c.git", "https://github.com/a/b-c"),
        ("ssh://git@github.com/a/b", "https://github.com/a/b"),
        ("https://example.org/a/b.git", None),
    ],
)
def test_origin_on_github_is_used(tmp_path, monkeypatch, origin, url):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert repository.actual_url(tmp_path) == url


def test_github_actions_says_its_own_repository(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    assert repository.actual_url() == "https://github.com/a/b"
