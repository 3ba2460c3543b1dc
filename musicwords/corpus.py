"""The corpus that the mini checkpoints were trained on, as attributes, captions and embeddings without the audio."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

CORPUS = Path(__file__).parent / "data" / "corpus.parquet"
TYPED_QUERIES = Path(__file__).parent / "data" / "typed_queries.json"


def load_corpus() -> DatasetDict:
    """Load the corpus from the package itself: one row a clip of ten seconds, split by work.

    Returns
    -------
    datasets.DatasetDict
        Keys are the splits: ``train``, ``validation`` and ``test`` share no work; ``collection``, ``font``,
        ``combination`` and ``recordings`` are harder test sets. Columns are attributes (None where unknown), among
        them ``instruments``, ``families``, ``percussion``, ``tempo_bpm``, ``tempo_class``, ``key`` and ``mode``;
        ``caption`` and, as JSON, what it states (``stated``); ``audio_embedding``, shape (200,), the mean over
        patches of the MagnaTagATune musicnn; and ``text_embedding``, shape (384,), of the caption by MiniLM.
        Embeddings are stored as float16. The captions of the test sets are in wording that ``train`` does not have.

    Examples
    --------
    >>> train = load_corpus()["train"].with_format("numpy")
    >>> train["audio_embedding"][:].shape
    (6320, 200)
    """
    table = pq.read_table(CORPUS)  # and not Dataset.from_parquet, which writes a copy to a cache
    names = table["split"].unique().to_pylist()
    return DatasetDict({name: Dataset(table.filter(pc.field("split") == name)) for name in names})


def load_typed_queries() -> dict[str, dict[str, object]]:
    """Load short queries as a person might type them, each with what makes a clip of the corpus a right answer.

    Returns
    -------
    dict of str to dict
        Keys are the queries; values are attributes as in the column ``stated``, for ``musicwords.matching.stated``.

    Examples
    --------
    >>> load_typed_queries()["fast drums"]
    {'tempo_class': 'fast', 'percussion': True}
    """
    return json.loads(TYPED_QUERIES.read_text(encoding="utf-8"))
