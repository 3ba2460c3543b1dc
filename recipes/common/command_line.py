"""The command line of a recipe: its options, each declared once."""

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"
OPTIONS = {  # default, or None where it depends on the recipe; help
    "corpus": (BUILD / "corpus", "the rendered corpus"),
    "timbres": (BUILD / "timbres", "the corpus's music with more timbres"),
    "recordings": (BUILD / "recordings", "windows of recordings"),
    "codec": (BUILD / "codec", "the codec and all clips through it"),
    "clap": (CHECKPOINTS / "clap", "the CLAP that listens or teaches"),
    "mels": (BUILD / "mel", "spectrograms of all clips"),
    "prompt_encoder": (BUILD / "prompt_encoder", "the text encoder of both generators"),
    "checkpoints": (CHECKPOINTS, "codec, CLAP and the generators"),
    "probe": (ROOT / "musicwords" / "data" / "probe", "the probe of generated music"),
    "floor": (ROOT / "tests" / "data" / "captioner_floor.npz", "test clips, for a test of the captioner"),
    "work": (None, "what is computed on the way"),
    "output": (None, "the checkpoint"),
}


def parser(recipe: str, doc: str, *names: str) -> argparse.ArgumentParser:
    """A parser with some of ``OPTIONS`` and the number of processes.

    Parameters
    ----------
    recipe : the name of its package, of its folder in ``build`` and of its checkpoint
    doc : the docstring of the module that is run; its first line is shown
    names : of ``OPTIONS``
    """
    made = argparse.ArgumentParser(prog=f"python -m recipes.{recipe}", description=doc.split("\n")[0])
    own = {"work": BUILD / recipe.replace(".", "/"), "output": CHECKPOINTS / recipe}
    for name in names:
        default, text = OPTIONS[name]
        made.add_argument(f"--{name.replace('_', '-')}", type=Path, default=default or own[name], help=text)
    made.add_argument("--processes", type=int, default=2, help="that read and compute at a time (default: 2)")
    return made
