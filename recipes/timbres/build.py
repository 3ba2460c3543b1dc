"""Which clips are played, and one of them made; here and not in ``__main__``, which spawned processes do not import."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np

from recipes.common.files import write_bytes
from recipes.corpus import render
from recipes.corpus.build import load_work, parsed_works
from recipes.corpus.plan import SIZES, Plan, plan_clip
from recipes.corpus.splits import assign
from recipes.timbres import production
from recipes.timbres.band import Band

CLIPS = 18_000
NAME = "timbres"  # where a clip has the name of its sound font


def plans(corpus: Path, processes: int) -> list[Plan]:
    """The clips: those of the training split that come after the corpus's own."""
    works = parsed_works(corpus, processes)
    splits, pools = assign(works), defaultdict(list)
    for work in works:
        pools[splits[work.id], work.source_family].append(work.id)
    return [dataclasses.replace(plan_clip("train", SIZES["train"] + index, pools), font=NAME) for index in range(CLIPS)]


def make(plan: Plan, corpus: Path, output: Path) -> None:
    """Render one clip and write it."""
    work = None if plan.source_family == "procedural" else load_work(corpus / "scores", plan.work)
    band = Band([plan.seed, 2], output / "recorded")
    audio, record = render.make_clip(plan, work, band)
    audio = production.produced(audio, np.random.default_rng([plan.seed, 3]))
    write_bytes(output / "clips" / f"{plan.id}.flac", render.encode(audio, record | {"players": band.players}))
