"""Try settings of a generator on prompts of validation clips, to choose those that its checkpoint carries.

    python -m recipes.evaluate_generation.settings musicgen    # once it is trained; run again to go on

Writes ``settings.csv`` beside the checkpoint. Settings that its few prompts cannot tell from the best are tried on
more, for ``finalists.csv``. What is chosen is printed; it is to be written into the recipe of the generator before the
checkpoint ships.
"""

from functools import partial

import numpy as np
import soundfile

from musicwords.health import FEWEST_ONSETS, MOST_SIMILAR, health
from musicwords.probe import Probe, Readings, features
from recipes.common.command_line import parser
from recipes.common.files import write_rows
from recipes.common.records import read_records
from recipes.evaluate_generation.adherence import by_chance, right
from recipes.evaluate_generation.diversity import mean_distance, standardized
from recipes.evaluate_generation.generators import generate_of, produced
from recipes.evaluate_generation.prompts import ATTRIBUTES, Prompt, draw

COUNT, MORE = 64, 256  # prompts for all settings, and for those that the first cannot tell from the best
NEAR = 0.02  # in adherence, of the best: less than one standard error of so few prompts
LEAST_DISTANCE = 0.85  # between clips, of the largest that any setting has, for a setting to be chosen
MOST_STILL = 1 / 8  # share of the clips that are silent or one held sound, for a setting to be chosen
VARIANTS = {
    "musicgen": [
        {"guidance_scale": guidance, "top_k": top_k, "temperature": temperature}
        for top_k, temperature in ((50, 1.0), (250, 1.0), (250, 0.8))
        for guidance in (1.0, 3.0, 6.0, 10.0, 15.0)
    ],
    "diffusion": [
        {"guidance_scale": guidance, "num_inference_steps": steps}
        for steps, guidances in ((25, (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)), (50, (6.0,)))
        for guidance in guidances
    ],
}  # fmt: skip


def allowed(rows: list[dict]) -> list[dict]:
    """The rows whose clips move, and differ nearly as much as with any setting.

    The measure is what the generator itself can do, since settings cannot make up for what training left out.
    """
    most = max(float(row["distance"]) for row in rows)
    varied = [row for row in rows if float(row["distance"]) >= LEAST_DISTANCE * most]
    return [row for row in varied if float(row["still"]) <= MOST_STILL]


def best(rows: list[dict]) -> dict:
    return max(rows, key=lambda row: float(row["adherence"]))


def finalists(rows: list[dict]) -> list[dict]:
    """The allowed rows that are as good as the best one, for all that their prompts can tell."""
    rows = allowed(rows)
    return [row for row in rows if float(row["adherence"]) >= float(best(rows)["adherence"]) - NEAR]


def readings(clips: np.ndarray) -> Readings:
    """What the probe reads of clips, shape (clips, samples)."""
    return Readings(*map(np.stack, zip(*[features(np.array(clip)) for clip in clips], strict=True)))


def judged(clips: np.ndarray, prompts: list[Prompt], probe: Probe, real: Readings) -> dict:
    """Adherence, also to shuffled prompts, distance between clips, and shares of clips that loop and of still ones."""
    found = readings(clips)
    said = probe.answers(found)
    shares = {
        name: np.nanmean([function(said, prompts, one) for one in ATTRIBUTES])
        for name, function in (("adherence", right), ("shuffled", by_chance))
    }
    states = [health(np.array(clip)) for clip in clips]
    shares |= {
        "distance": mean_distance(standardized(found.timbre, real.timbre)),
        "loops": np.mean([state["self_similarity"] > MOST_SIMILAR for state in states]),
        "still": np.mean([state["onsets"] < FEWEST_ONSETS for state in states]),
    }
    return {name: round(float(value), 4) for name, value in shares.items()}


def main() -> None:
    made = parser("evaluate_generation.settings", __doc__, "corpus", "checkpoints", "probe", "work")
    made.add_argument("generator", choices=VARIANTS)
    options = made.parse_args()
    checkpoint, work = options.checkpoints / options.generator, options.work / options.generator
    work.mkdir(parents=True, exist_ok=True)
    records = {record["id"]: record for record in read_records(options.corpus) if record["split"] == "validation"}
    drawn = [prompt for record in records.values() if (prompt := draw(record, "train"))]
    probe = Probe.load(options.probe)

    def tried(variants: list[dict], prompts: list[Prompt]) -> list[dict]:
        paths = [options.corpus / records[one.clip]["file_name"] for one in prompts]
        real = readings(np.stack([soundfile.read(path, dtype="float32")[0] for path in paths]))
        of_real = round(mean_distance(standardized(real.timbre, real.timbre)), 4)
        rows = []
        for variant in variants:
            folder = work / f"{'-'.join(f'{value:g}' for value in variant.values())}-of-{len(prompts)}"
            generate = partial(generate_of(options.generator), **variant)
            audio, seconds = produced(generate, checkpoint, [one.text for one in prompts], 0, folder)
            row = variant | judged(np.load(audio, mmap_mode="r"), prompts, probe, real)
            rows.append(row | {"distance_real": of_real, "seconds": round(seconds, 3)})
            print(rows[-1], flush=True)
        return rows

    variants = VARIANTS[options.generator]
    rows = tried(variants, drawn[:COUNT])
    write_rows(checkpoint / "settings.csv", rows)
    near = finalists(rows)
    if len(near) > 1:
        near = tried([{name: row[name] for name in variants[0]} for row in near], drawn[:MORE])
        write_rows(checkpoint / "finalists.csv", near)
    print("chosen:", best(near))


if __name__ == "__main__":
    main()
