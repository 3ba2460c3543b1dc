"""Train and export the diffusion pipeline. Each step is skipped where its result is there; run again to go on.

python -m recipes.prompt_encoder    # first, and before it recipes.corpus, recipes.clap and recipes.codec
python -m recipes.diffusion
python -m recipes.evaluate_generation    # then: scores, and a card with them
"""

import argparse
import shutil
from pathlib import Path

from recipes.clap.features import read_records
from recipes.codec.encode import encoded, to_train_on
from recipes.common.files import write_text
from recipes.diffusion.card import write_card
from recipes.diffusion.export import enter, export
from recipes.diffusion.model import new_pipeline
from recipes.diffusion.training import Trainer

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(prog="diffusion", description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "corpus", help="the rendered corpus")
    parser.add_argument(
        "--codec", type=Path, default=ROOT / "build" / "codec", help="the codec and all clips through it"
    )
    parser.add_argument("--prompt-encoder", type=Path, default=ROOT / "build" / "prompt_encoder")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "diffusion", help="what is computed on the way")
    parser.add_argument("--output", type=Path, default=CHECKPOINTS / "diffusion")
    options = parser.parse_args()
    work, output, codec = options.work, options.output, options.codec / "checkpoint"
    prompt_encoder = options.prompt_encoder / "checkpoint"
    work.mkdir(parents=True, exist_ok=True)

    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        records = read_records(options.corpus)
        latents, _ = encoded(records, options.corpus, codec, options.codec)
        pipeline = Trainer(work, new_pipeline(codec, prompt_encoder), *to_train_on(records, latents)).run()
        curves = {"prompt-encoder.csv": options.prompt_encoder / "curve.csv", "curve.csv": work / "curve.csv"}
        export(pipeline, curves, made)
    shutil.copytree(made, output, dirs_exist_ok=True)
    if output.resolve().parent == CHECKPOINTS:
        enter(output)
    write_text(output / "README.md", write_card(output))
    print(f"{output}: {sum(path.stat().st_size for path in output.rglob('*') if path.is_file()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
