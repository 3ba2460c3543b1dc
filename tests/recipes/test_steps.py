"""What is on the disk is taken only where its inputs are the same: arrays, trainings, steps and those after them."""

import shutil
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from run_notebooks import ROOT

from recipes.common import inputs
from recipes.common.inputs import Code, changed, fingerprint, kept_array, kept_json, start
from recipes.common.parallel import in_chunks
from recipes.common.training import Trainer, cosine
from recipes.steps import STEPS, defaults, inputs_of

CHECKED = {name for name, step in STEPS.items() if step.checked}


def numbers(paths: list[Path], factor: int = 1) -> np.ndarray:
    return np.array([[factor * int(path.read_text())] for path in paths])


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    """Files that hold the numbers 1 to 3."""
    found = [tmp_path / f"{number}.txt" for number in (1, 2, 3)]
    for path in found:
        path.write_text(path.stem)
    return found


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def test_chunks_are_of_what_was_asked_for(paths, tmp_path):
    def rows(function, some) -> list[int]:
        return in_chunks(function, some, tmp_path / "parts", 1, "numbers")[:, 0].tolist()

    assert rows(numbers, paths) == [1, 2, 3]
    before = times(tmp_path / "parts")
    assert rows(numbers, paths) == [1, 2, 3] and times(tmp_path / "parts") == before
    assert rows(numbers, paths[::-1]) == [3, 2, 1]
    assert rows(partial(numbers, factor=10), paths) == [10, 20, 30]
    paths[0].write_text("7")
    assert rows(partial(numbers, factor=10), paths) == [70, 20, 30]
    assert len(times(tmp_path / "parts")) == 1, "what is of other inputs is deleted"


