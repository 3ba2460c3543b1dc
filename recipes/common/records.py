"""The records of a rendered corpus: what is known of each clip."""

import json
from pathlib import Path


def read_records(corpus: Path) -> list[dict]:
    """The records of all clips, in the order of the corpus.

    Raises
    ------
    FileNotFoundError
        If the corpus has not been rendered.
    """
    listing = corpus / "corpus.jsonl"
    if not listing.is_file():
        raise FileNotFoundError(f"There is no {listing}: render the corpus first, with python -m recipes.corpus")
    return [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]


def of_split(records: list[dict], split: str) -> list[dict]:
    """The records of one split: "train", "validation", "test" ..."""
    return [record for record in records if record["split"] == split]
