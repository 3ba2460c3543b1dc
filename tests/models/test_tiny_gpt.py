"""The tiny GPT of the package is the one that the notebook builds, and its parts do what the page says."""

import ast

import nbformat
import numpy as np
import pytest
import torch
from run_notebooks import ROOT

from musicwords import tiny_gpt
from musicwords.corpus import load_corpus

NOTEBOOK = ROOT / "notebooks" / "language_models" / "tiny_gpt.ipynb"


@pytest.fixture(scope="module")
def captions() -> list[str]:
    return list(load_corpus()["train"]["caption"][:200])


@pytest.fixture(scope="module")
def tokenizer(captions):
    return tiny_gpt.train_tokenizer(captions, 400)


@pytest.fixture(scope="module")
def page(captions, tokenizer) -> dict:
    """What the notebook defines: its imports, functions, classes and constants, without its results."""
    names = {"__name__": "page"}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type != "code" or {"colab", "solution"} & set(cell.metadata.get("tags", [])):
            continue
        tree = ast.parse("\n".join(line for line in cell.source.splitlines() if not line.startswith("%")))
        kept = [node for node in tree.body if is_definition(node)]
        exec(compile(ast.Module(kept, []), str(NOTEBOOK), "exec"), names)
    names["tokenizer"] = tokenizer  # its functions look it up here
    return names


def is_definition(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign):
        return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
    names = [name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)]
    return all(name.isupper() and name != "NAMES" for name in names) or names in (["splitter"], ["alphabet"])


def make(module: dict, seed: int = 0):
    torch.manual_seed(seed)
    return module["GPT"]()


def test_page_and_package_have_the_same_settings(page):
    names = ("VOCABULARY", "CONTEXT", "END", "IGNORE", "WIDTH", "HEADS", "LAYERS", "BATCH", "EPOCHS", "RATE")
    assert {name: page[name] for name in names} == {name: getattr(tiny_gpt, name) for name in names}


def test_page_and_package_make_the_same_tokens(page, captions, tokenizer):
    theirs = page["train_tokenizer"](captions, 400)
    assert theirs.to_str() == tokenizer.to_str()
    rows = tiny_gpt.encode(tokenizer, captions)
    assert torch.equal(page["encode"](theirs, captions), rows)
    assert rows.shape == (200, tiny_gpt.CONTEXT + 1)


def test_page_and_package_train_and_write_the_same(page, captions, tokenizer):
    rows = tiny_gpt.encode(tokenizer, captions)
    ours, theirs = make(vars(tiny_gpt)), make(page)
    ours.token.weight.data[400:] = 0  # pieces that this small tokenizer does not have
    theirs.token.weight.data[400:] = 0
    curve = tiny_gpt.fit(ours, rows)
    np.testing.assert_allclose(curve, page["fit"](theirs, rows, lambda step: None), rtol=1e-3)
    assert curve[-1] < curve[0] - 2  # it learns
    assert tiny_gpt.bits_of(ours, rows) == pytest.approx(page["bits_of"](theirs, rows), rel=1e-3)
    texts = tiny_gpt.write(ours.last, tokenizer, 3, "A slow", top_k=1)
    assert texts == page["write"](theirs, 3, "A slow", top_k=1)
    assert all(text.startswith("A slow") for text in texts)


def test_no_position_sees_a_later_one_unless_the_mask_is_off():
    ids = torch.arange(1, 11)[None]
    changed = ids.clone()
    changed[0, 5] = 100
    for causal in (True, False):
        torch.manual_seed(0)
        model = tiny_gpt.GPT(causal)
        for block in model.blocks:
            torch.nn.init.normal_(block.out.weight, std=0.1)
        with torch.no_grad():
            moved = (model(ids) - model(changed)).abs().amax(dim=(0, 2))
        assert (moved[:5].max() == 0) == causal
        assert moved[5:].min() > 0


def test_last_is_the_last_position():
    model = make(vars(tiny_gpt))
    ids = torch.arange(1, 8)[None]
    torch.testing.assert_close(model.last(ids), model(ids)[:, -1])


def test_batches_hold_each_row_once_and_rows_of_a_batch_are_alike():
    lengths = torch.randint(3, tiny_gpt.CONTEXT, (600,), generator=torch.Generator().manual_seed(0))
    rows = torch.where(torch.arange(tiny_gpt.CONTEXT + 1) < lengths[:, None], 1, tiny_gpt.IGNORE)
    found = list(tiny_gpt.batches(rows, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(found).tolist()) == list(range(600))
    spread = [(lengths[batch].max() - lengths[batch].min()).item() for batch in found]
    assert np.median(spread) <= 3


def test_narrow_keeps_what_it_says():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert torch.isfinite(tiny_gpt.narrow(logits, top_k=2)).tolist() == [[True, True, False, False]]
    assert torch.isfinite(tiny_gpt.narrow(logits, top_p=0.9)).tolist() == [[True, True, True, False]]
    assert torch.isfinite(tiny_gpt.narrow(logits, top_p=0.4)).tolist() == [[True, False, False, False]]


def test_tags_reach_the_model_row_by_row(tokenizer):
    """Rows end one after another, and the rest keep their own tags."""

    def last(ids, tags):
        """Write the number of the tag, once for 70, twice for 71 and so on."""
        chosen = torch.where(ids.shape[1] > tags - 69, tiny_gpt.END, tags)
        return torch.full((len(ids), tiny_gpt.VOCABULARY), -torch.inf).scatter(1, chosen, 0.0)

    tags = torch.tensor([[71], [70], [72]])
    expected = [tokenizer.decode([k] * (k - 69)).strip() for k in (71, 70, 72)]
    assert tiny_gpt.write(last, tokenizer, 3, tags=tags) == expected
