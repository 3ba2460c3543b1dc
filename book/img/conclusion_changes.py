"""Draw conclusion_changes.svg from book/data/changes.yml: python book/img/conclusion_changes.py

It prints the description of the picture, which the page has to give as its alt text.
"""

from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import yaml
from matplotlib.patches import FancyBboxPatch
from timeline import LANES, when

PARTS = {  # color, as in the timeline of the introduction where it has the part
    "description": LANES["description"][1],
    "retrieval": LANES["retrieval"][1],
    "generation": LANES["generation"][1],
    "evaluation": LANES["language"][1],
    "rights": "#555555",
}
SIZE = (4.17, 3.6)  # inches: 400 pixels wide
STACK = 0.2  # of the height of a lane, between changes of one month


def alt(entries: list[dict]) -> str:
    """Say what the picture shows."""
    counts = Counter(one["task"][0] for one in entries)
    told = ", ".join(f"{counts[part]} in {part}" for part in PARTS)
    dates = sorted(one["date"] for one in entries)
    return (
        f"Five rows of points over an axis of months, {len(entries)} points from {dates[0]} to {dates[-1]}: {told}. "
        "A line at the left marks the tutorial of November 2024."
    )


def draw(entries: list[dict], path: Path) -> None:
    """Write the figure."""
    fig, ax = plt.subplots(figsize=SIZE)
    seen = Counter()
    for one in sorted(entries, key=lambda entry: entry["date"]):
        part, month = one["task"][0], one["date"]
        row = list(PARTS).index(part) - STACK * seen[part, month]
        ax.plot(when(month), row, "o", color=PARTS[part], markersize=7)
        seen[part, month] += 1
    ax.axvline(when("2024-11"), color="#333333", linewidth=1)
    ax.annotate(" the tutorial", (when("2024-11"), -0.75), va="center")
    ax.set_yticks(range(len(PARTS)), PARTS)
    for label, color in zip(ax.get_yticklabels(), PARTS.values(), strict=True):
        label.set_color(color)
    ax.set(xlim=(2024.75, 2027), ylim=(len(PARTS) - 0.6, -1), xticks=[2025, 2026])
    ax.set_xticks([2025.5, 2026.5], minor=True)
    ax.set_xticklabels(["January\n2025", "January\n2026"])
    ax.grid(visible=False, axis="y")
    fig.patch.set(facecolor="none")
    width, height = SIZE
    ground = FancyBboxPatch((0, 0), 1, 1, "round,pad=0,rounding_size=0.02", mutation_aspect=width / height)
    fig.add_artist(ground).set(facecolor="white", edgecolor="none", zorder=-3)
    fig.savefig(path, facecolor="none", metadata={"Date": None})


def main() -> None:
    """Write the figure beside this file, and print its description."""
    plt.style.use("musicwords.figures")
    here = Path(__file__).parent
    entries = yaml.safe_load((here.parent / "data" / "changes.yml").read_text(encoding="utf-8"))
    draw(entries, here / "conclusion_changes.svg")
    print(alt(entries))


if __name__ == "__main__":
    main()
