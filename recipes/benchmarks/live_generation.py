"""Measure what the browser's weights and steps cost in adherence: ``python -m recipes.benchmarks.live_generation``.

Writes ``book/data/live_generation.csv``, which the page on generation in a browser shows. The prompts are the 320 that
the card of the diffusion model is about, and the judge is the same probe; what the prompts state is read from
``musicwords/data/corpus.parquet``, so that no corpus has to be rendered. Each row is the model in Python, whole or with
the weights of the browser; a test compares the browser with the latter. With all prompts it takes about half an hour on
one core, and goes on where it was interrupted.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

from musicwords.corpus import load_corpus
from musicwords.diffusion import TextToMusicPipeline
from musicwords.probe import Probe
from recipes.common.command_line import ROOT, parser
from recipes.common.files import write_rows
from recipes.diffusion.generate import generate
from recipes.evaluate_generation.adherence import REPEATS, by_chance, interval, right, shares
from recipes.evaluate_generation.generators import produced
from recipes.evaluate_generation.prompts import ATTRIBUTES, COUNT, halves, select
from recipes.evaluate_generation.settings import readings

sys.path.insert(0, str(ROOT / "book" / "live"))
from generator import round_pipeline

TABLE = ROOT / "book" / "data" / "live_generation.csv"
VARIANTS = (("whole", 25), ("8 bits", 20))  # weights and steps; the first is what others stand beside
SEED = 1  # that of recipes.evaluate_generation
OF_CAPTIONS = (
    "instruments", "families", "percussion", "tempo_bpm", "tempo_class", "meter", "key", "mode", "texture", "idiom",
    "dynamics", "articulation", "register", "room",
)  # fmt: skip


def test_records() -> list[dict]:
    """The test clips as ``recipes.evaluate_generation.prompts`` takes them."""
    table = load_corpus()["test"].select_columns(["id", "work", *OF_CAPTIONS])
    return [{"id": row["id"], "work": row["work"], "attributes": {name: row[name] for name in OF_CAPTIONS}}
            for row in table]  # fmt: skip


def rounded(checkpoint: Path, folder: Path) -> Path:
    """The folder of the checkpoint with the weights that a browser has."""
    pipeline = TextToMusicPipeline.from_pretrained(checkpoint)
    round_pipeline(pipeline)
    pipeline.save_pretrained(folder)
    return folder


def compared(answers: dict[tuple, dict], prompts: list) -> list[dict]:
    """A row for each variant.

    ``adherence`` is the share of what the prompts state that the probe hears, ``chance`` that of shuffled prompts, and
    ``difference`` is from the first variant on the same prompts. 95 % intervals are from drawing prompts.
    """
    count = len(prompts)
    again = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=REPEATS)
    drawn = np.vstack([np.ones(count), again]).astype(float)
    rows, first = [], None
    for (weights, steps), said in answers.items():
        own, chance = (
            shares(np.stack([function(said, prompts, one) for one in ATTRIBUTES], axis=1), drawn)
            for function in (right, by_chance)
        )
        first = own if first is None else first
        row = {"weights": weights, "steps": steps, "prompts": count}
        for name, values in (("adherence", own), ("chance", chance), ("difference", own - first)):
            row |= dict(zip((name, f"{name} low", f"{name} high"), np.round(interval(values), 4), strict=True))
        rows.append(row)
    return rows


def main() -> None:
    made = parser("benchmarks.live_generation", __doc__, "checkpoints", "probe", "work")
    made.add_argument("--output", type=Path, default=TABLE, help="the table")
    made.add_argument("--prompts", type=int, default=COUNT, help="how many (default: all)")
    options = made.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    prompts, probe = select(halves(test_records())[0], options.prompts), Probe.load(options.probe)
    whole = options.checkpoints / "diffusion"
    folders = {"whole": whole, "8 bits": rounded(whole, options.work / "rounded")}
    answers = {}
    for weights, steps in VARIANTS:
        folder = options.work / f"{weights.replace(' ', '-')}-{steps}"
        run = partial(generate, num_inference_steps=steps)
        audio, _ = produced(run, folders[weights], [one.text for one in prompts], SEED, folder)
        answers[weights, steps] = probe.answers(readings(np.load(audio, mmap_mode="r")))
        rows = compared(answers, prompts)
        print(rows[-1], flush=True)
    write_rows(options.output, rows)


if __name__ == "__main__":
    main()