def test_only_the_chunk_that_changed_is_made_anew(paths, tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.common.parallel.CHUNK", 2)
    in_chunks(numbers, paths, tmp_path / "parts", 1, "numbers")
    before = times(tmp_path / "parts")
    paths[2].write_text("8")
    assert in_chunks(numbers, paths, tmp_path / "parts", 1, "numbers")[:, 0].tolist() == [1, 2, 8]
    assert len(before.items() & times(tmp_path / "parts").items()) == 1


def test_arrays_and_results_are_kept_with_what_they_were_made_of(tmp_path):
    made = []

    def make(value):
        made.append(value)
        return np.array([value])

    for of, value in (("a" * 16, 1), ("a" * 16, 2), ("b" * 16, 3)):
        assert kept_array(tmp_path / "x.npy", of, partial(make, value))[0] == made[-1]
    for of, value in (("a", 4), ("a", 5), ("b", 6)):
        assert kept_json(tmp_path / "x.json", of, lambda value=value: make(value).tolist()) == [made[-1]]
    assert made == [1, 3, 4, 6]
    assert len(times(tmp_path)) == 1


def test_comments_and_docstrings_are_no_code(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def of(text: str) -> str:
        (tmp_path / "a_module.py").write_text(text)
        inputs._code.cache_clear()
        return fingerprint(Code("a_module"))

    plain = of("def f(x):\n    return x + 1\n")
    assert of('"""A module."""\n\n\ndef f(x):  # adds\n    """Add."""\n    return (x + 1)\n') == plain
    assert of("def f(x):\n    return x + 2\n") != plain
    with pytest.raises(FileNotFoundError, match="no module nothing_of_that_name"):
        fingerprint(Code("nothing_of_that_name"))


def test_a_folder_of_other_inputs_is_emptied_and_one_of_nobody_is_left_alone(paths, tmp_path):
    work = tmp_path / "work"
    start(work, {"file": paths[0], "size": 3})
    (work / "half").write_text("done")
    start(work, {"file": paths[0], "size": 3})
    assert (work / "half").exists()
    assert changed(work, {"file": paths[1], "size": 3}) == ["file"]
    assert changed(work, {"file": paths[0], "size": 4, "new": 1}) == ["size", "new"]
    start(work, {"file": paths[1], "size": 3})
    assert not (work / "half").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to my aunt.txt").write_text("Dear aunt")
    with pytest.raises(FileExistsError, match="holds files that no step has made"):
        start(tmp_path / "letters", {"file": paths[0]})
    assert (tmp_path / "letters" / "to my aunt.txt").exists()


class Counting(Trainer):
    """Learns to be 1, a step a round."""

    best = "far"

    def __init__(self, folder: Path, stop: int | None = None):
        self.layer, self.stop, self.done = torch.nn.Linear(1, 1, bias=False), stop, []
        torch.nn.init.zeros_(self.layer.weight)
        super().__init__(folder, 6, [torch.optim.SGD(self.layer.parameters(), lr=0.3)])

    def rate(self, step: int) -> float:
        return cosine(step, 6, 2)

    def parts(self) -> dict:
        return {"layer": self.layer}

    def round(self, number: int) -> dict:
        if number == self.stop:
            raise KeyboardInterrupt
        self.done.append(number)
        self.step_down((self.layer.weight - 1).square().sum(), self.layer.parameters(), 1.0)
        return {"round": number + 1}

    def check(self) -> dict:
        return {"far": (1 - self.layer.weight).abs().item()}

    def finished(self) -> float:
        self.load_best()
        return self.layer.weight.item()


def test_a_training_goes_on_where_it_was(paths, tmp_path):
    whole = Counting(tmp_path)
    expected = whole.run()
    assert 0.5 < expected < 1.5
    for name, other in (("same", paths[0]), ("other", paths[1])):
        work = tmp_path / name
        start(work, {"file": paths[0]})
        with pytest.raises(KeyboardInterrupt):
            Counting(work, stop=4).run()
        start(work, {"file": other})
        again = Counting(work)
        assert again.run() == pytest.approx(expected)
        assert again.done == ([4, 5] if name == "same" else list(range(6)))
        assert (work / "curve.csv").read_text().count("\n") == 7


def test_schedule_warms_up_and_ends_where_it_should():
    assert [cosine(step, 12, 2, 0.1) for step in (0, 1, 2, 7, 12, 99)] == pytest.approx([0.5, 1, 1, 0.55, 0.1, 0.1])


# The steps


@pytest.fixture
def built(tmp_path, monkeypatch) -> Namespace:
    """The options of a way on which every step is of today's inputs."""
    monkeypatch.setattr("recipes.steps.fonts", lambda options: {})
    monkeypatch.setattr("recipes.steps.recordings", lambda options: {})
    folders = {name: tmp_path / name for name in ("corpus", "timbres", "recordings", "codec", "clap", "prompt_encoder")}
    for name, folder in folders.items():
        (folder / "checkpoint" if name in ("codec", "prompt_encoder") else folder).mkdir(parents=True)
    (folders["corpus"] / "clips").mkdir()
    for file in ("corpus/corpus.jsonl", "corpus/clips/1.flac", "clap/model.safetensors", "clap/README.md",
                 "timbres/corpus.jsonl", "recordings/inputs.json",
                 "codec/checkpoint/model.safetensors", "prompt_encoder/checkpoint/model.safetensors"):  # fmt: skip
        (tmp_path / file).write_bytes(b"1")
    options = Namespace(**folders, work=tmp_path / "work")
    for name in CHECKED - {"corpus"}:
        start(options.work / name, inputs_of(name, options))
    return options


def anew(options: Namespace) -> set[str]:
    return {name for name in CHECKED - {"corpus"} if changed(options.work / name, inputs_of(name, options))}


def test_nothing_changed_and_nothing_begins_anew(built):
    (built.clap / "README.md").write_bytes(b"other scores")
    assert anew(built) == set()


@pytest.mark.parametrize(
    ("file", "steps"),
    [
        ("clap/model.safetensors", {"captioner", "prompt_encoder"}),
        ("prompt_encoder/checkpoint/model.safetensors", {"musicgen", "diffusion"}),
        ("codec/checkpoint/model.safetensors", {"musicgen", "diffusion"}),
        ("timbres/corpus.jsonl", {"clap", "captioner"}),
        ("recordings/inputs.json", {"clap"}),
        ("corpus/clips/1.flac", {"timbres", "clap", "captioner", "codec", "prompt_encoder", "musicgen", "diffusion"}),
    ],
)
def test_what_stands_on_a_change_begins_anew_and_nothing_else(built, file, steps):
    (built.work.parent / file).write_bytes(b"2")
    assert anew(built) == steps


def test_code_of_a_training_is_an_input_of_that_training_alone(built, monkeypatch):
    known = inputs._code

    def code(name: str) -> str:
        return "another" if name == "recipes.musicgen.training" else known(name)

    monkeypatch.setattr(inputs, "_code", code)
    assert anew(built) == {"musicgen"}


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_modules_and_folders_of_steps_exist(name):
    step = STEPS[name]
    assert (ROOT / "recipes" / (step.module or name).replace(".", "/")).exists()
    assert all(fingerprint(Code(module)) for module in step.code)
    assert defaults(name).work == ROOT / "build" / name


def test_a_step_that_has_no_work_folder_says_all_its_inputs(built):
    shutil.rmtree(built.work / "captioner")
    assert {"CLAP", "clips"} <= set(changed(built.work / "captioner", inputs_of("captioner", built)))


def test_inputs_do_not_run_into_each_other():
    assert fingerprint(1, 23) != fingerprint(12, 3)
    assert fingerprint("a", "b") != fingerprint("ab")
    assert fingerprint([1], 2) != fingerprint([1, 2])
