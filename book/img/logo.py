"""Write the mark of the book: python book/img/logo.py

It is the letter *m*, a wave and a bridge of two arches, one in the color of audio and one in that of text.
``logo.svg`` is for a light ground and ``logo_dark.svg`` for a dark one. ``logo.png`` is for the cards of links.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Arc

FOLDER = Path(__file__).parent
LIGHT, DARK = ("#0072B2", "#D55E00"), ("#56B4E9", "#F0883E")  # audio and text, on a light and on a dark ground
SIZE, WIDTH = 32, 4.5  # of the mark and of its lines
LEFT, RADIUS, TOP, FOOT = (
    4,
    6,
    14,
    24.5,
)  # of the first arch: its left side, its radius, where it begins and where it stands
PIXELS = 400  # of the PNG


def svg(colors: tuple[str, str]) -> str:
    """Return the mark as SVG."""
    audio, text = colors
    arch = f"a{RADIUS} {RADIUS} 0 0 1 {2 * RADIUS} 0"
    middle = LEFT + 2 * RADIUS
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" fill="none" \
stroke-width="{WIDTH}" stroke-linecap="round">
  <path d="M{LEFT} {FOOT}V{TOP}{arch}V{FOOT}" stroke="{audio}"/>
  <path d="M{middle} {TOP}{arch}V{FOOT}" stroke="{text}"/>
</svg>
"""


def draw_png(colors: tuple[str, str], path: Path) -> None:
    """Write the mark as PNG."""
    figure = plt.figure(figsize=(1, 1), dpi=PIXELS)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZE), ylim=(SIZE, 0))
    axes.axis("off")
    points = WIDTH / SIZE * 72
    for place, color in enumerate(colors):
        left = LEFT + 2 * RADIUS * place
        style = {"color": color, "linewidth": points, "capstyle": "round"}
        axes.add_patch(Arc((left + RADIUS, TOP), 2 * RADIUS, 2 * RADIUS, theta1=180, theta2=360, **style))
        for x in (left, left + 2 * RADIUS)[place:]:
            axes.plot([x, x], [TOP, FOOT], color=color, linewidth=points, solid_capstyle="round", zorder=place)
    figure.savefig(path, transparent=True)
    plt.close(figure)


def main() -> None:
    """Write the three files."""
    (FOLDER / "logo.svg").write_text(svg(LIGHT), encoding="utf-8", newline="\n")
    (FOLDER / "logo_dark.svg").write_text(svg(DARK), encoding="utf-8", newline="\n")
    draw_png(LIGHT, FOLDER / "logo.png")


if __name__ == "__main__":
    main()
