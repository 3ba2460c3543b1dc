"""What GitHub is told: least rights, pinned actions, nothing published untested; and the check of the hub."""

import re
from types import SimpleNamespace

import httpx
import pytest
import yaml
from hub.published import problem
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from run_notebooks import ROOT

from musicwords.checkpoints import published

WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
DEPLOY = "deploy.yml"


def read(name: str) -> dict:
    return yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, str, dict]]:
    return [(name, job, what) for name in WORKFLOWS for job, what in read(name)["jobs"].items()]


def triggers(name: str) -> dict:
    return read(name)[True]  # YAML reads "on" as true


def test_every_workflow_may_only_read():
    assert [name for name in WORKFLOWS if read(name)["permissions"] != {"contents": "read"}] == []


def test_only_the_deploying_job_may_write():
    writing = {(name, job) for name, job, what in jobs() if "write" in what.get("permissions", {}).values()}
    assert writing == {(DEPLOY, "deploy")}


def test_what_is_published_was_tested():
    deploy = read(DEPLOY)["jobs"]
    assert deploy["test"]["uses"] == "./.github/workflows/test.yml"
    assert deploy["deploy"]["needs"] == "test"
    assert triggers(DEPLOY)["push"] == {"branches": ["main"]}
    assert "push" not in triggers("test.yml") and "workflow_call" in triggers("test.yml")


def test_a_publication_is_not_broken_off():
    assert read(DEPLOY)["jobs"]["deploy"]["concurrency"]["cancel-in-progress"] is False


def test_pages_are_tested_by_the_job_that_builds_them():
    ranges = yaml.safe_dump(read("test.yml")["jobs"]["ranges"], width=1000)
    left_out = set(re.findall(r"--deselect (\S+)", ranges))
    assert [name for name in left_out if not (ROOT / name).is_file()] == []
    live = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "book").glob("test_live_*.py")}
    assert live and live <= left_out


@pytest.mark.parametrize(("name", "job", "what"), jobs(), ids=lambda value: value if isinstance(value, str) else "")
def test_actions_are_pinned_and_jobs_end(name, job, what):
    if "uses" in what:
        assert what["uses"] in {f"./.github/workflows/{file}" for file in WORKFLOWS}
        return
    assert what["timeout-minutes"] <= 90
    for step in what["steps"]:
        assert "uses" not in step or PINNED.fullmatch(step["uses"]), step["uses"]


def test_all_pythons_and_all_systems_are_tried():
    matrix = read("test.yml")["jobs"]["ranges"]["strategy"]["matrix"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, high = map(int, re.search(r">=3\.(\d+),<3\.(\d+)", project).groups())
    assert matrix["python"] == [f"3.{minor}" for minor in range(low, high)]
    assert {one["os"] for one in matrix["include"]} == {"macos-latest", "windows-latest"}


def test_paths_in_workflows_exist():
    for path in WORKFLOWS.values():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"(?:tests|recipes)/[\w./-]+\.py", text):
            assert (ROOT / name).is_file(), f"{path.name} names {name}"


# The check of the hub, on a stand-in


REVISION = "1" * 40


def answer(error: type, status: int) -> Exception:
    return error("no", response=httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co")))


def api(sha: str = REVISION, files: tuple[str, ...] = ("model.safetensors",), error: Exception | None = None):
    def model_info(repository, revision, files_metadata):
        if error:
            raise error
        return SimpleNamespace(sha=sha, siblings=[SimpleNamespace(rfilename=name) for name in files])

    return SimpleNamespace(model_info=model_info)


@pytest.mark.parametrize(
    ("hub_api", "said"),
    [
        (api(), ""),
        (api(error=answer(RevisionNotFoundError, 404)), "no such revision"),
        (api(error=answer(RepositoryNotFoundError, 404)), "no such repository"),
        (api(error=answer(HfHubHTTPError, 503)), "does not answer"),
        (api(error=OSError("no route")), "does not answer (no route)"),
        (api(sha="2" * 40), "the hub gives 2222"),
        (api(files=("README.md",)), "no file model.safetensors"),
    ],
)
def test_a_checkpoint_that_is_gone_is_named(hub_api, said):
    found = problem(hub_api, "clap", "owner/name", REVISION, ["model.safetensors"])
    assert (said in found and found.startswith("clap: owner/name at 111")) if said else found == ""


def test_the_hub_is_asked_for_every_published_checkpoint():
    assert {"clap", "codec", "musicgen", "diffusion", "text-encoder", "qwen2-audio", "laion-clap"} == published().keys()
