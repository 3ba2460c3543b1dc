"""What more timbres and recordings bring to the audio tower, each alone and both: four short trainings.

    python -m recipes.clap             # first: what is on the way to the CLAP
    python -m recipes.clap.ablation    # to musicwords/data/benchmarks/ears.csv; run again to go on

All begin with the tower of ``audio_tower`` and take as many steps with as many sounds. What is left out of a batch is
replaced by clips of the corpus.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import Ridge

from musicwords.captions.matching import Facts
from recipes.clap import tuning
from recipes.clap.audio_tower import Trainer, pooled_features
from recipes.clap.features import log_mels
from recipes.clap.listening import TAGS, divided, heard_windows
from recipes.clap.styles import TAGS as CLASS_TAGS
from recipes.clap.styles import by_tags, read, score
from recipes.clap.tuning import CLIPS, WINDOWS, Cycle, Tuning
from recipes.common.command_line import ROOT, parser
from recipes.common.files import write_rows
from recipes.common.records import of_split, read_records

OUTPUT = ROOT / "musicwords" / "data" / "benchmarks" / "ears.csv"
CYCLE = Cycle(3, 3e-4, 1.5e-3, 0.05, 0)
RUNS = {  # name -> whether it hears more timbres, and recordings
    "corpus": (False, False),
    "timbres": (True, False),
    "recordings": (False, True),
    "timbres and recordings": (True, True),
}
ALPHA = 100.0  # of the ridge regression from the tower to musicnn's tags


def logits(tags: np.ndarray) -> np.ndarray:
    return np.log(tags + 1e-4) - np.log(1 - tags + 1e-4)


def judged(tower, head, facts: tuple[np.ndarray, np.ndarray], font: np.ndarray, training: dict, test: dict) -> dict:
    """Facts of clips of an unheard font, and styles of recordings by a linear map to musicnn's tags.

    Parameters
    ----------
    tower, head : trained; the head tells facts, and None stands for a tower without one
    facts : which are true of the clips with the unheard font, and which are known, both of shape (clips, facts)
    font : spectrograms of these clips
    training, test : windows of recordings, from ``styles.read``
    """
    with torch.inference_mode():
        heard = {name: pooled_features(tower, some["mels"]).numpy() for name, some in
                 (("training", training), ("test", test))}  # fmt: skip
        found = {}
        if head is not None:
            true, known = (torch.from_numpy(table.astype(np.float32)) for table in facts)
            error = torch.nn.functional.binary_cross_entropy_with_logits(
                head(pooled_features(tower, font)), true, known, reduction="none"
            )
            found["unheard font"] = round(error.sum(1).mean().item(), 3)
    mean, std = heard["training"].mean(0), heard["training"].std(0) + 1e-6
    probe = Ridge(alpha=ALPHA).fit((heard["training"] - mean) / std, logits(training["heard"][:, :TAGS]))
    read_tags = {name: 1 / (1 + np.exp(-probe.predict((x - mean) / std))) for name, x in heard.items()}
    for tagger in CLASS_TAGS:
        similarity = by_tags(read_tags["test"], read_tags["training"], tagger)
        value, low, high = score(similarity, test["style"], test["track"])["balanced accuracy"]
        found |= {f"styles {tagger}": round(value, 3), f"{tagger} low": round(low, 3), f"{tagger} high": round(high, 3)}
    return found


def main() -> None:
    made = parser("clap.ablation", __doc__, "corpus", "timbres", "recordings", "mels", "work")
    made.add_argument("--clap", type=Path, default=ROOT / "build" / "clap", help="on the way to the CLAP")
    made.add_argument("--output", type=Path, default=OUTPUT, help="the table")
    options = made.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    records, timbres = read_records(options.corpus), read_records(options.timbres)
    mels = log_mels(records, options.corpus, options.mels, options.processes)
    played = log_mels(timbres, options.timbres, options.timbres / "mel", options.processes)
    (train, validation, font) = (
        (of_split(records, split), mels[[record["split"] == split for record in records]])
        for split in ("train", "validation", "font")
    )
    del mels
    listening, checked = divided(heard_windows(options.recordings, options.timbres, options.processes))
    recordings = {use: read(use, options.recordings) for use in ("train", "test")}
    tuning.CYCLES = (CYCLE,)
    rows = []
    for name, (more, recorded) in RUNS.items():
        folder = options.work / name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        tuning.CLIPS, tuning.WINDOWS = (CLIPS, WINDOWS) if recorded else (CLIPS + WINDOWS, 0)
        sounds = (train[0] + timbres, [train[1], played]) if more else (train[0], [train[1]])
        tower = Trainer(options.clap, *train, *validation).run()
        if name == "corpus":
            rows.append({"run": "before", "validation": None, "unheard font": None} | judged(
                tower, None, (), font[1], recordings["train"], recordings["test"]
            ))  # fmt: skip
        run = Tuning(folder, 0, tower, *sounds, listening, *validation, checked)
        run.run()
        facts = Facts([record["attributes"] for record in font[0]], [frozenset(run.names)])
        columns = [facts.names.index(one) for one in run.names]
        tables = facts.holds[:, columns], ~facts.blank[:, columns]
        with (folder / run.curve_name).open() as file:
            last = list(csv.DictReader(file))[-1]
        rows.append(
            {"run": name, "validation": last["validation"]}
            | judged(run.tower.eval(), run.heads["facts"], tables, font[1], recordings["train"], recordings["test"])
        )
        print(rows[-1], flush=True)
    write_rows(options.output, rows)


if __name__ == "__main__":
    main()
