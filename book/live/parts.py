"""Make what the live pages load into a browser: ``python book/live/parts.py``, which ``make book`` runs.

It comes in groups, so that what several pages need stands once, and is loaded once. In ``_build/live`` stand afterwards

- ``parts.json``: of each group the key of what it was made from, its files with their bytes, and what is to be said of
  it on a page;
- ``parts/<key>/``: the files of a group;
- ``media/``: the sounds and the spectrograms of the clips, under the names that they have on other pages;
- ``packages/``: what was taken from npm, so that later builds need no network.

What is large is compressed here and not by the web server, since not every server does it. A group is made again only
if something that it is made from has changed. Without npm there are no live pages, and the book is built without them;
in CI that is a failure.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

from files import key_of
from packages import LOCK, NoPackages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CODE = ROOT / "musicwords"
DATA = CODE / "data"
MADE = Path("_build") / "live"  # in the root of the book
# Group -> what it is made of, first the module whose ``write_group(target, made, groups)`` writes its files to the
# folder ``target`` and returns what is to be said of it. It may read the folders of ``groups``, those before it.
SHARED = (HERE / "files.py", HERE / "packages.py", LOCK)
CLIPS = (HERE / "clip_entries.py", HERE / "files.py", DATA / "checkpoints" / "clap", DATA / "clips", CODE / "listen.py")
GROUPS = {
    "runtime": (HERE / "runtime.py", *SHARED),
    "clips": CLIPS,
    "description": (
        *(HERE / "description.py", HERE / "eight_bits.py", HERE / "files.py"),
        *(DATA / name for name in ("clips", "recordings")),
        *(DATA / "checkpoints" / name for name in ("clap", "captioner", "musicnn-mtt")),
        *(CODE / name for name in ("captioner.py", "musicnn.py")),
    ),
    "search": (HERE / "text_tower.py", HERE / "eight_bits.py", *SHARED, *CLIPS),
    "generate": (
        *(HERE / "generator.py", HERE / "eight_bits.py", *SHARED, DATA / "checkpoints" / "diffusion"),
        *(CODE / name for name in ("codec.py", "diffusion.py", "inputs.py", "listen.py")),
    ),
}


def make(root: Path = ROOT) -> dict:
    """Make the groups in the book of ``root`` that are not there, and return what ``parts.json`` holds.

    Raises
    ------
    NoPackages
        If the packages from npm are not to be had; then there are no parts, not even old ones.
    """
    made = root / MADE
    index, folders = made / "parts.json", made / "parts"
    keys = {name: f"{name}-{key_of(*sources)}" for name, sources in GROUPS.items()}
    old = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    kept = {name: old[name] for name, key in keys.items() if name in old and old[name]["key"] == key}
    if list(kept) == list(keys):
        return kept
    index.unlink(missing_ok=True)
    found = {}
    for name, (module, *_) in GROUPS.items():
        if name in kept:
            found[name] = kept[name]
            continue
        target = folders / keys[name]
        shutil.rmtree(target, ignore_errors=True)
        # Imported here, since it takes seconds, and most builds have nothing to make.
        write_group = importlib.import_module(module.stem).write_group
        facts = write_group(target, made, {done: folders / keys[done] for done in found})
        files = {path.name: path.stat().st_size for path in sorted(target.iterdir())}
        found[name] = {"key": keys[name], "files": files} | facts
    for folder in folders.iterdir():
        if folder.name not in keys.values():
            shutil.rmtree(folder)
    index.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def main() -> int:
    """Make the parts of this book, and say so. Without npm, return 1 in CI and 0 elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="of the book (default: this one)")
    try:
        found = make(parser.parse_args().root)
    except NoPackages as error:
        print(error, file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    for group in found.values():
        print(f"Live pages load {sum(group['files'].values()) / 1e6:.1f} MB: {MADE / 'parts' / group['key']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
