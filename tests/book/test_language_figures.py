"""The figures of the part on language models show what their scripts and the code of the pages compute."""

import importlib.util
import re

import numpy as np
import pytest
import torch
from run_notebooks import ROOT

IMAGES = ROOT / "book" / "img"


def load_script(name: str):
    """Import a script beside the figures."""
    spec = importlib.util.spec_from_file_location(name, IMAGES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(IMAGES)  # as for a script that is run
        spec.loader.exec_module(module)
    return module


def test_attention_is_drawn_as_computed():
    script = load_script("lm_attention")
    assert (IMAGES / "lm_attention.svg").read_text(encoding="utf-8") == script.draw_attention()
    assert (IMAGES / "lm_block.svg").read_text(encoding="utf-8") == script.draw_block()


def test_page_computes_the_attention_of_its_figure():
    page = (ROOT / "book" / "language_models" / "framework.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    names = {}
    exec(compile(code, "framework.md", "exec"), names)
    found = load_script("lm_attention").attention()
    for name in ("q", "k", "v", "weights", "output"):
        np.testing.assert_allclose(names[name], found[name], atol=1e-5, err_msg=name)


def test_block_of_the_figure_is_that_of_torch():
    script = load_script("lm_attention")
    steps = {name: torch.tensor(values, dtype=torch.float64) for name, values in script.block().items()}
    width = steps["x"].shape[-1]
    for before, after in (("x", "normalized"), ("sum", "normalized sum")):
        expected = torch.nn.functional.layer_norm(steps[before], (width,), eps=0)
        torch.testing.assert_close(steps[after], expected)
    torch.testing.assert_close(steps["result"], steps["x"] + steps["attention"] + steps["network"])


@pytest.mark.parametrize(("fit", "size", "each"), [("PRINTED", 30, 91), ("UNROUNDED", 38, 58), ("REFIT", 67, 18)])
def test_page_tells_the_best_split_of_each_set_of_constants(fit, size, each):
    script = load_script("lm_scaling")
    constants, budget = getattr(script, fit), 6 * np.prod(script.MODELS["Gopher"])
    best = script.best_parameters(budget, constants)
    assert round(best / 1e9) == size
    assert round(script.best_tokens_each(budget, constants)) == each
    page = (ROOT / "book" / "language_models" / "advances.md").read_text(encoding="utf-8")
    assert re.search(rf"{size} billion(?: parameters)? and (?:for )?{each} tokens", page)
    around = best * np.array([0.9, 1, 1.1])
    assert np.argmin(script.loss(around, budget / 6 / around, constants)) == 1


def test_a_gesture_is_heard_as_the_figure_says():
    script = load_script("lm_realtime")
    delays = [heard - script.GESTURE for _, heard in (script.clip(400), script.clip(36), script.stream(2))]
    assert delays == pytest.approx([6.0, 0.54, 3.0])
    assert script.stream(0.02)[1] - script.GESTURE == pytest.approx(0.02)
