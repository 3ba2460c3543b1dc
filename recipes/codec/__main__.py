"""Train, export and evaluate the codec. Each step is skipped where its result is there; run again to go on.

python -m recipes.corpus    # first: the corpus
python -m recipes.codec
"""

import argparse
import json
import shutil
from pathlib import Path

from recipes.clap.features import read_records
from recipes.codec.audio import samples
from recipes.codec.card import write_card
from recipes.codec.encode import encoded, latent_statistics
from recipes.codec.evaluate import evaluate, write_csv
from recipes.codec.export import enter, export
from recipes.codec.training import Settings, Trainer
from recipes.common.files import write_text

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(prog="codec", description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "corpus", help="the rendered corpus")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "codec", help="what is computed on the way")
    parser.add_argument("--output", type=Path, default=CHECKPOINTS / "codec")
    parser.add_argument("--processes", type=int, default=2, help="for reading and encoding clips")
    options = parser.parse_args()
    work, output = options.work, options.output
    work.mkdir(parents=True, exist_ok=True)

    records = read_records(options.corpus)
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        heard = [record for record in records if record["split"] in ("train", "validation")]
        clips = samples(heard, options.corpus, work, options.processes)
        count = sum(record["split"] == "train" for record in heard)  # they come first
        model = Trainer(work, clips[:count], clips[count:], Settings()).run()
        model.config.latents_mean, model.config.latents_std = latent_statistics(model, clips[:count])
        export(model, work / "curve.csv", made)
    shutil.copytree(made, output, dirs_exist_ok=True)
    if output.resolve().parent == CHECKPOINTS:
        enter(output)
    encoded(records, options.corpus, made, work, options.processes)
    scores = work / "scores.json"
    if not scores.is_file():
        write_text(scores, json.dumps(evaluate(made, records, options.corpus, work), indent=1))
    result = json.loads(scores.read_text(encoding="utf-8"))
    write_csv(result, output / "scores.csv")
    write_text(output / "README.md", write_card(result, output / "curve.csv"))
    print(f"{output}: {sum(path.stat().st_size for path in output.rglob('*') if path.is_file()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
