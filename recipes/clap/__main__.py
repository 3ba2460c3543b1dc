"""Train, export and evaluate the mini CLAP. Each step is skipped where its result is there; run again to go on.

python -m recipes.corpus && python -m recipes.corpus.table    # first: the corpus and musicnn's embeddings of it
python -m recipes.clap
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from recipes.clap.alignment import align, assembled
from recipes.clap.audio_tower import Trainer
from recipes.clap.card import write_card
from recipes.clap.evaluate import evaluate, write_csv
from recipes.clap.export import enter, export
from recipes.clap.features import log_mels, read_records
from recipes.clap.text_tower import distill, load
from recipes.common.files import write_text

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(prog="clap", description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "corpus", help="the rendered corpus")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "clap", help="what is computed on the way")
    parser.add_argument("--output", type=Path, default=CHECKPOINTS / "clap")
    parser.add_argument("--processes", type=int, default=2, help="for the spectrograms")
    options = parser.parse_args()
    work, output = options.work, options.output
    work.mkdir(parents=True, exist_ok=True)

    records = read_records(options.corpus)
    train = [record for record in records if record["split"] == "train"]
    validation = [record for record in records if record["split"] == "validation"]
    mels = log_mels(records, options.corpus, work / "mel", options.processes)
    split = np.array([record["split"] for record in records])
    of_train, of_validation = mels[split == "train"], mels[split == "validation"]
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "alignment.csv").is_file():  # the last file of an export
        audio_tower = Trainer(work, train, validation).run(of_train, of_validation)
        if not (work / "text-tower.csv").is_file():
            distill(train, validation, work)
        text_tower, _ = load(work / "text-tower")
        model = assembled(audio_tower, text_tower)
        align(model, train, of_train, validation, of_validation, work)
        export(model, work, made)
    shutil.copytree(made, output, dirs_exist_ok=True)
    if output.resolve().parent == CHECKPOINTS:
        enter(output)
    scores = work / "scores.json"
    if not scores.is_file():
        write_text(scores, json.dumps(evaluate(output, records, mels, options.corpus, work), indent=1))
    result = json.loads(scores.read_text(encoding="utf-8"))
    write_csv(result, output / "scores.csv")
    write_text(output / "README.md", write_card(result, work))
    print(f"{output}: {sum(path.stat().st_size for path in output.rglob('*')) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
