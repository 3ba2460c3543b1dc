"""The Lance table beside the Parquet files: the same rows with the metadata, and from some size on an index.

LanceDB is imported where it is needed: it is in the extra ``catalog``, and takes a second.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from musicwords.catalog.metadata import METADATA, join, load_metadata
from musicwords.catalog.table import EMBEDDINGS, Refused, fragments_in, vectors_of, write_whole

LANCE = "lance"  # a LanceDB database with one table
NAME = "catalog"
STATE = "state.json"  # in the database: of what it was made, and how the index is asked
LARGE = 100_000  # windows; from so many on there is an index
NEIGHBORS = 10  # of which an index is to find RECALL
RECALL = 0.95
PROBES = (8, 16, 32, 64, 128, 256, 512)  # lists of the index that are looked into
CANDIDATES = 10  # for each answer, which are compared again with the whole vectors
os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of what is as it should be


def lancedb():
    """Return the module, or raise ``Refused`` if it is not installed."""
    try:
        import lancedb
    except ImportError as error:
        raise Refused(f"this needs LanceDB: pip install 'musicwords[catalog]' ({error}).") from error
    return lancedb


def open_table(folder: Path):
    """Return the Lance table of an output."""
    return lancedb().connect(folder / LANCE).open_table(NAME)


def build(folder: Path, queries: Callable[[], np.ndarray]) -> None:
    """Make the Lance table anew from the fragments and the metadata. Killed before the end, the old one stays.

    Parameters
    ----------
    folder : Path
        The output of a run, with at least one embedding.
    queries : callable
        Returns embeddings of texts, (texts, dimension), by which the setting of an index is chosen; it is called only
        if there is to be one.
    """
    metadata = load_metadata(folder)
    fragments = fragments_in(folder / EMBEDDINGS)
    first = join(pq.read_table(fragments[0]), metadata).schema.remove_metadata()

    def batches() -> Iterator[pa.RecordBatch]:
        for fragment in fragments:
            yield from join(pq.read_table(fragment), metadata).cast(first).to_batches()

    state = folder / LANCE / STATE
    state.unlink(missing_ok=True)
    reader = pa.RecordBatchReader.from_batches(first, batches())
    table = lancedb().connect(folder / LANCE).create_table(NAME, data=reader, mode="overwrite")
    found = {}
    if table.count_rows() >= LARGE:
        from lancedb.index import IvfRq

        table.create_index("embedding", config=IvfRq(distance_type="cosine"))
        found = _choose(table, fragments, queries())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a short time may disturb others who write; none do
        table.optimize(cleanup_older_than=timedelta(hours=1))  # a search that reads the last version goes on
    write_whole(state, json.dumps({"made_of": _fingerprint(folder), **found}).encode())


def read_state(folder: Path) -> dict | None:
    """Return the state of a Lance table that is up to date: ``probes`` and ``recall`` if it has an index.

    None is returned if there is no table, or if it was made from others than today's fragments and metadata.
    """
    state = folder / LANCE / STATE
    if not state.is_file():
        return None
    try:
        state = json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return state if state["made_of"] == _fingerprint(folder) else None


def near(table, query: np.ndarray, probes: int):
    """Return a LanceDB query for the windows nearest to an embedding, by cosine; 0 probes compare with all windows."""
    found = table.search(query, vector_column_name="embedding").distance_type("cosine")
    return found.nprobes(probes).refine_factor(CANDIDATES) if probes else found.bypass_vector_index()


def _choose(table, fragments: list[Path], queries: np.ndarray) -> dict:
    """Return the fewest probes with which the index finds enough of the nearest windows, and their share."""
    best = np.full((0, len(queries)), -np.inf, np.float32)
    for fragment in fragments:
        scores = np.concatenate([best, vectors_of(pq.read_table(fragment, columns=["embedding"])) @ queries.T])
        best = np.sort(scores, axis=0)[-NEIGHBORS:]
    for probes in PROBES:
        hits = 0
        for query, last in zip(queries, best[0], strict=True):
            found = near(table, query, probes).select(["_distance"]).limit(NEIGHBORS).to_arrow()["_distance"]
            hits += np.count_nonzero(1 - found.to_numpy() >= last - 1e-5)
        recall = hits / best.size
        if recall >= RECALL:
            break
    return {"probes": probes, "recall": round(recall, 3)}


def _fingerprint(folder: Path) -> str:
    """Return a hash of the metadata, and of the footers of the fragments, which say where and what all columns are.

    Times of modification would not outlive a copy of the folder.
    """
    digest = hashlib.sha256()
    for fragment in fragments_in(folder / EMBEDDINGS):
        with fragment.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            length = int.from_bytes(file.read(4), "little")
            file.seek(-8 - length, os.SEEK_END)
            digest.update(f"{fragment.name} {file.tell()}".encode() + file.read(length))
    if (folder / METADATA).is_file():
        digest.update((folder / METADATA).read_bytes())
    return digest.hexdigest()
