"""Draw lm_scaling.svg from published constants: python book/img/lm_scaling.py

The loss of a language model with N parameters after D tokens is fitted as L = E + A / N^alpha + B / D^beta.
FIRST are the constants of Hoffmann and others (2022, arXiv:2203.15556), REFIT those of the attempt by Besiroglu
and others to replicate them from the published figure (2024, arXiv:2404.10102).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

FIRST = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
REFIT = {"E": 1.82, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
# Parameters and tokens of two models that cost about the same to train (arXiv:2203.15556).
MODELS = {"Gopher": (280e9, 300e9), "Chinchilla": (70e9, 1.4e12)}


def loss(parameters, tokens, fit):
    """Return the fitted loss in nats a token."""
    return fit["E"] + fit["A"] / parameters ** fit["alpha"] + fit["B"] / tokens ** fit["beta"]


def best_parameters(compute, fit):
    """Return the number of parameters with the lowest loss, if training takes 6 operations for each and each token."""
    alpha, beta = fit["alpha"], fit["beta"]
    ratio = (alpha * fit["A"] / (beta * fit["B"])) ** (1 / (alpha + beta))
    return ratio * (compute / 6) ** (beta / (alpha + beta))


def main() -> None:
    """Write the figure beside this file."""
    plt.style.use("musiclang.figures")
    plt.rcParams["font.size"] = 14
    colors = {"first": "#0072B2", "refit": "#D55E00"}
    fig, (left, right) = plt.subplots(2, 1, figsize=(6, 7))
    parameters = np.geomspace(1e8, 1e13, 120)
    for compute, shade, above in ((1e20, 0.4, 30), (1e22, 0.7, 10), (1e24, 1, -20)):
        curve = loss(parameters, compute / 6 / parameters, FIRST)
        best = best_parameters(compute, FIRST)
        lowest = loss(best, compute / 6 / best, FIRST)
        shown = curve < 3.2
        left.plot(parameters[shown], curve[shown], color=colors["first"], alpha=shade)
        left.plot(best, lowest, "o", color=colors["first"])
        name = f"$10^{{{np.log10(compute):.0f}}}$ operations"
        place = {
            "xytext": (0, above),
            "textcoords": "offset points",
            "ha": "center",
            "color": colors["first"],
        }
        left.annotate(name, (best, lowest), **place)
    for (name, (size, tokens)), place in zip(MODELS.items(), ["center", "right"], strict=True):
        value = loss(size, tokens, FIRST)
        left.plot(size, value, "s", color="black")
        left.annotate(name, (size, value), (2, 9), textcoords="offset points", ha=place)
    left.set(
        xscale="log",
        xlabel="parameters N",
        ylabel="loss (nats a token)",
        title="A fixed number of operations, split",
        ylim=(1.65, 3.2),
    )
    budget = np.geomspace(1e18, 1e26, 9)
    for name, fit, label, offset in (
        ("first", FIRST, "constants of 2022", (-20, 16)),
        ("refit", REFIT, "refit of 2024", (0, -18)),
    ):
        best = best_parameters(budget, fit)
        tokens_each = budget / 6 / best / best
        right.plot(budget, tokens_each, color=colors[name])
        right.annotate(
            label, (budget[5], tokens_each[5]), offset, textcoords="offset points", ha="center", color=colors[name]
        )
    right.set(
        xscale="log",
        yscale="log",
        xlabel="operations in training",
        ylabel="tokens a parameter",
        title="The best split, by two fits",
        ylim=(3, 400),
    )
    fig.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})
    for name, (size, tokens) in MODELS.items():
        print(f"{name}: {6 * size * tokens:.2g} operations, loss {loss(size, tokens, FIRST):.3f}")
    budget = 6 * np.prod(MODELS["Gopher"])
    for label, fit in (("2022", FIRST), ("2024", REFIT)):
        best = best_parameters(budget, fit)
        print(
            f"{label}: {best / 1e9:.0f} billion parameters for Gopher's budget, {budget / 6 / best**2:.0f} tokens each"
        )


if __name__ == "__main__":
    main()
