"""The windows that are nearest to a query, the best one of each file, from Parquet fragments or a Lance table."""

import re
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from musicwords.catalog import lance
from musicwords.catalog.metadata import join, load_metadata
from musicwords.catalog.table import EMBEDDINGS, Refused, fragments_in, vectors_of

SHOWN = ("path", "start", "end", "duration")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`")


class Catalog:
    """What ``musicwords-catalog embed`` made, opened for many searches.

    The Lance table is asked if there is one, and it is up to date. Otherwise all fragments are read, which are kept in
    memory if they are not many. Both give the same, except that equal scores may change places, and that an index
    does not find all.

    Parameters
    ----------
    folder : Path
        The ``--output`` of ``musicwords-catalog embed``.

    Attributes
    ----------
    recall : float or None
        Which share of the ten nearest windows the index finds, as measured with texts when it was made; None if there
        is no index.

    Raises
    ------
    Refused
        If there is no embedding at all.
    """

    def __init__(self, folder: Path):
        self.folder, self.fragments = folder, fragments_in(folder / EMBEDDINGS)
        if not self.fragments:
            raise Refused(f"{folder} has no embedding: run musicwords-catalog embed, and look at its table of errors.")
        self.metadata = load_metadata(folder)
        self.state = lance.read_state(folder) if find_spec("lancedb") else None
        self.recall = (self.state or {}).get("recall")

    @cached_property
    def _lance(self):
        return lance.open_table(self.folder)

    @cached_property
    def _rows(self) -> list[pa.Table] | None:
        """All rows, if they are few enough to be kept."""
        if sum(pq.read_metadata(fragment).num_rows for fragment in self.fragments) > lance.LARGE:
            return None
        return list(map(pq.read_table, self.fragments))

    def search(self, query: np.ndarray, top: int, where: str = "", exact: bool = False) -> list[dict]:
        """Return the best window of each of the best files, best first.

        Parameters
        ----------
        query : np.ndarray, shape (dimension,)
            Of length 1.
        top : int
            How many files.
        where : str
            A condition in SQL, as LanceDB understands it, on ``path``, ``start``, ``end``, ``duration``, ``size``,
            ``note`` and the columns of the metadata. All windows that fulfill it are compared.
        exact : bool
            Compare with all windows, even if there is an index.

        Returns
        -------
        list of dict
            ``score`` is the cosine; then ``path``, ``start``, ``end``, ``duration``, and ``metadata``.

        Raises
        ------
        Refused
            If the condition is none.
        """
        if where:
            check_condition(where)
        try:
            if self.state is not None:
                best = self._from_lance(query, top, where, exact)
            else:
                best = self._from_fragments(query, top, where)
        except FileNotFoundError as error:
            raise Refused(f"{self.folder} is being changed by a run: search again in a moment.") from error
        except (
            ValueError,
            RuntimeError,
            OSError,
        ) as error:  # what is not ours is the condition
            if not where:
                raise
            raise Refused(f"--where {where!r}: {_first_sentence(error)}") from error
        about = join(pa.Table.from_pylist(best, pa.schema([("path", pa.string())])), self.metadata).drop_columns("path")
        return [{**hit, "metadata": row} for hit, row in zip(best, about.to_pylist() or [{}] * len(best), strict=True)]

    def _from_lance(self, query: np.ndarray, top: int, where: str, exact: bool) -> list[dict]:
        rows, wanted = self._lance.count_rows(), 4 * top
        probes = 0 if where or exact else self.state.get("probes", 0)
        while True:  # several windows may be of one file
            found = lance.near(self._lance, query, probes)
            found = found.where(where) if where else found
            hits = found.select([*SHOWN, "_distance"]).limit(min(wanted, rows)).to_arrow()
            best = {hit["path"]: hit for hit in reversed(hits.to_pylist())}  # the nearest of a path comes first
            if len(best) >= top or wanted >= rows or (len(hits) < wanted and not probes):
                break
            if len(hits) < wanted:  # the lists that were looked into hold no more
                probes = 0
            wanted *= 4
        ranked = sorted(best.values(), key=lambda hit: hit["_distance"])[:top]
        return [{"score": 1 - hit.pop("_distance"), **hit} for hit in ranked]

    def _from_fragments(self, query: np.ndarray, top: int, where: str) -> list[dict]:
        """A fragment has all windows of a file, so the best of a fragment is enough to keep."""
        best: list[dict] = []
        for rows in self._rows or map(pq.read_table, self.fragments):
            if where:
                rows = rows.take(_matching(join(rows.drop_columns(["embedding", "modified_ns"]), self.metadata), where))
            if not len(rows):
                continue
            scores = vectors_of(rows) @ query
            order = np.argsort(-scores, kind="stable")
            _, first = np.unique(rows["path"].to_numpy()[order], return_index=True)
            chosen = order[np.sort(first)][:top]
            hits = rows.select(SHOWN).take(chosen).to_pylist()
            best += [{"score": float(score), **hit} for score, hit in zip(scores[chosen], hits, strict=True)]
            best = sorted(best, key=lambda hit: -hit["score"])[:top]
        return best


def check_condition(where: str) -> None:
    """Raise ``Refused`` if a condition is more than one: LanceDB passes over what stands behind a ``;``."""
    if any(sign in QUOTED.sub("", where) for sign in (";", "--", "/*")):
        raise Refused(f"--where {where!r}: one condition is expected, without ; and comments.")


def _matching(rows: pa.Table, where: str) -> pa.Array:
    """Return the places of the rows that a condition holds for. LanceDB parses it, over a table in memory."""
    rows = rows.append_column("row", pa.array(range(len(rows)), pa.int64()))
    table = lance.lancedb().connect("memory://").create_table(lance.NAME, data=rows, mode="overwrite")
    return table.search().where(where).select(["row"]).limit(len(rows)).to_arrow()["row"].combine_chunks()


def _first_sentence(error: Exception) -> str:
    """Return what LanceDB says of a condition, without the places in its source."""
    said = re.split(r", (?=/|rust|src|Users|home)|\bBacktrace\b|\n", str(error))[0]
    return said.removeprefix("lance error: ").strip()
