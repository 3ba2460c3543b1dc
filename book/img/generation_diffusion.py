"""Draw generation_paths.svg and generation_dit.svg: python book/img/generation_diffusion.py

The paths are exact. A clip is a single number here, drawn from two bumps of equal weight, so that the mean of all clips
that fit a noisy number has a formula, and no network is needed. The step with new noise is that of DDIM with eta = 1.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from boxes import arrow, box
from matplotlib.patches import FancyBboxPatch

MIDDLES, WIDTH = np.array([-0.95, 0.95]), 0.3  # of the two bumps; together their variance is about 1
STEPS = 300
LAST = 0.985  # where the paths back begin
INK, AUDIO, TEXT = "#222222", "#0072B2", "#D55E00"


def cosine(level):
    """Shares of music and noise of the cosine schedule."""
    return np.cos(np.pi * level / 2), np.sin(np.pi * level / 2)


def straight(level):
    """Shares of music and noise of flow matching."""
    return 1 - level, level


def density(x, level, schedule):
    """How likely a noisy number is."""
    music, noise = schedule(level)
    variance = (music * WIDTH) ** 2 + noise**2
    bumps = np.exp(-((x[..., None] - music * MIDDLES) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return bumps.mean(axis=-1)


def guesses(x, level, schedule):
    """Mean of the clips, and mean of the noises, that a noisy number may have come from."""
    music, noise = schedule(level)
    variance = (music * WIDTH) ** 2 + noise**2
    weight = np.exp(-((x[..., None] - music * MIDDLES) ** 2) / (2 * variance))
    weight /= weight.sum(axis=-1, keepdims=True)
    each = MIDDLES + music * WIDTH**2 / variance * (x[..., None] - music * MIDDLES)
    clip = (weight * each).sum(axis=-1)
    return clip, (x - music * clip) / noise


def forward(clips, schedule, rng):
    """Add noise little by little: levels and numbers, shape (steps, clips)."""
    levels = np.linspace(0, LAST, STEPS + 1)
    path = [np.array(clips)]
    for level, later in pairwise(levels):
        (music, noise), (music_later, noise_later) = schedule(level), schedule(later)
        kept = music_later / music
        spread = np.sqrt(noise_later**2 - (kept * noise) ** 2)
        path.append(kept * path[-1] + spread * rng.normal(size=len(clips)))
    return levels, np.stack(path)


def backward(noises, schedule, rng=None):
    """Take noise away: levels and numbers, shape (steps, noises).

    With new noise if there is an ``rng``; the squared shares of the schedule must sum to 1 then.
    """
    levels = np.linspace(LAST, 0, STEPS + 1)
    path = [np.array(noises)]
    for level, earlier in pairwise(levels):
        (music, noise), (music_earlier, noise_earlier) = schedule(level), schedule(earlier)
        clip, of_noise = guesses(path[-1], level, schedule)
        new = 0.0
        if rng is not None:
            new = noise_earlier / noise * np.sqrt(1 - (music / music_earlier) ** 2)
        x = music_earlier * clip + np.sqrt(noise_earlier**2 - new**2) * of_noise
        path.append(x + (new * rng.normal(size=len(noises)) if rng is not None else 0))
    return levels, np.stack(path)


def panels() -> Iterator[tuple]:
    """Title, every how many steps are drawn, schedule, levels and paths of each panel."""
    starts = np.array([-1.7, -1.0, -0.45, -0.12, 0.12, 0.45, 1.0, 1.7])
    few = starts[[1, 2, 5, 6]]
    yield "A  Noise is added", 3, cosine, *forward([-1.2, -0.8, 0.75, 1.1], cosine, np.random.default_rng(3))
    yield "B  Back, with new noise", 3, cosine, *backward(few, cosine, np.random.default_rng(1))
    yield "C  Back, without new noise", 12, cosine, *backward(starts, cosine)
    yield "D  Like C, with the straight schedule", 12, straight, *backward(starts, straight)


def draw_paths(path: Path) -> None:
    """Write the figure of paths."""
    plt.style.use("musicwords.figures")
    plt.rcParams["font.size"] = 10.5  # points: 14 pixels
    fig, axes = plt.subplots(4, 1, figsize=(4.17, 6.6), sharex=True, sharey=True)
    levels, numbers = np.linspace(0, 1, 60), np.linspace(-2.8, 2.8, 60)
    for ax, (title, every, schedule, at, paths) in zip(axes, panels(), strict=True):
        picture = np.stack([density(numbers, level, schedule) for level in levels], axis=1)
        ax.imshow(
            picture / picture.max(axis=0), origin="lower", aspect="auto", cmap="Blues", vmax=1.6,
            extent=(0, 1, numbers[0], numbers[-1]), interpolation="bilinear",
        )  # fmt: skip
        ax.plot(at[::every], paths[::every], color=INK, linewidth=1.0)
        ax.set(title=title, xlim=(0, 1), ylim=(numbers[0], numbers[-1]), yticks=[-2, 0, 2])
    axes[-1].set(xlabel="level of noise t", xticks=[0, 0.5, 1], xticklabels=["0, music", "0.5", "1, noise"])
    fig.supylabel("noisy number", fontsize=10.5)
    axes[-1].get_xticklabels()[0].set_horizontalalignment("left")
    axes[-1].get_xticklabels()[-1].set_horizontalalignment("right")
    fig.patch.set(facecolor="none")
    ground = FancyBboxPatch((0, 0), 1, 1, "round,pad=0,rounding_size=0.02", mutation_aspect=4.17 / 6.6)
    fig.add_artist(ground).set(facecolor="white", edgecolor="none", zorder=-3)
    fig.savefig(path, facecolor="none", metadata={"Date": None})


def draw_dit(path: Path) -> None:
    """Write the figure of a diffusion transformer with its four entrances."""
    audio, told = {"color": AUDIO, "fill": "#e8f2f9"}, {"color": TEXT, "fill": "#fcefe6"}
    parts = [
        box(216, 18, 168, 46, "noisy latents\nT × C", **audio),
        box(16, 18, 166, 46, "4: known audio,\nmask, timed lyrics", **told),
        arrow((182, 41), (214, 41)),
        arrow((300, 64), (300, 82)),
        box(216, 84, 168, 32, "linear layer"),
        arrow((300, 116), (300, 136)),
        *(box(216 + 24 * k, 138, 20, 26, "", **(told if k == 0 else audio)) for k in range(7)),
        box(16, 128, 166, 46, "3: a token in front:\nlevel, length", **told),
        arrow((182, 151), (214, 151)),
        arrow((300, 166), (300, 212)),
        box(200, 190, 192, 258, "", color="#333", fill="none", dashed=True),
        box(216, 214, 160, 46, "layer norm,\nscale and shift"),
        box(16, 214, 166, 46, "2: level, length", **told),
        arrow((182, 237), (214, 237)),
        arrow((296, 260), (296, 278)),
        box(216, 280, 160, 32, "self-attention"),
        arrow((296, 312), (296, 328)),
        box(216, 330, 160, 32, "cross-attention"),
        box(16, 323, 166, 46, "1: words of\nthe prompt", **told),
        arrow((182, 346), (214, 346)),
        arrow((296, 362), (296, 378)),
        box(216, 380, 160, 50, "scale and shift,\nsmall network"),
        box(16, 382, 166, 46, "2: the same again", **told),
        arrow((182, 405), (214, 405)),
        '<text x="16" y="464" stroke="none">dashed: a block, repeated</text>',
        arrow((300, 430), (300, 470)),
        box(216, 472, 168, 32, "linear layer"),
        arrow((300, 504), (300, 520)),
        box(216, 522, 168, 46, "predicted velocity\nT × C", **audio),
    ]
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 586" font-family="sans-serif" font-size="14.5">\n'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#333"/></marker></defs>\n'
        '<rect width="400" height="586" rx="10" fill="#fff"/>\n'
        f'<g fill="{INK}" stroke-width="1.5">\n' + "\n".join(parts) + "\n</g>\n</svg>\n",
        encoding="utf-8",
    )


def main() -> None:
    """Write both figures beside this file."""
    here = Path(__file__).parent
    draw_paths(here / "generation_paths.svg")
    draw_dit(here / "generation_dit.svg")


if __name__ == "__main__":
    main()
