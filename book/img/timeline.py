"""Draw intro_timeline.svg from timeline.csv: python book/img/timeline.py

A date is the month of the arXiv number, or of the announcement where there is no paper.
Where only the year is known, the point stands in the middle of it. Keys are those of references.bib.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch, Rectangle

TUTORIAL = 2024 + 10.4 / 12  # November 10 to 14, 2024
START, END = 2001.6, 2027.4
LANES = {  # name: marker, color
    "language": ("o", "#D55E00"),
    "description": ("s", "#0072B2"),
    "retrieval": ("D", "#007A5A"),
    "generation": ("^", "#A8488A"),
}
# Inches; 5.21 inches are 500 pixels, a little more than a phone gives a drawing, so that the words keep their size.
WIDTH, ROW, TITLE = 5.21, 0.27, 0.33


def when(date: str) -> float:
    """Return a date such as 2019-07 or 2019 as a number of years."""
    year, _, month = date.partition("-")
    return int(year) + ((int(month) - 0.5) / 12 if month else 0.5)


def rows(entries: list[tuple[float, float]]) -> list[int]:
    """Return a row for each stretch (begin, end), such that no two in a row touch; the first free row is taken."""
    free, found = [], []
    for begin, end in entries:
        row = next((k for k, last in enumerate(free) if last < begin), len(free))
        free[row : row + 1] = [end]
        found.append(row)
    return found


def main() -> None:
    """Write the figure beside this file."""
    here = Path(__file__).parent
    with (here / "timeline.csv").open(encoding="utf-8") as file:
        table = sorted(csv.DictReader(file), key=lambda entry: when(entry["date"]))
    plt.style.use("musicwords.figures")
    plt.rcParams["font.size"] = 10.5  # points: 14 pixels
    inch = (END - START) / WIDTH  # years
    letter, gap = 0.085 * inch, 0.12 * inch  # the width of a letter, generously, and the space beside a point
    placed, y, axis, titles = [], 0.0, 0.0, []
    for lane in LANES:
        entries = [entry for entry in table if entry["lane"] == lane]
        dates = [when(entry["date"]) for entry in entries]
        # Early labels stand to the right of their points and late ones to the left, where there is room.
        right = [date < 2012 for date in dates]
        length = [letter * len(entry["label"]) + gap for entry in entries]
        order = rows(
            [(d - gap, d + n) if r else (d - n, d + gap) for d, n, r in zip(dates, length, right, strict=True)]
        )
        titles.append((lane, y))
        y += TITLE
        for entry, date, row, side in zip(entries, dates, order, right, strict=True):
            placed.append((entry["label"], lane, date, y + ROW * row, side))
        y += ROW * (max(order) + 1)
        if lane == "language":
            axis = y + 0.1
            y += 0.62
    height = y + 0.42
    fig = plt.figure(figsize=(WIDTH, height), layout="none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(START, END), ylim=(y + 0.25, -0.17))
    ax.axis("off")
    ground = FancyBboxPatch(
        (0, 0), 1, 1, "round,pad=0,rounding_size=0.015", mutation_aspect=WIDTH / height, transform=fig.transFigure
    )
    fig.add_artist(ground).set(facecolor="white", edgecolor="none", zorder=-3)
    ax.add_patch(Rectangle((TUTORIAL, 0), END - 0.15 - TUTORIAL, y, facecolor="#f0f0f0", zorder=-2))
    for year in range(2005, 2026, 5):
        for part in ([0, axis], [axis + 0.38, y]):
            ax.plot([year, year], part, color="#d4d4d4", linewidth=0.8, zorder=-1)
        ax.text(year, axis + 0.21, str(year), ha="center", va="center")
    ax.plot([START + 0.2, END - 0.2], [axis, axis], color="#333333", linewidth=1.2)
    for lane, top in titles:
        name = "language models and their neighbors" if lane == "language" else f"music: {lane}"
        ax.text(START + 0.3, top + 0.11, name, color=LANES[lane][1], fontweight="bold", va="center")
    for label, lane, date, height_of, side in placed:
        marker, color = LANES[lane]
        new = date > TUTORIAL
        ax.plot(date, height_of, marker, color=color, markersize=7, fillstyle="none" if new else "full", mew=1.6)
        ax.text(date + (gap if side else -gap), height_of, label, ha="left" if side else "right", va="center")
    ax.plot(START + 0.55, y + 0.1, "o", color="#333333", markersize=7, fillstyle="none", mew=1.6)
    ax.text(START + 0.55 + gap, y + 0.1, "open point, gray ground: after the tutorial of November 2024", va="center")
    fig.savefig(here / "intro_timeline.svg", facecolor="none", metadata={"Date": None})
    print(f"{len(table)} entries, {sum(when(entry['date']) > TUTORIAL for entry in table)} after the tutorial")


if __name__ == "__main__":
    main()
