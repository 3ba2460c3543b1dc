"""Draw lm_attention.svg and lm_block.svg, with the numbers that they show: python book/img/lm_attention.py

Four tokens go through one attention head, and one of them through a whole transformer block. The matrices are made up,
so that the numbers can be checked by hand: those of a trained model are larger, and learned. The code beside the
figures in book/language_models/framework.md computes the same numbers.
"""

from pathlib import Path

import numpy as np

TOKENS = ["a", "slow", "cello", "sings"]
X = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1], [-1, -1, 1, 1]])  # (T, D) = (4, 4)
W_Q = np.array([[0, 0.25], [-1, -0.75], [1, -0.25], [0, 0.75]])  # (D, d) = (4, 2)
W_K = np.array([[0.25, 0.25], [-0.75, -0.75], [-0.25, 0.75], [0.75, -0.25]])  # (D, d)
W_V = np.array([[0.5, 0.5], [-1.5, -1.5], [1.5, -0.5], [-0.5, 1.5]])  # (D, d)
W_O = np.array([[0.5, 0, 0, -0.5], [0, 0.25, -0.25, 0]])  # (d, D)
SIGNS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
WIDE = np.hstack([SIGNS, -SIGNS])  # (D, 2 D); real models take 4 D
NARROW = np.vstack([np.eye(4), np.eye(4)[::-1]])  # (2 D, D)
SHOWN = 2  # the token that the block is drawn for

BLUE, PALE, ORANGE, WARM, DARK = "#0072B2", "#e8f2f9", "#D55E00", "#fcefe6", "#333"
WIDTH, FONT = 420, 17


def attention() -> dict[str, np.ndarray]:
    """Return the vectors (T, d), scores and weights (T, T) and outputs (T, d) of one causal head."""
    q, k, v = X @ W_Q, X @ W_K, X @ W_V
    scores = q @ k.T / np.sqrt(q.shape[1])
    scores[np.triu_indices(len(X), 1)] = -np.inf
    weights = np.exp(scores)
    weights /= weights.sum(1, keepdims=True)
    return {"q": q, "k": k, "v": v, "scores": scores, "weights": weights, "output": weights @ v}


def normalized(x: np.ndarray) -> np.ndarray:
    """Return each row with mean 0 and deviation 1."""
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def block() -> dict[str, np.ndarray]:
    """Return what passes through a block that normalizes first, step by step, for all tokens."""
    steps = {"x": X, "normalized": normalized(X)}  # the rows of X have mean 0 and deviation 1 already
    steps["attention"] = attention()["output"] @ W_O
    steps["sum"] = X + steps["attention"]
    steps["normalized sum"] = normalized(steps["sum"])
    steps["network"] = np.maximum(steps["normalized sum"] @ WIDE, 0) @ NARROW
    steps["result"] = steps["sum"] + steps["network"]
    return steps


def number(value: float, digits: int = 2) -> str:
    """Return a number as it is written in the figures, with a real minus sign."""
    if np.isinf(value):
        return "−∞"
    return f"{value + 0.0:.{digits}f}".replace("-", "−")


def text(x: float, y: float, words: str, fill: str = "#222", anchor: str = "middle", bold: bool = False) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{words}</text>'


