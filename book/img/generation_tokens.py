"""Draw generation_orders.svg and generation_melody.svg: python book/img/generation_tokens.py

The first shows in which step each order writes each token of a small matrix, and when the first frame is complete. The
second shows what the melody conditioner of MusicGen keeps of a clip, as the class of transformers computes it.
"""

from pathlib import Path

CODEBOOKS, FRAMES = 3, 4
CLIP, SECONDS = "hornpipe-flute", 5  # what the second figure listens to, and for how long
NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"]

BLUE, PALE, ORANGE, WARM, DARK = "#0072B2", "#e8f2f9", "#D55E00", "#f9d9c4", "#333"
WIDTH, FONT = 420, 17
LEFT, CELL, ROW = 24, 31, 27  # of the first figure: the margin, and the size of a token


def orders(codebooks: int = CODEBOOKS, frames: int = FRAMES) -> dict[str, list[tuple[int, int, int]]]:
    """Return the tokens of each order as (step, codebook, frame), all counted from 0.

    In the depth order, a step is one of the small network; the large one runs once before each frame.
    """
    every = [(k, t) for t in range(frames) for k in range(codebooks)]
    return {
        "flattening": [(t * codebooks + k, k, t) for k, t in every],
        "parallel": [(t, k, t) for k, t in every],
        "delay": [(t + k, k, t) for k, t in every],
        "coarse-first": [(t if k == 0 else frames + k - 1, k, t) for k, t in every],
        "depth": [(t * codebooks + k, k, t) for k, t in every],
    }


def steps(tokens: list[tuple[int, int, int]]) -> int:
    """Return how many steps an order takes."""
    return max(step for step, _, _ in tokens) + 1


def heard(tokens: list[tuple[int, int, int]]) -> int:
    """Return after how many steps all tokens of the first frame are there."""
    return max(step for step, _, frame in tokens if frame == 0) + 1


def text(x: float, y: float, words: str, fill: str = "#222", anchor: str = "middle", bold: bool = False) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{words}</text>'


def box(x: float, y: float, width: float, height: float, stroke: str, fill: str) -> str:
    """Return a rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" stroke="{stroke}" fill="{fill}" '
        'stroke-width="1"/>'
    )


def picture(parts: list[str], height: int) -> str:
    """Return an SVG on a white ground with rounded corners."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
    ground = f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fff"/>'
    return "\n".join([f'{head} font-size="{FONT}">', ground, *parts, "</svg>\n"])


def token(x: float, y: float, width: float, frame: int) -> list[str]:
    """Return a box with the number of a frame."""
    first = frame == 0
    return [
        box(x, y, width, ROW, ORANGE if first else BLUE, WARM if first else PALE),
        text(x + width / 2, y + 20, str(frame + 1)),
    ]


def panel(name: str, tokens: list[tuple[int, int, int]], top: float) -> list[str]:
    """Return an order as it is written: a column for each step, a row for each codebook."""
    count = f"{FRAMES} large, {steps(tokens)} small steps" if name == "depth" else f"{steps(tokens)} steps"
    parts = [text(LEFT, top + 18, name, anchor="start", bold=True), text(WIDTH - 20, top + 18, count, anchor="end")]
    top += 30
    if name == "depth":
        bar, width = 14, 22
        lefts = [LEFT + frame * (bar + 6 + CODEBOOKS * width + 8) for frame in range(FRAMES)]
        for left in lefts:
            parts.append(box(left, top, bar, CODEBOOKS * ROW, DARK, DARK))
        for _, codebook, frame in tokens:
            parts += token(lefts[frame] + bar + 6 + codebook * width, top + codebook * ROW, width, frame)
        line = lefts[0] + bar + 6 + CODEBOOKS * width + 3
    else:
        together = [(step, codebook) for step, codebook, _ in tokens]
        wide = LEFT
        edges = []  # the left edge of each step; a step that writes a whole row is wider
        for step in range(steps(tokens)):
            edges.append(wide)
            wide += CELL * max(together.count((step, codebook)) for codebook in range(CODEBOOKS))
        edges.append(wide)
        for step, codebook, frame in tokens:
            inside = sum((s, k) == (step, codebook) and f < frame for s, k, f in tokens)
            parts += token(edges[step] + inside * CELL, top + codebook * ROW, CELL, frame)
        for edge in edges[1:-1]:
            parts.append(f'<path d="M{edge:g} {top - 3:g}v{CODEBOOKS * ROW + 6:g}" stroke="#999" stroke-width="1"/>')
        line = edges[heard(tokens)]
    parts.append(f'<path d="M{line:g} {top - 6:g}v{CODEBOOKS * ROW + 12:g}" stroke="{ORANGE}" stroke-width="4"/>')
    return parts


