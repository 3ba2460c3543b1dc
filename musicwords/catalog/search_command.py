"""Search a catalog that was embedded, by text or by the sound of a file.

    musicwords-catalog search TABLE "slow piano with strings" --top 5
    musicwords-catalog search TABLE --like song.flac --where "duration > 60 and genre = 'jazz'" --json
    musicwords-catalog search TABLE --interactive

For each file the best window is given, with its place in the file. The score is the cosine between the embeddings of
the query and the window. Scores of different queries, or of text and audio queries, do not compare.

--like takes the mean over the windows of the file. --interactive asks for one text after another until an empty line,
and loads the model once, which takes most of the time of a search.

--where is a condition in SQL, as LanceDB (DataFusion) reads it, on path, start, end, duration, size, note and the
columns of the metadata. A name with a space stands in `backticks`; dates are text, as in "released > '1999-12-31'".
All windows that fulfill the condition are compared.

From 100,000 windows on a table has an index, which is said after the results with the share of the nearest windows
that it finds. --exact compares with all.

With --json, one object is written for each query: the query, the list of results, and the recall of the index if it
was used. The exit code is 2 where the command was wrong.
"""

import argparse
import json
import math
import sys
import warnings
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path

import numpy as np

from musicwords.catalog.audio import Unreadable, Windows
from musicwords.catalog.embedder import Checkpoint, Embedder, find_checkpoint
from musicwords.catalog.manifest import read_manifest
from musicwords.catalog.search import Catalog, check_condition
from musicwords.catalog.table import Refused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a parser read the command line of ``search``."""
    parser.add_argument("table", type=Path, help="the --output of musicwords-catalog embed")
    parser.add_argument("text", nargs="?", help="what is to be heard")
    parser.add_argument("--like", type=Path, help="an audio file in the place of a text: the mean of its windows")
    parser.add_argument("--interactive", action="store_true", help="ask for texts, until an empty line")
    parser.add_argument("--top", type=int, default=10, help="how many files (default: 10)")
    parser.add_argument("--where", default="", help="a condition in SQL")
    parser.add_argument("--exact", action="store_true", help="compare with all windows, without the index")
    parser.add_argument("--checkpoint", help="where the CLAP of the table is now (default: where it was)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def main(options: argparse.Namespace) -> int:
    """Search, and return the exit code."""
    warnings.showwarning = lambda message, *_: _complain(message)
    try:
        manifest = read_manifest(options.table)
        if options.top < 1:
            raise Refused(f"--top {options.top}: at least 1 is expected.")
        if sum([options.text is not None, options.like is not None, options.interactive]) != 1:
            raise Refused("a text, --like or --interactive is expected, and only one of them.")
        if options.where:
            check_condition(options.where)
        catalog, checkpoint = Catalog(options.table), find(options, manifest)
        embedder = Embedder(checkpoint.folder)
        for text in typed() if options.interactive else [options.text]:
            try:
                query = sound(options.like, embedder, checkpoint, manifest) if options.like else words(text, embedder)
                answer(options, manifest, text, catalog, query)
            except (Refused, ValueError) as error:
                if not options.interactive:
                    raise
                _complain(error)
    except (Refused, Unreadable, ValueError, OSError, RuntimeError) as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def find(options: argparse.Namespace, manifest: dict) -> Checkpoint:
    """Return the CLAP of a table.

    Raises
    ------
    Refused
        If the checkpoint that is there is another one.
    """
    made_with = "@".join(filter(None, [manifest["checkpoint"], manifest["revision"]]))
    checkpoint = find_checkpoint(options.checkpoint or made_with)
    for key in ("dimension", "sha256"):
        if getattr(checkpoint, key) != manifest[key]:
            raise Refused(
                f"{options.table} was made with {made_with} of {key} {manifest[key]}, and {checkpoint.name} has "
                f"{getattr(checkpoint, key)}: give the CLAP of the table as --checkpoint."
            )
    return checkpoint


def typed() -> Iterator[str]:
    """Give what is typed, line by line."""
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            return
        yield line


def words(text: str, embedder: Embedder) -> np.ndarray:
    """Return the embedding of a text, (dimension,), or raise ``ValueError`` if the model cannot read it."""
    from musicwords.inputs import check_texts

    if any("\ud800" <= sign <= "\udfff" for sign in text):  # bytes that the terminal's encoding has not
        raise ValueError("the text is not UTF-8: set the encoding of the terminal to UTF-8.")
    check_texts([text], embedder.processor)
    return embedder.texts([text])[0]


def sound(file: Path, embedder: Embedder, checkpoint: Checkpoint, manifest: dict) -> np.ndarray:
    """Return the mean over the embeddings of the windows of a file, of length 1, (dimension,).

    Raises
    ------
    Unreadable, OSError
        If the file cannot be embedded.
    """
    total = np.zeros(checkpoint.dimension)
    with file.open("rb") as opened:
        windows = Windows(opened, checkpoint.sample_rate, manifest["window"], manifest["hop"])
        try:
            for _, _, audio in windows:
                total += embedder.audio([audio])[0]
        except Unreadable as error:
            raise Unreadable(f"{file} cannot be embedded: {error}") from error
    if windows.note:
        _complain(f"{file}: {windows.note}")
    return (total / np.linalg.norm(total)).astype(np.float32)


def answer(options: argparse.Namespace, manifest: dict, text: str | None, catalog: Catalog, query: np.ndarray) -> None:
    """Search and print what was found."""
    results = catalog.search(query, options.top, options.where, options.exact)
    recall = None if options.where or options.exact else catalog.recall
    if options.json:
        asked = {"text": text} if options.like is None else {"like": str(options.like)}
        found = {**asked, "where": options.where, "source": manifest["source"], "recall": recall, "results": results}
        print(json.dumps(plain(found), ensure_ascii=False, allow_nan=False, default=str), flush=True)
        return
    for rank, hit in enumerate(results, 1):
        print(f"{rank:3}  {hit['score']:6.3f}  {clock(hit['start'])}-{clock(hit['end'])}  {printable(hit['path'])}")
    if recall is not None:
        print(f"by an index, which finds {recall:.0%} of the nearest windows; --exact compares with all")


def plain(value):
    """Return what JSON has a form for: it has none for NaN and dates, which metadata may hold."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printable(text: str) -> str:
    """Return a text with ``\\x..`` for what would steer a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def clock(seconds: float) -> str:
    """Return 75 as 1:15."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _complain(what: object) -> None:
    print(f"musicwords-catalog search: {printable(str(what))}", file=sys.stderr, flush=True)
