"""Draw lm_scaling.svg from published constants: python book/img/lm_scaling.py

The loss of a language model with N parameters after D tokens is fitted as L = E + A / N^alpha + B / D^beta.
PRINTED are the constants in the text of Hoffmann and others (2022, arXiv:2203.15556). UNROUNDED are the same
constants with all digits, as they stand in the source of that paper, and REFIT those of Besiroglu and others, who
read the data off the published figure and fitted them until the optimizer converged (2024, arXiv:2404.10102).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

PRINTED = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
UNROUNDED = {"E": 1.69337368, "A": 406.401018, "B": 410.722827, "alpha": 0.33917084, "beta": 0.2849083}
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


def best_tokens_each(compute, fit):
    """Return the number of tokens for each of these parameters."""
    return compute / 6 / best_parameters(compute, fit) ** 2


def main() -> None:
    """Write the figure beside this file."""
    plt.style.use("musicwords.figures")
    plt.rcParams["font.size"] = 14
    blue, green, orange = "#0072B2", "#007A5A", "#D55E00"
    fig, (upper, lower) = plt.subplots(2, 1, figsize=(6, 7.4))
    parameters = np.geomspace(1e8, 1e13, 120)
    for compute, shade, above in ((1e20, 0.4, 30), (1e22, 0.7, 10), (1e24, 1, -20)):
        curve = loss(parameters, compute / 6 / parameters, PRINTED)
        best = best_parameters(compute, PRINTED)
        lowest = loss(best, compute / 6 / best, PRINTED)
        shown = curve < 3.2
        upper.plot(parameters[shown], curve[shown], color=blue, alpha=shade)
        upper.plot(best, lowest, "o", color=blue)
        name = f"$10^{{{np.log10(compute):.0f}}}$ operations"
        upper.annotate(name, (best, lowest), (0, above), textcoords="offset points", ha="center", color=blue)
    for (name, (size, tokens)), place in zip(MODELS.items(), ["center", "right"], strict=True):
        value = loss(size, tokens, PRINTED)
        upper.plot(size, value, "s", color="black")
        upper.annotate(name, (size, value), (2, 9), textcoords="offset points", ha=place)
    upper.set(
        xscale="log",
        xlabel="parameters N",
        ylabel="loss (nats a token)",
        title="A fixed number of operations, split",
        ylim=(1.65, 3.2),
    )
    budget = np.geomspace(1e18, 1e26, 9)
    for fit, color, style, label, at, offset in (
        (PRINTED, blue, "-", "as printed in 2022", 4, (-30, 14)),
        (UNROUNDED, green, "--", "the same, not rounded", 8, (-78, -36)),
        (REFIT, orange, "-", "fitted again in 2024", 2, (0, -20)),
    ):
        tokens_each = best_tokens_each(budget, fit)
        lower.plot(budget, tokens_each, style, color=color)
        lower.annotate(
            label, (budget[at], tokens_each[at]), offset, textcoords="offset points", ha="center", color=color
        )
    for name, (size, tokens) in MODELS.items():
        lower.plot(6 * size * tokens, tokens / size, "s", color="black")
        lower.annotate(name, (6 * size * tokens, tokens / size), (7, -18), textcoords="offset points")
    lower.set(
        xscale="log",
        yscale="log",
        xlabel="operations in training",
        ylabel="tokens a parameter",
        title="The best split, by three sets of constants",
        ylim=(0.4, 300),
    )
    fig.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})
    for name, (size, tokens) in MODELS.items():
        print(f"{name}: {6 * size * tokens:.2g} operations, loss {loss(size, tokens, PRINTED):.3f}")
    budget = 6 * np.prod(MODELS["Gopher"])
    for label, fit in (("printed", PRINTED), ("unrounded", UNROUNDED), ("refit", REFIT)):
        best = best_parameters(budget, fit)
        each = best_tokens_each(budget, fit)
        print(f"{label}: {best / 1e9:.0f} billion parameters for Gopher's budget, {each:.0f} tokens each")


if __name__ == "__main__":
    main()