def box(x: float, y: float, width: float, height: float, stroke: str, fill: str, opacity: float = 1) -> str:
    """Return a rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" stroke="{stroke}" '
        f'fill="{fill}" fill-opacity="{opacity:.2f}" stroke-width="1.5"/>'
    )


def arrow(path: str) -> str:
    """Return a line with a tip."""
    return f'<path d="{path}" fill="none" stroke="{DARK}" stroke-width="2.5" marker-end="url(#tip)"/>'


def picture(parts: list[str], height: int) -> str:
    """Return an SVG on a white ground with rounded corners."""
    tip = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 10 5 0 10z" fill="{DARK}"/></marker></defs>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
    ground = f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fff"/>'
    return "\n".join([f'{head} font-size="{FONT}">', tip, ground, *parts, "</svg>\n"])


def grid(values: np.ndarray, top: float, shaded: bool) -> list[str]:
    """Return a table of tokens by tokens, whose cells are shaded by their value if asked."""
    left, width, height = 84, 82, 36
    parts = [text(left + (j + 0.5) * width, top - 8, name, ORANGE) for j, name in enumerate(TOKENS)]
    for i, name in enumerate(TOKENS):
        parts.append(text(left - 10, top + (i + 0.5) * height + 6, name, BLUE, "end", bold=i == SHOWN))
        for j, value in enumerate(values[i]):
            hidden = j > i
            fill, opacity = ("#eee", 1) if hidden else (BLUE if shaded else "#fff", 0.5 * value if shaded else 1)
            parts.append(box(left + j * width, top + i * height, width, height, "#999", fill, opacity))
            words = number(value)
            ink = "#555" if hidden else "#222"
            parts.append(text(left + (j + 0.5) * width, top + (i + 0.5) * height + 6, words, ink, bold=i == SHOWN))
    return parts


def draw_attention() -> str:
    """Return the picture of one attention head."""
    found = attention()
    parts = [text(20, 32, "1. Each token asks, offers, hands over", anchor="start", bold=True)]
    for j, (name, fill) in enumerate((("query q", BLUE), ("key k", ORANGE), ("value v", ORANGE))):
        parts.append(text(138 + 110 * j, 62, name, fill))
        for i, token in enumerate(TOKENS):
            pair = ", ".join(number(value, 0) for value in found[name[-1]][i])
            parts.append(text(138 + 110 * j, 90 + 26 * i, f"({pair})", bold=i == SHOWN))
            if j == 0:
                parts.append(text(74, 90 + 26 * i, token, anchor="end", bold=i == SHOWN))
    parts.append(text(20, 216, "2. Scores: q · k / √2, the future hidden", anchor="start", bold=True))
    parts += grid(found["scores"], 252, shaded=False)
    parts.append(text(20, 438, "3. Weights: the softmax of each row", anchor="start", bold=True))
    parts += grid(found["weights"], 474, shaded=True)
    parts.append(text(20, 660, "4. Outputs: means of v by the weights", anchor="start", bold=True))
    for i, (token, row) in enumerate(zip(TOKENS, found["output"], strict=True)):
        parts.append(text(74, 690 + 26 * i, token, BLUE, "end", bold=i == SHOWN))
        pair = ", ".join(number(value) for value in row)
        parts.append(text(100, 690 + 26 * i, f"({pair})", anchor="start", bold=i == SHOWN))
    return picture(parts, 792)


def row(values: np.ndarray, y: float, stroke: str, fill: str) -> list[str]:
    """Return four numbers in boxes."""
    parts = []
    for j, value in enumerate(values):
        parts.append(box(118 + 72 * j, y, 72, 34, stroke, fill))
        parts.append(text(154 + 72 * j, y + 23, number(value)))
    return parts


def draw_block() -> str:
    """Return the picture of a block, with the numbers of one token."""
    found = {name: values[SHOWN] for name, values in block().items()}
    parts = [text(262, 30, f"the vector of {TOKENS[SHOWN]}")]
    parts += row(found["x"], 42, BLUE, PALE)
    middle, left = 262, 60
    for top, label, read, added, result in (
        (96, "attention over all tokens", "normalized", "attention", "sum"),
        (376, "network, token by token", "normalized sum", "network", "result"),
    ):
        parts.append(arrow(f"M{middle} {top - 18}V{top + 6}"))
        parts.append(box(118, top + 8, 288, 32, DARK, "#f4f4f4"))
        parts.append(text(middle, top + 30, "normalize"))
        parts += row(found[read], top + 48, "#999", "#fff")
        parts.append(arrow(f"M{middle} {top + 84}V{top + 104}"))
        parts.append(box(118, top + 106, 288, 40, DARK, "#f4f4f4"))
        parts.append(text(middle, top + 132, label, bold=True))
        parts += row(found[added], top + 154, ORANGE, WARM)
        parts.append(text(middle, top + 211, "+"))
        parts.append(arrow(f"M118 {top - 30}H{left}V{top + 235}H116"))
        parts += row(found[result], top + 224, BLUE, PALE)
    for y in (200, 480):
        turned = f'<text transform="rotate(-90 {left - 14} {y})"'
        parts.append(text(left - 14, y, "unchanged", "#555").replace("<text", turned, 1))
    return picture(parts, 656)


def main() -> None:
    """Write both figures beside this file."""
    for name, drawn in (("lm_attention", draw_attention()), ("lm_block", draw_block())):
        Path(__file__).with_name(f"{name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
