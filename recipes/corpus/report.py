"""How far one attribute tells another, and whether any clip is silent or clipped."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile

ATTRIBUTES = ("percussion", "tempo_class", "meter", "mode", "texture", "idiom", "dynamics", "articulation", "register",
              "room")  # fmt: skip


def cramers_v(first: list, second: list) -> float:
    """Association of two categorical variables, 0 to 1, corrected for its bias in small samples (Bergsma, 2013).

    Clips where one of the two is None are left out.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    rows, columns = (sorted(set(values)) for values in zip(*pairs, strict=True)) if pairs else ([], [])
    if min(len(rows), len(columns)) < 2:
        return 0.0
    counts = Counter(pairs)
    table = np.array([[counts[a, b] for b in columns] for a in rows], float)
    n = table.sum()
    expected = np.outer(table.sum(1), table.sum(0)) / n
    r, c = table.shape
    phi = max(0.0, ((table - expected) ** 2 / expected).sum() / n - (r - 1) * (c - 1) / (n - 1))
    rows_left, columns_left = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return float(np.sqrt(phi / (min(rows_left, columns_left) - 1)))


def variables(records: list[dict]) -> dict[str, list]:
    """What is compared: a column each."""
    columns = {name: [record["attributes"][name] for record in records] for name in ATTRIBUTES}
    columns["lead family"] = [record["attributes"]["families"][0] for record in records]
    columns["source"] = [record["source_family"] for record in records]
    columns["font"] = [record["soundfont"] for record in records]
    return columns


def associations(records: list[dict]) -> list[tuple[float, str, str]]:
    """Cramér's V of each pair of attributes, largest first."""
    columns = variables(records)
    return sorted(((cramers_v(columns[a], columns[b]), a, b) for a, b in combinations(columns, 2)), reverse=True)


def faults(path: Path) -> list[str]:
    """What is wrong with the sound of a clip: two seconds of silence, or samples at full scale."""
    audio, rate = soundfile.read(path, dtype="float32")
    found = []
    halves = np.abs(audio[: len(audio) // rate * rate].reshape(-1, rate // 2)).max(axis=1) < 1e-3
    if any(halves[start : start + 4].all() for start in range(len(halves) - 3)):
        found.append("silent")
    if np.abs(audio).max() > 0.99:
        found.append("clipped")
    return found


def report(records: list[dict], folder: Path) -> str:
    """Sizes, spread of each attribute in training, associations, faults."""
    lines = [f"{split}: {count} clips, {len({r['work'] for r in records if r['split'] == split})} works"
             for split, count in Counter(record["split"] for record in records).items()]  # fmt: skip
    train = [record for record in records if record["split"] == "train"]
    lines += ["", "Values in train"]
    for name, values in variables(train).items():
        lines.append(f"  {name}: " + ", ".join(f"{value} {count}" for value, count in Counter(values).most_common()))
    table = associations(train)
    lines += ["", f"Cramér's V in train, the 20 largest of {len(table)} pairs"]
    lines += [f"  {v:.2f}  {a}, {b}" for v, a, b in table[:20]]
    found = Counter(fault for record in records for fault in faults(folder / record["file_name"]))
    lines += ["", f"silent for two seconds: {found['silent']}, clipped: {found['clipped']}, of {len(records)}"]
    return "\n".join(lines)
