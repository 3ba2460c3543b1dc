"""CIDEr-D as the notebook on metrics writes it out is that of pycocoevalcap."""

import nbformat
import numpy as np
import pytest
from run_notebooks import ROOT

NOTEBOOK = ROOT / "notebooks" / "description" / "metrics.ipynb"
DEFINED = ("words", "ngrams", "weighted", "clipped_cosine", "cider")


def test_cider_is_that_of_the_library():
    library = pytest.importorskip("pycocoevalcap.cider.cider", reason="needs recipes/requirements.txt")
    given = [("a slow piano piece in minor",), ("fast drums and a bass", "a quick beat with bass"), ("a choir sings",)]
    said = ["a slow slow piano piece", "a fast beat with drums", "a choir sings slowly and then it goes on and on"]
    names = {"REFERENCES": given, "N": len(given)}
    exec("import functools, math, re\nfrom collections import Counter", names)
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    for name in DEFINED:
        (source,) = [source for source in cells if f"def {name}(" in source]
        exec(source, names)
    mine = [names["cider"](text, some) for text, some in zip(said, given, strict=True)]
    expected = {clip: list(some) for clip, some in enumerate(given)}
    theirs = library.Cider().compute_score(expected, {clip: [text] for clip, text in enumerate(said)})[1]
    np.testing.assert_allclose(mine, theirs, atol=1e-12)
