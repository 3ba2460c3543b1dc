"""Say what is in a catalog that was embedded.

    musicwords-catalog info TABLE

Files and windows, with what and from where they were made, notes and errors by how often they occur, the columns of
the metadata, and whether there is an index. With --json, one object is written.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from musicwords.catalog import lance
from musicwords.catalog.manifest import read_manifest
from musicwords.catalog.metadata import load_metadata
from musicwords.catalog.table import EMBEDDINGS, Refused, fragments_in

MOST = 10  # kinds of notes and errors that people are shown
NUMBER = re.compile(r"\d+(\.\d+)?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a parser read the command line of ``info``."""
    parser.add_argument("table", type=Path, help="the --output of musicwords-catalog embed")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def main(options: argparse.Namespace) -> int:
    """Print what is in a table, and return the exit code."""
    try:
        found = describe(options.table)
    except (Refused, OSError, ValueError) as error:  # Arrow's errors are of the last kind
        print(f"musicwords-catalog info: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, ensure_ascii=False) if options.json else as_text(found))
    return 0


def describe(folder: Path) -> dict:
    """Return what is in a table.

    Raises
    ------
    Refused
        If the folder is none that ``musicwords-catalog embed`` made.
    """
    manifest = read_manifest(folder)
    files, notes, errors, windows = {}, {}, [], 0
    for fragment in fragments_in(folder / EMBEDDINGS):
        rows = pq.read_table(fragment, columns=["path", "duration", "note"])
        windows += len(rows)
        for row in rows.group_by(rows.column_names).aggregate([]).to_pylist():
            files[row["path"]] = row["duration"]
            if row["note"]:
                notes[row["path"]] = row["note"]
    for fragment in fragments_in(folder / "errors"):
        errors += pq.read_table(fragment, columns=["reason"])["reason"].to_pylist()
    state = lance.read_state(folder)
    return {
        **{key: manifest[key] for key in ("source", "checkpoint", "revision", "window", "hop")},
        "files": len(files),
        "windows": windows,
        "hours": round(sum(files.values()) / 3600, 2),
        "notes": kinds(notes.values()),
        "errors": kinds(errors),
        "metadata": [name for name in load_metadata(folder).column_names if name != "path"],
        "lance": state is not None,
        "recall": (state or {}).get("recall"),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def kinds(sentences) -> dict[str, int]:
    """Count sentences that differ in nothing but numbers, the most frequent first."""
    return dict(Counter(NUMBER.sub("…", sentence) for sentence in sentences).most_common())


def as_text(found: dict) -> str:
    """Return for people what ``describe`` found."""
    made_with = "@".join(filter(None, [found["checkpoint"], found["revision"]]))
    lines = [
        f"{found['files']} files, {found['hours']:g} hours, in {found['windows']} windows",
        f"source      {found['source']}",
        f"checkpoint  {made_with}, {found['window']:g} s every {found['hop']:g} s",
        f"metadata    {', '.join(found['metadata']) or 'none'}",
        f"on disk     {found['bytes'] / 1e6:.1f} MB",
    ]
    if found["recall"] is not None:
        lines.append(f"index       finds {found['recall']:.0%} of the nearest windows")
    for what in ("notes", "errors"):
        counted = list(found[what].items())
        lines += [f"{what:11} {sum(found[what].values())}"] if counted else []
        lines += [f"{count:11} {sentence}" for sentence, count in counted[:MOST]]
        lines += [f"{'':11} and {len(counted) - MOST} other kinds"] if len(counted) > MOST else []
    return "\n".join(lines)