def draw_orders() -> str:
    """Return the picture of the five orders."""
    high = 30 + CODEBOOKS * ROW + 22
    parts = []
    for place, (name, tokens) in enumerate(orders().items()):
        parts += panel(name, tokens, 12 + place * high)
    foot = 12 + len(orders()) * high + 14
    parts += [
        *token(LEFT, foot - 18, 27, 0),
        text(LEFT + 38, foot + 2, "first frame", anchor="start"),
        f'<path d="M170 {foot - 20}v31" stroke="{ORANGE}" stroke-width="4"/>',
        text(182, foot + 2, "can be heard", anchor="start"),
        box(306, foot - 18, 14, 27, DARK, DARK),
        text(328, foot + 2, "large step", anchor="start"),
    ]
    return picture(parts, foot + 24)


def melody() -> tuple[list[int], list[tuple[int, float, float]], float]:
    """Return the pitch class of each step of the conditioner, the notes that were played, and the steps a second.

    Notes are (pitch class, begin, end), as a pitch tracker finds them.
    """
    import librosa
    import numpy as np
    from transformers import MusicgenMelodyFeatureExtractor

    from musicwords.clips import load_audio, load_clips

    path = next(clip["audio"]["path"] for clip in load_clips() if clip["name"] == CLIP)
    extractor = MusicgenMelodyFeatureExtractor()
    rate, hop = extractor.sampling_rate, 512
    audio = load_audio(path, rate)
    kept = extractor(audio, sampling_rate=rate, return_tensors="pt").input_features[0].argmax(-1).tolist()
    pitches, _, _ = librosa.pyin(audio, fmin=200, fmax=2000, sr=rate, frame_length=2048, hop_length=hop)
    found = [-1 if np.isnan(pitch) else round(librosa.hz_to_midi(pitch)) % 12 for pitch in pitches]
    notes, begin = [], 0
    for place in range(1, len(found) + 1):
        if place == len(found) or found[place] != found[begin]:
            if found[begin] >= 0 and place - begin >= 4:  # shorter ones are slides between notes
                notes.append((found[begin], begin * hop / rate, place * hop / rate))
            begin = place
    return kept, notes, rate / extractor.hop_length


def draw_melody() -> str:
    """Return the picture of what is kept of a melody."""
    kept, notes, rate = melody()
    kept = kept[: round(SECONDS * rate)]
    notes = [(pitch, begin, end) for pitch, begin, end in notes if begin < SECONDS]
    left, top, scale, high = 46, 20, (WIDTH - 66) / SECONDS, 28
    parts = []
    for pitch, name in enumerate(NAMES):
        y = top + (11 - pitch) * high
        parts.append(text(left - 10, y + 20, name, anchor="end"))
        parts.append(f'<path d="M{left} {y + high:g}H{WIDTH - 20}" stroke="#ddd" stroke-width="1"/>')
    for place, pitch in enumerate(kept):  # a step stands for the time around its middle
        begin, end = max(0, (place - 0.5) / rate), min(SECONDS, (place + 0.5) / rate)
        y = top + (11 - pitch) * high
        parts.append(box(left + begin * scale, y + 3, (end - begin) * scale, high - 6, BLUE, "#9fcbe6"))
    for pitch, begin, end in notes:
        y = top + (11 - pitch + 0.5) * high
        reach = (min(end, SECONDS) - begin) * scale
        parts.append(f'<path d="M{left + begin * scale:.1f} {y:g}h{reach:.1f}" stroke="{ORANGE}" stroke-width="5"/>')
    foot = top + 12 * high
    for second in range(SECONDS + 1):
        parts.append(text(left + second * scale, foot + 22, str(second)))
    parts.append(text(left + SECONDS * scale / 2, foot + 46, "seconds"))
    y = foot + 76
    parts += [
        f'<path d="M{left} {y - 6}h28" stroke="{ORANGE}" stroke-width="5"/>',
        text(left + 38, y, "played", anchor="start"),
        box(left + 130, y - 17, 28, 22, BLUE, "#9fcbe6"),
        text(left + 168, y, "what the model is given", anchor="start"),
    ]
    return picture(parts, y + 20)


def main() -> None:
    """Write the figures beside this file."""
    for name, drawn in (("generation_orders", draw_orders()), ("generation_melody", draw_melody())):
        Path(__file__).with_name(f"{name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
