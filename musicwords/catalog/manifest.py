"""What is noted of a table: where its audio lies, and what decides what an embedding is."""

import json
from pathlib import Path

from musicwords.catalog.table import Refused, write_whole

MANIFEST = "manifest.json"
VERSION = 2  # of the layout of the folder


def read_manifest(folder: Path) -> dict:
    """Return what was noted of the embeddings in a folder.

    Raises
    ------
    Refused
        If the folder is none that ``musicwords-catalog embed`` made.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refused(f"{folder} is no table of musicwords-catalog embed: it has no readable {MANIFEST}.") from None
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        manifest = manifest if isinstance(manifest, dict) else {}
        raise Refused(
            f"{folder} has version {manifest.get('version')} of the layout, and {VERSION} is expected: embed the music "
            "again, to another --output."
        )
    return manifest


def _shown(manifest: dict, key: str) -> str:
    revision = manifest["revision"] if key == "checkpoint" else ""
    return "@".join(filter(None, [str(manifest[key]), revision]))


def settle_manifest(folder: Path, manifest: dict, moved: bool) -> None:
    """Write the manifest of a new output, or raise unless it agrees with the one that is there.

    Parameters
    ----------
    folder : Path
        The output.
    manifest : dict
        Where the audio lies, and what decides what an embedding is.
    moved : bool
        Whether the audio may lie elsewhere than in the runs before.

    Raises
    ------
    Refused
        If another checkpoint, window or hop, or another source made what is there.
    """
    manifest = {"version": VERSION, **manifest}
    path = folder / MANIFEST
    if not path.exists():
        if any(not item.name.startswith(".") for item in folder.iterdir()):
            raise Refused(f"{folder} holds other files: give a new or an empty --output.")
    else:
        there = read_manifest(folder)
        for key in ("sha256", "window", "hop"):
            if there[key] != manifest[key]:
                named = "checkpoint" if key == "sha256" else key
                before, now = (_shown(noted, named) for noted in (there, manifest))
                other = f", or --{named} {before}" if before != now else ", since the checkpoint of that name changed"
                raise Refused(
                    f"{folder} was made with {named} {before}, not {now}, and their embeddings do not mix: "
                    f"give another --output{other}."
                )
        if there["source"] != manifest["source"] and not moved:
            raise Refused(
                f"{folder} was made from {there['source']}, not {manifest['source']}: give another --output, or, if "
                "the same files lie there now, --moved."
            )
        if there == manifest:
            return
    write_whole(path, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
