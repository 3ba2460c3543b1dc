"""Draw generation_controls.svg: python book/img/generation_controls.py

The loop of a diffusion model, with the five places where a control that is not a prompt can get in.
"""

from pathlib import Path

from boxes import arrow, box

INK, AUDIO, CONTROL = "#222222", "#0072B2", "#D55E00"
LEFT, WIDE = 14, 168  # of the controls
MIDDLE = 300  # of the loop


def stage(y, words, color="#888", fill="#f4f4f4") -> str:
    """A box of the loop."""
    return box(MIDDLE - 72, y, 144, 46, words, color, fill)


def control(y, words, to) -> list[str]:
    """A control at a height, and its arrow to a height of the loop."""
    return [
        box(LEFT, y, WIDE, 50, words, CONTROL, "#fcefe6"),
        arrow((LEFT + WIDE, y + 25), (MIDDLE - 74, to)),
    ]


def draw(path: Path) -> None:
    """Write the figure."""
    audio = {"color": AUDIO, "fill": "#e8f2f9"}
    parts = [
        box(208, 82, 184, 266, "", color="#333", fill="none", dashed=True),
        stage(14, "noise", **audio),
        arrow((MIDDLE, 60), (MIDDLE, 102)),
        stage(104, "network"),
        arrow((MIDDLE, 150), (MIDDLE, 182)),
        stage(184, "guess of the clip", **audio),
        arrow((MIDDLE, 230), (MIDDLE, 262)),
        stage(264, "mixed with\nless noise", **audio),
        arrow((MIDDLE + 72, 287), (384, 287), (384, 127), (MIDDLE + 74, 127)),
        f'<text x="{MIDDLE}" y="338" text-anchor="middle" stroke="none">again and again</text>',
        arrow((MIDDLE, 348), (MIDDLE, 378)),
        stage(380, "decoder"),
        arrow((MIDDLE, 426), (MIDDLE, 446)),
        stage(448, "sound", **audio),
        *control(12, "1: a noised recording,\nor a searched noise", 37),
        *control(78, "2: more inputs,\nlearned in training", 118),
        *control(144, "3: inner states,\npushed", 138),
        *control(210, "4: a gradient that\nmoves the guess", 207),
        *control(276, "5: known parts\nthat are put back", 287),
    ]
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 508" font-family="sans-serif" font-size="14.5">\n'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#333"/></marker></defs>\n'
        '<rect width="400" height="508" rx="10" fill="#fff"/>\n'
        f'<g fill="{INK}" stroke-width="1.5">\n' + "\n".join(parts) + "\n</g>\n</svg>\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    draw(Path(__file__).with_name("generation_controls.svg"))
