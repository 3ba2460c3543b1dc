"""Try settings of a generator on prompts of validation clips, to choose those that its checkpoint carries.

    python -m recipes.evaluate_generation.settings musicgen    # once it is trained; run again to go on

Writes ``settings.csv`` beside the checkpoint. What is chosen is printed; it is to be written into the
recipe of the generator before the checkpoint ships.
"""

from pathlib import Path

import numpy as np
import soundfile

from musicwords.health import MOST_SIMILAR, health
from musicwords.probe import Probe, Readings, features
from recipes.common.command_line import parser
from recipes.common.files import write_rows
from recipes.common.records import read_records
from recipes.evaluate_generation.adherence import by_chance, right
from recipes.evaluate_generation.diversity import mean_distance, standardized
from recipes.evaluate_generation.generators import generate_of, produced
from recipes.evaluate_generation.prompts import ATTRIBUTES, Prompt, draw

COUNT = 64  # prompts
LEAST_DISTANCE = 0.85  # between clips, of the largest that any setting has, for a setting to be chosen
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


def chosen(rows: list[dict]) -> dict:
    """The row with the most adherence, of those whose clips differ from each other nearly as much as with any setting.

    The measure is what the generator itself can do, since settings cannot make up for what training left out.
    """
    most = max(float(row["distance"]) for row in rows)
    varied = [row for row in rows if float(row["distance"]) >= LEAST_DISTANCE * most]
    return max(varied, key=lambda row: float(row["adherence"]))


def readings(clips: np.ndarray) -> Readings:
    """What the probe reads of clips, shape (clips, samples)."""
    return Readings(*map(np.stack, zip(*[features(np.array(clip)) for clip in clips], strict=True)))


def judged(clips: np.ndarray, prompts: list[Prompt], probe: Probe, real: Readings) -> dict:
    """Share of the statements that the probe hears, what shuffled prompts reach, distance between clips, loops."""
    found = readings(clips)
    said = probe.answers(found)
    shares = {
        name: np.nanmean([function(said, prompts, one) for one in ATTRIBUTES])
        for name, function in (("adherence", right), ("shuffled", by_chance))
    }
    distance = mean_distance(standardized(found.timbre, real.timbre))
    loops = np.mean([health(np.array(clip))["self_similarity"] > MOST_SIMILAR for clip in clips])
    return {name: round(float(value), 4) for name, value in (*shares.items(), ("distance", distance), ("loops", loops))}


def main() -> None:
    made = parser("evaluate_generation.settings", __doc__, "corpus", "checkpoints", "probe", "work")
    made.add_argument("generator", choices=VARIANTS)
    options = made.parse_args()
    checkpoint, work = options.checkpoints / options.generator, options.work / options.generator
    work.mkdir(parents=True, exist_ok=True)
    records = {record["id"]: record for record in read_records(options.corpus) if record["split"] == "validation"}
    prompts = [prompt for record in records.values() if (prompt := draw(record, "train"))][:COUNT]
    described = [soundfile.read(options.corpus / records[one.clip]["file_name"], dtype="float32")[0] for one in prompts]
    probe, real = Probe.load(options.probe), readings(np.stack(described))
    of_real = round(mean_distance(standardized(real.timbre, real.timbre)), 4)
    rows = []
    for variant in VARIANTS[options.generator]:
        name = "-".join(f"{value:g}" for value in variant.values())

        def generate(folder: Path, texts: list[str], seed: int, variant: dict = variant) -> np.ndarray:
            return generate_of(options.generator)(folder, texts, seed, **variant)

        audio, seconds = produced(generate, checkpoint, [one.text for one in prompts], 0, work / name)
        row = variant | judged(np.load(audio, mmap_mode="r"), prompts, probe, real)
        rows.append(row | {"distance_real": of_real, "seconds": round(seconds, 3)})
        print(rows[-1], flush=True)
    write_rows(checkpoint / "settings.csv", rows)
    print("chosen:", chosen(rows))


if __name__ == "__main__":
    main()
