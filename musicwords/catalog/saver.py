"""From the results of the workers to fragments."""

import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from musicwords.catalog.table import ERRORS, Fragments
from musicwords.catalog.worker import NEVER

ROWS = 4096  # windows in a fragment, about


class Saver:
    """Gathers results, and writes them as fragments from time to time.

    Files that failed go to the errors, and their embeddings of a run before are taken out, unless the reason is one
    that may be gone at the next run. Rows of a run before stay until the new ones are there to be written.

    Parameters
    ----------
    embeddings, errors : Fragments
    every : float
        Seconds.
    old : set of str
        Paths of files that are done again, and have rows.
    """

    def __init__(self, embeddings: Fragments, errors: Fragments, every: float, old: set[str]):
        self.embeddings, self.errors, self.every, self.old = embeddings, errors, every, old
        self.results: list[pa.Table] = []
        self.reasons: list[dict] = []
        self.saved, self.waiting = time.monotonic(), 0
        self.files = self.failed = self.noted = self.windows = 0
        self.seconds = 0.0

    def add(self, results: pa.Table) -> None:
        """Take rows of ``musicwords.catalog.worker.RESULT``."""
        bad = pc.is_valid(results["reason"])
        for row in results.filter(bad).select(["path", "size", "modified_ns", "reason"]).to_pylist():
            self.fail(**row)
        good = results.filter(pc.invert(bad))
        self.results.append(good)
        self.files += len(good)
        self.noted += pc.count(good["note"]).as_py()
        self.seconds += pc.sum(good["duration"]).as_py() or 0
        windows = pc.sum(pc.list_value_length(good["start"])).as_py() or 0
        self.windows += windows
        self.waiting += windows
        if self.waiting >= ROWS or time.monotonic() - self.saved >= self.every:
            self.save()

    def fail(self, path: str, size: int, modified_ns: int, reason: str) -> None:
        """Take a file that failed."""
        now = datetime.now(UTC)
        row = {"path": path, "reason": reason, "time": now, "size": size, "modified_ns": modified_ns}
        self.reasons.append(row)
        self.failed += 1

    def save(self) -> None:
        """Write what was taken since the last time. What cannot be written is let go, never written twice."""
        results, reasons, waiting = self.results, self.reasons, self.waiting
        self.results, self.reasons, self.waiting, self.saved = [], [], 0, time.monotonic()
        paths = {path for rows in results for path in rows["path"].to_pylist()}
        lasting = paths | {row["path"] for row in reasons if row["modified_ns"] != NEVER}
        if again := (paths | {row["path"] for row in reasons}) & self.old:
            self.embeddings.forget(again & lasting)
            self.errors.forget(again)
            self.old -= again & lasting
        if waiting:
            self.embeddings.add(by_window(pa.concat_tables(results), self.embeddings.columns))
        if reasons:
            self.errors.add(pa.Table.from_pylist(reasons, ERRORS))


def by_window(results: pa.Table, columns: pa.Schema) -> pa.Table:
    """Turn one row a file into one row a window."""
    results = results.combine_chunks()
    file = pc.list_parent_indices(results["start"])
    rows = {name: results[name].take(file) for name in ("path", "duration", "size", "modified_ns", "note")}
    rows |= {name: pc.list_flatten(results[name]) for name in ("start", "end")}
    values = pc.list_flatten(pc.list_flatten(results["embedding"])).combine_chunks()
    rows["embedding"] = pa.FixedSizeListArray.from_arrays(values, columns.field("embedding").type.list_size)
    return pa.table([rows[name] for name in columns.names], schema=columns)
