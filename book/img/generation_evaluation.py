"""Draw generation_fad.svg and generation_best_of.svg: python book/img/generation_evaluation.py

Nothing here is measured on music. The first figure draws numbers from known normal distributions, whose true distances
are known; the second one integrates over a judge that was made up.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch
from scipy.integrate import trapezoid
from scipy.stats import norm

SIZE = 128  # numbers in an embedding, as in VGGish
SHIFT = 4.0  # squared distance of the means of model B and the reference: its true FAD
COUNTS = (400, 500, 640, 800, 1600, 3200)  # clips of a model
REPEATS = 6
READ = {"A": 400, "B": 3200}  # how many clips two papers took
AGREEMENT = 0.6  # correlation of judge and listeners among ordinary clips
RARE, FOOLS, WORTH = 0.01, norm(3.2, 0.3), -2.0  # share of broken clips, their scores, and what listeners give them
TRIES = np.unique(np.geomspace(1, 300, 60).round())
INK, BLUE, ORANGE, GREEN = "#222222", "#0072B2", "#D55E00", "#007A5A"


def frechet(rows: np.ndarray) -> float:
    """Squared Fréchet distance of the rows to the standard normal distribution."""
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(rows, rowvar=False)), 0))
    return float((rows.mean(axis=0) ** 2).sum() + ((roots - 1) ** 2).sum())


def distances(shift: float, rng: np.random.Generator) -> np.ndarray:
    """Mean distance of a model for each number of clips; its true distance is ``shift``."""
    mean = np.zeros(SIZE)
    mean[0] = np.sqrt(shift)
    return np.array([
        np.mean([frechet(rng.normal(size=(count, SIZE)) + mean) for _ in range(REPEATS)]) for count in COUNTS
    ])  # fmt: skip


def best_of(rare: float) -> tuple[np.ndarray, np.ndarray]:
    """What the judge and what listeners give to the best of n clips, in deviations of ordinary clips, on average."""
    score = np.linspace(-5, 6, 20_001)
    ordinary, broken = (1 - rare) * norm.pdf(score), rare * FOOLS.pdf(score)
    below = (1 - rare) * norm.cdf(score) + rare * FOOLS.cdf(score)
    liked = ordinary * AGREEMENT * score + broken * WORTH  # density times what listeners give on average
    powers = [n * below ** (n - 1) for n in TRIES]
    return tuple(
        np.array([trapezoid(power * values, score) for power in powers])
        for values in ((ordinary + broken) * score, liked)
    )


def save(fig: plt.Figure, path: Path) -> None:
    """Write a figure on a white ground with round corners, so that it can be read in the dark theme."""
    width, height = fig.get_size_inches()
    fig.patch.set(facecolor="none")
    ground = FancyBboxPatch((0, 0), 1, 1, "round,pad=0,rounding_size=0.02", mutation_aspect=width / height)
    fig.add_artist(ground).set(facecolor="white", edgecolor="none", zorder=-3)
    fig.savefig(path, facecolor="none", metadata={"Date": None})


def draw_fad(path: Path) -> None:
    """Write the figure of the bias by the number of clips."""
    rng, share = np.random.default_rng(0), 1000 / np.array(COUNTS)
    fig, ax = plt.subplots(figsize=(4.17, 3.7))
    for name, shift, color in (("B", SHIFT, ORANGE), ("A", 0.0, BLUE)):
        values = distances(shift, rng)
        slope, start = np.polyfit(share, values, 1)
        ax.plot([0, share[0]], [start, start + slope * share[0]], "--", color=color, linewidth=1)
        ax.plot(share, values, "o", color=color, markersize=4)
        at = COUNTS.index(READ[name])
        ax.plot(share[at], values[at], "o", color="none", markeredgecolor=INK, markersize=12)
        ax.annotate(f"model {name}", (share[0], values[0]), (-12, 0 if name == "B" else -44),
                    textcoords="offset points", ha="right", color=color)  # fmt: skip
        print(f"model {name}: true {shift:.2f}, extrapolated {start:.2f}, with {READ[name]} clips {values[at]:.2f}")
    counts = (3200, 1600, 800, 500, 400)
    ax.set(xlabel="number of clips (spaced by its inverse)", ylabel="FAD", xlim=(0, 2.6), ylim=(0, None),
           xticks=[0, *(1000 / count for count in counts)],
           xticklabels=["∞", *(str(count) for count in counts)])  # fmt: skip
    save(fig, path)


def draw_best_of(path: Path) -> None:
    """Write the figure of the best of n."""
    fig, ax = plt.subplots(figsize=(4.17, 3.7))
    judge, _ = best_of(RARE)
    _, without = best_of(0)
    _, liked = best_of(RARE)
    for values, color, words, place in (
        (judge, INK, "the judge", (16, 2.5)),
        (without, GREEN, "listeners,\nno broken clips", (300, 0.75)),
        (liked, ORANGE, "listeners,\n1 in 100 broken", (60, -1.4)),
    ):
        ax.plot(TRIES, values, color=color)
        ax.annotate(words, place, ha="right", color=color)
    ax.axhline(0, color="#888", linewidth=0.8)
    ax.set(xscale="log", xlabel="n, clips of one prompt", ylabel="mean score of the chosen clip",
           xticks=[1, 10, 100], xticklabels=["1", "10", "100"], ylim=(-1.7, 3.6))  # fmt: skip
    top = int(np.argmax(liked))
    print(f"best for listeners at n = {TRIES[top]:.0f}: {liked[top]:.2f}; below 0 from n = {TRIES[liked < 0][1:2]}")
    print(f"n = 10: judge {np.interp(10, TRIES, judge):.2f}, listeners {np.interp(10, TRIES, without):.2f}")
    save(fig, path)


def main() -> None:
    """Write both figures beside this file."""
    plt.style.use("musicwords.figures")
    here = Path(__file__).parent
    draw_fad(here / "generation_fad.svg")
    draw_best_of(here / "generation_best_of.svg")


if __name__ == "__main__":
    main()
