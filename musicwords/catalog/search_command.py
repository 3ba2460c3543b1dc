"""Search a catalog that was embedded, by text or by the sound of a file.

    musicwords-catalog search TABLE "slow piano with strings" --top 5
    musicwords-catalog search TABLE --like song.flac --where "duration > 60 and genre = 'jazz'" --json

For each file the best window is given, with its place in the file. The score is the cosine between the embeddings of
the query and the window. Scores of different queries, or of text and audio queries, do not compare.

--where is a condition in SQL, as LanceDB (DataFusion) reads it, on path, start, end, duration, size and the columns
of the metadata. A name with a space stands in `backticks`.

With --json, one object is written: the query and the list of results. The exit code is 2 where the command was wrong.
"""

import argparse
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np

from musicwords.catalog.audio import Unreadable, Windows
from musicwords.catalog.embedder import Embedder, find_checkpoint
from musicwords.catalog.manifest import read_manifest
from musicwords.catalog.search import search
from musicwords.catalog.table import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a parser read the command line of ``search``."""
    parser.add_argument("table", type=Path, help="the --output of musicwords-catalog embed")
    parser.add_argument("text", nargs="?", help="what is to be heard")
    parser.add_argument("--like", type=Path, help="an audio file in the place of a text: the mean of its windows")
    parser.add_argument("--top", type=int, default=10, help="how many files (default: 10)")
    parser.add_argument("--where", default="", help="a condition in SQL")
    parser.add_argument("--checkpoint", help="where the CLAP of the table is now (default: where it was)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def main(options: argparse.Namespace) -> int:
    """Search, and return the exit code."""
    warnings.showwarning = lambda message, *_: print(f"musicwords-catalog search: {message}", file=sys.stderr)
    try:
        manifest = read_manifest(options.table)
        if options.top < 1:
            raise Refused(f"--top {options.top}: at least 1 is expected.")
        if (options.text is None) == (options.like is None):
            raise Refused("a text or --like is expected, and not both.")
        results = search(options.table, embed_query(options, manifest), options.top, options.where)
    except (Refused, Unreadable, ValueError, OSError) as error:
        print(f"musicwords-catalog search: {error}", file=sys.stderr)
        return 2
    if options.json:
        query = {"text": options.text} if options.like is None else {"like": str(options.like)}
        found = {**query, "where": options.where, "source": manifest["source"], "results": results}
        print(json.dumps(plain(found), ensure_ascii=False, allow_nan=False, default=str))
    else:
        for rank, hit in enumerate(results, 1):
            print(f"{rank:3}  {hit['score']:6.3f}  {clock(hit['start'])}-{clock(hit['end'])}  {hit['path']}")
    return 0


def embed_query(options: argparse.Namespace, manifest: dict) -> np.ndarray:
    """Return the embedding of the query, (dimension,): of a file, the mean over its windows.

    Raises
    ------
    Refused
        If the checkpoint is another one than that of the table.
    Unreadable, ValueError, OSError
        If the file cannot be embedded, or the text cannot be read by the model.
    """
    made_with = "@".join(filter(None, [manifest["checkpoint"], manifest["revision"]]))
    checkpoint = find_checkpoint(options.checkpoint or made_with)
    for key in ("dimension", "sha256"):
        if getattr(checkpoint, key) != manifest[key]:
            raise Refused(
                f"{options.table} was made with {made_with} of {key} {manifest[key]}, and {checkpoint.name} has "
                f"{getattr(checkpoint, key)}: give the CLAP of the table as --checkpoint."
            )
    if options.like is None:
        return text_embedding(Embedder(checkpoint.folder), options.text)
    embedder, total = Embedder(checkpoint.folder), np.zeros(checkpoint.dimension)
    with options.like.open("rb") as file:
        try:
            for _, _, audio in Windows(file, checkpoint.sample_rate, manifest["window"], manifest["hop"]):
                total += embedder.audio([audio])[0]
        except Unreadable as error:
            raise Unreadable(f"{options.like} cannot be embedded: {error}") from error
    return (total / np.linalg.norm(total)).astype(np.float32)


def text_embedding(embedder: Embedder, text: str) -> np.ndarray:
    from musicwords.inputs import check_texts

    check_texts([text], embedder.processor)
    return embedder.texts([text])[0]


def plain(value):
    """Return what JSON has a form for: it has none for NaN, which metadata may hold."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def clock(seconds: float) -> str:
    """Return 75 as 1:15."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
