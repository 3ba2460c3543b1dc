"""Train, export and evaluate the captioner. Each step is skipped where its result is there; run again to go on.

python -m recipes.corpus && python -m recipes.corpus.table && python -m recipes.clap    # first: the corpus and the CLAP
python -m recipes.captioner
"""

import argparse
import json
import shutil
from pathlib import Path

from recipes.captioner.card import write_card
from recipes.captioner.evaluate import evaluate, write_floor
from recipes.captioner.export import enter, export
from recipes.captioner.features import pooled_features
from recipes.captioner.texts import corpus_tokenizer
from recipes.captioner.training import Trainer
from recipes.clap.features import read_records
from recipes.common.files import write_text

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(prog="captioner", description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "corpus", help="the rendered corpus")
    parser.add_argument("--clap", type=Path, default=CHECKPOINTS / "clap", help="the CLAP that listens")
    parser.add_argument("--mels", type=Path, default=ROOT / "build" / "clap" / "mel", help="spectrograms")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "captioner", help="what is computed on the way")
    parser.add_argument("--output", type=Path, default=CHECKPOINTS / "captioner")
    parser.add_argument(
        "--floor", type=Path, default=ROOT / "tests" / "data" / "captioner_floor.npz", help="for a test"
    )
    parser.add_argument("--processes", type=int, default=2, help="for the spectrograms")
    options = parser.parse_args()
    work, output = options.work, options.output
    work.mkdir(parents=True, exist_ok=True)

    records = read_records(options.corpus)
    embeddings = pooled_features(records, options.corpus, options.clap, options.mels, work, options.processes)

    def part(split: str) -> tuple:
        rows = [row for row, record in enumerate(records) if record["split"] == split]
        return [records[row] for row in rows], embeddings[rows]

    train, validation = part("train"), part("validation")
    tokenizer = corpus_tokenizer(train[0], work / "tokenizer")
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        captioner = Trainer(work, tokenizer, *train, *validation).run()
        export(captioner, work / "curve.csv", made)
    shutil.copytree(made, output, dirs_exist_ok=True)
    if output.resolve().parent == CHECKPOINTS:
        enter(output)
    scores = work / "scores.json"
    if not scores.is_file():
        write_floor(records, embeddings, options.floor)
        write_text(scores, json.dumps(evaluate(output, records, embeddings), indent=1))
    write_text(output / "README.md", write_card(json.loads(scores.read_text(encoding="utf-8")), output / "curve.csv"))
    print(f"{output}: {sum(path.stat().st_size for path in output.rglob('*') if path.is_file()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
