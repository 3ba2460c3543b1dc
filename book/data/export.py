"""Write musicwords/data/datasets.csv: python book/data/export.py

Notebooks run without the book around them, so that what they plot of the registry comes with the package. Columns are
those that a plot needs; where an entry was looked up and who is cited stays in datasets.yml.
"""

import csv
import io
from pathlib import Path

import yaml

SOURCE = Path(__file__).with_name("datasets.yml")
TARGET = Path(__file__).parents[2] / "musicwords" / "data" / "datasets.csv"
COLUMNS = ("name", "year", "newer", "content", "task", "items", "texts", "hours", "words", "text_origin", "audio",
           "audio_rights", "licence")  # fmt: skip


def table() -> str:
    """Return the registry as CSV: what is not known is empty, tasks are joined by semicolons."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for entry in yaml.safe_load(SOURCE.read_text(encoding="utf-8")):
        writer.writerow(entry | {"task": "; ".join(entry["task"])})
    return text.getvalue()


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8", newline="\n")
