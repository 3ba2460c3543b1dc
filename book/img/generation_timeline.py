"""Draw generation_timeline.svg from book/data/timeline.yml: python book/img/generation_timeline.py"""

from pathlib import Path

import matplotlib.pyplot as plt
import yaml
from matplotlib.patches import FancyBboxPatch, Rectangle
from timeline import rows, when

TUTORIAL = 2024 + 10.4 / 12  # November 10 to 14, 2024
OLD = 2000  # what is older stands at the left edge, with its year
START, AXIS, END = 2015.15, 2016, 2027.1
LANES = {  # what a user gives: title, marker, color
    "notes": ("nothing, or notes", "o", "#D55E00"),
    "sound": ("nothing, or sound", "s", "#0072B2"),
    "text": ("a description", "D", "#007A5A"),
    "lyrics": ("lyrics and a style", "^", "#A8488A"),
    "live": ("changes while it plays", "v", "#8A6100"),
}
WIDTH, ROW, TITLE = 4.17, 0.25, 0.33  # inches; 4.17 inches are 400 pixels, as wide as a phone


def draw(entries: list[dict], target: Path) -> None:
    """Write the figure."""
    plt.style.use("musicwords.figures")
    plt.rcParams["font.size"] = 10
    inch = (END - START) / WIDTH  # years
    letter, gap = 0.078 * inch, 0.12 * inch  # the width of a letter, generously, and the space beside a point
    placed, titles, y = [], [], 0.42
    for lane in LANES:
        chosen = sorted((one for one in entries if one["gives"] == lane), key=lambda one: when(one["date"]))
        dates, labels, right = [], [], []
        for one in chosen:
            date = when(one["date"])
            dates.append(date if date > OLD else START + 0.3)
            labels.append(one["name"] if date > OLD else f"{one['date']} {one['name']}")
            right.append(date < 2022.4)
        length = [letter * len(label) + gap for label in labels]
        order = rows(
            [(d - gap, d + n) if r else (d - n, d + gap) for d, n, r in zip(dates, length, right, strict=True)]
        )
        titles.append((lane, y))
        y += TITLE
        placed += [(*p, lane, y + ROW * row) for *p, row in zip(labels, dates, right, order, strict=True)]
        y += ROW * (max(order) + 1) + 0.06
    height = y + 0.28
    fig = plt.figure(figsize=(WIDTH, height), layout="none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(START, END), ylim=(height - 0.06, -0.06))
    ax.axis("off")
    ground = FancyBboxPatch(
        (0, 0), 1, 1, "round,pad=0,rounding_size=0.015", mutation_aspect=WIDTH / height, transform=fig.transFigure
    )
    fig.add_artist(ground).set(facecolor="white", edgecolor="none", zorder=-3)
    ax.add_patch(Rectangle((TUTORIAL, 0.3), END - 0.1 - TUTORIAL, y - 0.3, facecolor="#f0f0f0", zorder=-2))
    for year in range(2016, 2027, 2):
        ax.plot([year, year], [0.3, y], color="#d4d4d4", linewidth=0.8, zorder=-1)
        ax.text(year, 0.11, str(year), ha="center", va="center")
    ax.plot([AXIS - 0.25, END - 0.1], [0.27, 0.27], color="#333333", linewidth=1.2)
    ax.plot([START + 0.1, AXIS - 0.4], [0.27, 0.27], ":", color="#333333", linewidth=1.2)
    for lane, top in titles:
        title, _, color = LANES[lane]
        ax.text(START + 0.2, top + 0.12, title, color=color, fontweight="bold", va="center")
    for label, date, side, lane, height_of in placed:
        _, marker, color = LANES[lane]
        fill = "none" if date > TUTORIAL else "full"
        ax.plot(date, height_of, marker, color=color, markersize=6, fillstyle=fill, mew=1.5)
        ax.text(date + (gap if side else -gap), height_of, label, ha="left" if side else "right", va="center")
    ax.plot(START + 0.35, y + 0.1, "o", color="#333333", markersize=6, fillstyle="none", mew=1.5)
    ax.text(START + 0.35 + gap, y + 0.1, "open, on gray: after the tutorial of 2024", va="center")
    fig.savefig(target, facecolor="none", metadata={"Date": None})


if __name__ == "__main__":
    here = Path(__file__).parent
    lines = yaml.safe_load((here.parent / "data" / "timeline.yml").read_text(encoding="utf-8"))
    draw(lines, here / "generation_timeline.svg")
    print(f"{len(lines)} entries, {sum(when(one['date']) > TUTORIAL for one in lines)} after the tutorial")
