"""Draw lm_realtime.svg: python book/img/lm_realtime.py

When does a gesture of a musician become audible? Four ways to write eight seconds of music, worked out and not
measured: a pass through the network is assumed to take the same time whether it writes one frame or looks at all.
"""

from pathlib import Path

import matplotlib.pyplot as plt

LENGTH, RATE, PASS = 8, 50, 0.015  # seconds of music, frames a second, seconds a pass
PASSES, PIECE, GESTURE, END = 36, 2, 3, 12.5  # passes of masked generation, then seconds


def clip(passes: int) -> tuple[list[tuple[float, float]], float]:
    """Return (begin, duration) of the computation of a clip that is asked for at the gesture, and when it is heard."""
    return [(GESTURE, passes * PASS)], GESTURE + passes * PASS


def stream(piece: float) -> tuple[list[tuple[float, float]], float]:
    """Return the computation of a stream in pieces, each written while the one before sounds, and what is heard when.

    A piece whose computation has begun does not change any more.
    """
    takes = round(piece * RATE) * PASS
    assert takes < piece, "a piece must be ready before the one before it ends"
    begins = [k * piece for k in range(round(END / piece))]
    first = next(begin for begin in begins if begin >= GESTURE)
    return [(begin, takes) for begin in begins], first + piece


def main() -> None:
    """Write the figure beside this file."""
    plt.style.use("musicwords.figures")
    plt.rcParams["font.size"] = 14
    ways = {
        "a whole clip, frame by frame": clip(LENGTH * RATE),
        f"a whole clip, masked, {PASSES} passes": clip(PASSES),
        f"a stream in pieces of {PIECE} s": stream(PIECE),
        "a stream, frame by frame": stream(1 / RATE),
    }
    fig, axes = plt.subplots(len(ways), 1, figsize=(6, 6), sharex=True)
    for ax, (name, (computed, heard)) in zip(axes, ways.items(), strict=True):
        if len(computed) > 100:  # too fine to be drawn
            computed = [(0, END)]
        ax.broken_barh(computed, (0, 0.8), color="#bbbbbb")
        ends = heard + LENGTH if "clip" in name else END
        ax.broken_barh([(heard, min(ends, END) - heard)], (1, 0.8), color="#0072B2")
        ax.axvline(GESTURE, color="#D55E00")
        delay = heard - GESTURE
        said = f"{delay:.1f} s" if delay >= 0.1 else f"{1000 * delay:.0f} ms"
        ax.set_title(f"{name}: {said}")
        ax.set(xlim=(0, END), ylim=(-0.1, 2.1), yticks=[0.4, 1.4], yticklabels=["computes", "is heard"])
        ax.tick_params(axis="y", length=0)
    axes[-1].set_xlabel("seconds; the line is the gesture")
    fig.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})
    for name, (_, heard) in ways.items():
        print(f"{name}: {heard - GESTURE:.2f} s")


if __name__ == "__main__":
    main()
