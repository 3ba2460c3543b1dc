"""Draw making_curves.svg from the curves beside the mini checkpoints: python book/img/making_curves.py

Each panel has the measure that was looked at on validation clips or sentences while a model was trained. The dashed
line of the last panel is the first version of the diffusion model, whose curve is kept beside this file.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

IMAGES = Path(__file__).resolve().parent
CHECKPOINTS = IMAGES.parents[1] / "musicwords" / "data" / "checkpoints"
FIRST = IMAGES / "making_first_diffusion.csv"
BLUE, ORANGE = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Panel:
    """A panel of the figure.

    Attributes
    ----------
    title : names the model
    curve : of the checkpoints' folder, a table with a line a check
    measure : what the vertical axis shows
    lines : column -> label; the first is blue, the second orange
    unit : of the horizontal axis: a column of the curve
    goal : whether better is lower or higher
    """

    title: str
    curve: str
    measure: str
    lines: dict[str, str]
    unit: str
    goal: str = "lower"


PANELS = (
    Panel("CLAP, text tower", "clap/text-tower.csv", "error", {"error": ""}, "round"),
    Panel("CLAP, audio tower", "clap/audio-tower.csv", "error", {"validation": ""}, "epoch"),
    Panel("CLAP, audio, more sounds", "clap/audio-tuning.csv", "error", {"validation": ""}, "round"),
    Panel(
        "CLAP, joining",
        "clap/alignment.csv",
        "MRR",
        {"validation_mrr_text_to_audio": "text to audio", "validation_mrr_audio_to_text": "audio to text"},
        "round",
        "higher",
    ),
    Panel(
        "Captioner",
        "captioner/curve.csv",
        "error",
        {"validation_loss_captions": "hears", "validation_loss_without_audio_captions": "hears nothing"},
        "epoch",
    ),
    Panel("Codec", "codec/curve.csv", "error", {"validation_8": "8 codebooks", "validation_1": "1 codebook"}, "step"),
    Panel("Prompt encoder", "musicgen/prompt-encoder.csv", "cosine", {"held_out_cosine": ""}, "round", "higher"),
    Panel(
        "MusicGen",
        "musicgen/curve.csv",
        "error",
        {"validation_first": "first codebook", "validation_last": "last codebook"},
        "step",
    ),
    Panel(
        "Diffusion",
        "diffusion/curve.csv",
        "error",
        {"validation": "known wording", "validation_new_wording": "new wording"},
        "epoch",
    ),
)


def read(path: Path) -> list[dict]:
    """Return the lines of a curve."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def points(rows: list[dict], unit: str, column: str) -> tuple[list[float], list[float]]:
    """Return where a column of a curve has values, counted by ``unit``, or by line where that begins again."""
    kept = [(place, row) for place, row in enumerate(rows, 1) if row[column]]
    places = [float(row.get(unit) or place) for place, row in kept]
    if places != sorted(set(places)):
        places = [place for place, _ in kept]
    return places, [float(row[column]) for _, row in kept]


def draw(panel: Panel, ax: plt.Axes) -> None:
    """Draw a panel."""
    rows = read(CHECKPOINTS / panel.curve)
    for (column, label), color in zip(panel.lines.items(), (BLUE, ORANGE), strict=False):
        x, y = points(rows, panel.unit, column)
        wide = 4 if panel is PANELS[-1] and color == BLUE else 1.5  # it shows beside the line that covers it
        ax.plot(x, y, "-o" if len(x) < 4 else "-", color=color, label=label or None, linewidth=wide, markersize=4)
    if panel.title == "Diffusion":
        x, y = points(read(FIRST), panel.unit, "validation_new_wording")
        ax.plot(x, y, "--", color=ORANGE, label="new, first version")
    unit = panel.unit if panel.unit in rows[0] else next(iter(rows[0]))
    ax.set_title(panel.title, fontsize=13)
    ax.set_xlabel(f"{unit}s")
    ax.set_ylabel(f"{panel.measure} {'↓' if panel.goal == 'lower' else '↑'}")
    ax.locator_params(nbins=4)
    if ax.get_legend_handles_labels()[1]:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.1, 1)} if panel is PANELS[-1] else {"loc": "best"}
        ax.legend(fontsize=11, handlelength=1.2, **beside).set_in_layout(False)


def made_of() -> str:
    """Return a hash of all curves, which is kept in the figure: a test tells when it has to be drawn again."""
    state = hashlib.sha256()
    for path in (*(CHECKPOINTS / panel.curve for panel in PANELS), FIRST):
        state.update(path.read_bytes())
    return f"Made of curves with the hash {state.hexdigest()}"


def draw_curves() -> plt.Figure:
    """Draw all panels, two in a row; the last one has room for its legend beside it."""
    plt.style.use("musicwords.figures")
    with plt.rc_context({"font.size": 12}):
        fig, axes = plt.subplots(-(-len(PANELS) // 2), 2, figsize=(6, 11.5))
        for panel, ax in zip(PANELS, axes.flat, strict=False):
            draw(panel, ax)
        for ax in axes.flat[len(PANELS) :]:
            ax.set_axis_off()
    return fig


def main() -> None:
    """Write the figure beside this file."""
    draw_curves().savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None, "Description": made_of()})


if __name__ == "__main__":
    main()
