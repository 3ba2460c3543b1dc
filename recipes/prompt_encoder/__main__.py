"""Train the prompt encoder, if it is not there.

python -m recipes.corpus && python -m recipes.clap    # first: the corpus and the CLAP
python -m recipes.prompt_encoder
"""

import argparse
from pathlib import Path

from recipes.clap.features import read_records
from recipes.prompt_encoder.training import train

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="prompt_encoder", description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "corpus", help="the rendered corpus")
    parser.add_argument("--clap", type=Path, default=ROOT / "musicwords" / "data" / "checkpoints" / "clap")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "prompt_encoder")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if not (options.work / "curve.csv").is_file():  # the last file that is written
        records = read_records(options.corpus)
        parts = ([record for record in records if record["split"] == split] for split in ("train", "validation"))
        train(*parts, options.clap, options.work)


if __name__ == "__main__":
    main()
