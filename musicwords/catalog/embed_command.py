"""Embed a catalog: a folder of audio in, a table of CLAP embeddings out.

    musicwords-catalog embed MUSIC --output TABLE
    musicwords-catalog search TABLE "slow piano with strings"

Run it again at any time. It does what is missing: files that are new, files that changed, and what a run that was
killed did not get to.

What goes in
    A folder, or a URI of an object store such as s3://bucket/music, with audio at any depth. Files are known by their
    suffix, and read by FFmpeg: WAV, FLAC, MP3, Ogg, Opus, M4A, AIFF, WMA and many more, of any length, and the sound
    of MP4 and WebM. What systems keep for themselves (._*, .Trashes, @eaDir) is passed over, and counted. Links are
    followed; files outside of the source are counted.

What comes out
    TABLE/embeddings/*.parquet    a row for each window of --window seconds: path, start, end, duration, note, embedding
    TABLE/errors/*.parquet        a row for each file that could not be embedded: path, reason, time
    TABLE/metadata.parquet        the file given with --metadata; searching joins it by path
    TABLE/lance                   the same embeddings and metadata as one LanceDB table, with --format lance, or by
                                  itself from 100,000 windows on; so large a table has an index
    TABLE/manifest.json           checkpoint, window, hop, source
    The Parquet files are the truth, and pandas.read_parquet("TABLE/embeddings") reads them. The Lance table is made
    from them at the end of a run, as a whole, so it needs as much space again, and minutes for a million windows.

What holds
    The files are shared out among --workers processes, here, or by Ray on the cluster at --address; only this process
    writes, about every --save-every seconds. Each Parquet file has all rows of some audio files, and is written under
    a hidden name, flushed, then renamed. So a run that is killed leaves only whole audio files, and what it had not
    saved is done again. A file is known by path, size and time of modification, where the store tells it: if it
    changed, its old rows stay until the new ones are there. Rows of files that are gone stay, and are counted, until
    --prune; what lies in a folder that cannot be read now is not gone.
    On a cluster every machine must see the source at the same place, and have this version of the package.
    A lock of the operating system keeps a second run out of the same output, and ends with its process.
    The output is a local or mounted folder. To have it in an object store, copy it there after the run.

What is an error
    Files that cannot be decoded, hold NaN, are silent or shorter than a second. They are tried again when they
    change, or with --retry-errors; what a disk, a network or a missing right kept back is tried again at the next run.
    Files that are cut off or damaged are embedded as far as they can be decoded; the column note says what is wrong.
    The exit code is 0 all the same; it is 2 where the command was wrong, 1 where the work could not be finished, and
    130 where it was stopped by hand.
"""

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from musicwords.catalog.embedder import BOOK
from musicwords.catalog.run import run
from musicwords.catalog.table import Refused
from musicwords.catalog.worker import RunFailed


def add_arguments(made: argparse.ArgumentParser) -> None:
    """Let a parser read the command line of ``embed``."""

    def above(least: float, kind: type):
        def number(text: str):
            if not least <= kind(text) < float("inf"):
                raise ValueError
            return kind(text)

        number.__name__ = f"{kind.__name__} of {least:g} or more,"  # argparse puts it into its message
        return number

    made.add_argument("source", help="a folder of audio, or a URI of an object store")
    made.add_argument("--output", type=Path, required=True, help="a folder for the table, new or of a run before")
    made.add_argument(
        "--checkpoint", default=BOOK, help="a CLAP: folder, or Hugging Face identifier (default: the book's)"
    )
    made.add_argument(
        "--format", choices=("auto", "parquet", "lance"), default="auto", help="see above (default: auto)"
    )
    made.add_argument("--window", type=above(1, float), help="seconds (default: what the model hears at once)")
    made.add_argument("--hop", type=above(0.1, float), help="seconds from window to window (default: the window)")
    made.add_argument("--metadata", type=Path, help="a .csv, .jsonl or .parquet file with a column path")
    made.add_argument("--workers", type=above(1, int), default=2, help="processes, each with a model (default: 2)")
    made.add_argument("--batch", type=above(1, int), default=8, help="windows the model hears at a time (default: 8)")
    made.add_argument("--address", default="", help="of a Ray cluster (default: workers on this machine)")
    made.add_argument("--gpus-per-worker", type=above(0, float), default=0, help="such as 0.5 (default: 0)")
    made.add_argument("--save-every", type=above(0, float), default=30, help="seconds (default: 30)")
    made.add_argument("--retry-errors", action="store_true", help="try again what could not be read before")
    made.add_argument("--prune", action="store_true", help="take out the rows of files that are gone")
    made.add_argument("--moved", action="store_true", help="the same files lie at another place than before")
    made.add_argument("--json", action="store_true", help="print the summary as JSON")


def main(options: argparse.Namespace) -> int:
    """Embed, and return the exit code."""
    try:
        with redirect_stdout(sys.stderr):  # where a worker dies on a cluster, Ray prints it
            summary = run(options)
    except Refused as error:
        print(f"musicwords-catalog embed: {error}", file=sys.stderr)
        return 2
    except (OSError, RunFailed) as error:
        reason = str(error).rstrip(".")
        print(f"musicwords-catalog embed: {reason}. What was saved is kept; start again to go on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("musicwords-catalog embed: stopped. What was saved is kept; start again to go on.", file=sys.stderr)
        return 130
    print(json.dumps(summary, ensure_ascii=False) if options.json else as_text(summary, options.output))
    return 0


def as_text(summary: dict, output: Path) -> str:
    """Return the summary for people."""
    noted = f" ({summary['noted']} with a note)" if summary["noted"] else ""
    lines = [
        f"{summary['found']} files found: {summary['embedded']} embedded now{noted}, {summary['skipped']} done before, "
        f"{summary['failed']} failed now, {summary['failed_before']} failed before",
        f"{summary['windows']} windows of {summary['audio_seconds']:.0f} s of audio in {summary['seconds']:.0f} s of "
        f"work: {summary['times_real_time']:g} times real time",
    ]
    if summary["failed"] + summary["failed_before"]:
        lines.append(f"reasons: {output / 'errors'}; try again with --retry-errors")
    if summary["passed_over"]:
        lines.append(f"{summary['passed_over']} files and folders of systems, such as ._song.mp3, were passed over")
    if summary["outside"]:
        lines.append(f"{summary['outside']} of the files lie outside of the source: links lead to them")
    if summary["unreachable"]:
        lines.append(f"{summary['unreachable']} files with rows cannot be looked at now; their rows stay")
    if summary["pruned"]:
        lines.append(f"rows of {summary['pruned']} files that are gone were taken out")
    if summary["gone"]:
        lines.append(f"{summary['gone']} files with rows are gone from the source; --prune takes their rows out")
    return "\n".join([*lines, f"table: {output}"])
