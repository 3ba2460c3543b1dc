"""The windows that are nearest to a query, the best one of each file, from Parquet fragments or a Lance table."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from musicwords.catalog.metadata import METADATA, join, load_metadata
from musicwords.catalog.table import Refused, fragments_in, write_whole

EMBEDDINGS = "embeddings"
LANCE = "lance"  # a LanceDB database with one table
NAME = "catalog"
BUILT_FROM = ".built_from"  # in the database: of what fragments it was made
SHOWN = ("path", "start", "end", "duration")
os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of what is as it should be


def search(folder: Path, query: np.ndarray, top: int, where: str = "") -> list[dict]:
    """Return the best window of each of the best files, best first.

    The Lance table is asked if it is there and up to date, with an index if LanceDB was told to make one. Otherwise
    every fragment is read, one after the other. Both give the same, except that equal scores may change places; with
    a condition and very many files, the Lance table is the faster one.

    Parameters
    ----------
    folder : Path
        What ``musicwords-catalog embed`` made.
    query : np.ndarray, shape (dimension,)
        Of length 1.
    top : int
        How many files.
    where : str
        A condition in SQL, as LanceDB understands it, on ``path``, ``start``, ``end``, ``duration``, ``size`` and
        the columns of the metadata.

    Returns
    -------
    list of dict
        ``score`` is the cosine; then ``path``, ``start``, ``end``, ``duration``, and ``metadata``.

    Raises
    ------
    Refused
        If there is no row at all, or if the condition is none.
    """
    fragments = fragments_in(folder / EMBEDDINGS)
    if not fragments:
        raise Refused(f"{folder} has no embedding: run musicwords-catalog embed, and look at its table of errors.")
    metadata = load_metadata(folder)
    try:
        if is_up_to_date(folder):
            best = _from_lance(folder, query, top, where)
        else:
            best = _from_fragments(fragments, metadata, query, top, where)
    except FileNotFoundError as error:
        raise Refused(f"{folder} is being changed by a run: search again in a moment.") from error
    except ValueError as error:  # the condition is the only thing that is not ours
        if not where:
            raise
        raise Refused(f"--where {where!r}: {str(error).split(', /')[0]}") from error
    about = join(pa.Table.from_pylist(best, pa.schema([("path", pa.string())])), metadata).drop_columns("path")
    return [{**hit, "metadata": row} for hit, row in zip(best, about.to_pylist() or [{}] * len(best), strict=True)]


def build_lance(folder: Path) -> None:
    """Make the Lance table anew from the fragments and the metadata. Killed before the end, the old one stays."""
    import lancedb

    metadata = load_metadata(folder)
    fragments = fragments_in(folder / EMBEDDINGS)
    first = join(pq.read_table(fragments[0]), metadata).schema.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        for fragment in fragments:
            yield from join(pq.read_table(fragment), metadata).cast(first).to_batches()

    database = lancedb.connect(folder / LANCE)
    reader = pa.RecordBatchReader.from_batches(first, batches())
    table = database.create_table(NAME, data=reader, mode="overwrite")
    write_whole(folder / LANCE / BUILT_FROM, _fingerprint(folder).encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a short time may disturb others who write; none do
        table.optimize(cleanup_older_than=timedelta(hours=1))  # a search that reads the last version goes on


def is_up_to_date(folder: Path) -> bool:
    """Whether there is a Lance table, made from the fragments and the metadata that are there now."""
    built_from = folder / LANCE / BUILT_FROM
    return built_from.is_file() and built_from.read_text() == _fingerprint(folder)


def _fingerprint(folder: Path) -> str:
    files = [*fragments_in(folder / EMBEDDINGS), folder / METADATA]
    about = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.exists()]
    return hashlib.sha256(repr(about).encode()).hexdigest()


def _from_lance(folder: Path, query: np.ndarray, top: int, where: str) -> list[dict]:
    import lancedb

    table = lancedb.connect(folder / LANCE).open_table(NAME)
    rows = table.count_rows()
    wanted = 4 * top
    while True:  # several windows may be of one file
        found = table.search(query, vector_column_name="embedding").distance_type("cosine")
        found = found.where(where) if where else found
        hits = found.select([*SHOWN, "_distance"]).limit(min(wanted, rows)).to_arrow()
        best = {hit["path"]: hit for hit in reversed(hits.to_pylist())}  # the nearest of a path comes first
        if len(best) >= top or len(hits) < wanted:
            break
        wanted *= 4
    ranked = sorted(best.values(), key=lambda hit: hit["_distance"])[:top]
    return [{"score": 1 - hit.pop("_distance"), **hit} for hit in ranked]


def _from_fragments(fragments: list[Path], metadata: pa.Table, query: np.ndarray, top: int, where: str) -> list[dict]:
    """A fragment has all windows of a file, so the best of a fragment is enough to keep."""
    best: list[dict] = []
    for fragment in fragments:
        rows = pq.read_table(fragment)
        if where:
            rows = rows.take(_matching(join(rows.drop_columns(["embedding", "modified_ns"]), metadata), where))
        if not len(rows):
            continue
        vectors = rows["embedding"].combine_chunks()
        scores = vectors.flatten().to_numpy().reshape(len(rows), -1) @ query
        order = np.argsort(-scores, kind="stable")
        _, first = np.unique(rows["path"].to_numpy()[order], return_index=True)
        chosen = order[np.sort(first)][:top]
        hits = rows.select(SHOWN).take(chosen).to_pylist()
        best += [{"score": float(score), **hit} for score, hit in zip(scores[chosen], hits, strict=True)]
        best = sorted(best, key=lambda hit: -hit["score"])[:top]
    return best


def _matching(rows: pa.Table, where: str) -> pa.Array:
    """Return the places of the rows that a condition holds for. LanceDB parses it, over a table in memory."""
    import lancedb

    rows = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    table = lancedb.connect("memory://").create_table(NAME, data=rows, mode="overwrite")
    return table.search().where(where).select(["row"]).limit(len(rows)).to_arrow()["row"].combine_chunks()
