"""Draw conclusion_one_clip.svg from book/data/followed.json: python book/img/conclusion_one_clip.py

It prints the description of the picture, which the page has to give as its alt text.
"""

import json
from pathlib import Path
from statistics import median
from textwrap import wrap
from xml.sax.saxutils import escape

from boxes import arrow, box

INK = "#222222"
PARTS = {  # title of a box: color of its part, and its ground
    "The clip": ("#888", "#f4f4f4"),
    "Described": ("#0072B2", "#e8f2f9"),
    "Found": ("#007A5A", "#e6f4ef"),
    "Used as a prompt": ("#A8488A", "#f7ecf3"),
    "Judged": ("#D55E00", "#fcefe6"),
}
WIDTH, EDGE, LINE, GAP = 400, 10, 20, 26  # pixels
COLUMNS = (24, 210, 278, 348)  # of the last box
LETTERS = 50  # in a line of a box


def row(found: dict, name: str) -> list[str]:
    """What the probe and CLAP say of some sounds, as a row of the last box."""
    made = found["made"][name]
    shares = [f"{sum(right)} of {len(right)}" for right in made["probe"].values()]
    return [name, *shares, f"{median(made['place of the prompt']):g}"]


def lines(found: dict) -> dict[str, list[str | list[str]]]:
    """The lines of each box; a list is a row of the table."""
    (true, all_said), places = found["caption_true"], found["places"]
    return {
        "The clip": [found["title"], found["known"]],
        "Described": [
            *wrap(f"“{found['caption']}”", LETTERS),
            f"True, says our judge: {true} of {all_said} statements",
        ],
        "Found": [
            f"by the sentence in box 4: place {places['by the sentence']} of {found['clips']}",
            f"by the caption in box 2: place {places['by the captioner']} of {found['clips']}",
        ],
        "Used as a prompt": [*wrap(f"“{found['prompt']}”", LETTERS), "MusicGen and diffusion, five clips each"],
        "Judged": [["heard in", "strings", "fast", "place"], *(row(found, name) for name in found["made"])],
    }


def alt(found: dict) -> str:
    """Say what the picture shows."""
    (true, all_said), places = found["caption_true"], found["places"]
    rows = [row(found, name) for name in found["made"]]
    judged = "; ".join(f"for {name}, strings in {one}, fast in {two}, place {at}" for name, one, two, at in rows)
    return (
        f"Five boxes with arrows from top to bottom. One, the clip: {found['title']}. Two, described by the captioner "
        f"as: {found['caption'].rstrip('.')}; true are {true} of {all_said} statements. Three, found at place "
        f"{places['by the sentence']} of {found['clips']} by its own sentence, and at place "
        f"{places['by the captioner']} by the caption. Four, the sentence is the prompt of MusicGen and of a diffusion "
        f"model. Five, judged: {judged}."
    )


def text(x: float, y: float, words: str, weight: str = "normal") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-weight="{weight}" stroke="none">{escape(words)}</text>'


def draw(found: dict) -> str:
    """The picture as SVG."""
    parts, y = [], EDGE
    for number, (title, said) in enumerate(lines(found).items(), start=1):
        color, ground = PARTS[title]
        height = LINE * (len(said) + 1) + 14
        if number > 1:
            parts.append(arrow((WIDTH / 2, y - GAP), (WIDTH / 2, y - 1)))
        parts += [box(EDGE, y, WIDTH - 2 * EDGE, height, "", color, ground)]
        parts.append(text(EDGE + 12, y + LINE + 2, f"{number}  {title}", "bold"))
        for k, line in enumerate(said, start=2):
            cells = zip(COLUMNS, line, strict=True) if isinstance(line, list) else [(EDGE + 12, line)]
            parts += [text(x, y + LINE * k + 2, words) for x, words in cells]
        y += height + GAP
    height = y - GAP + EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="14">\n'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#333"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fff"/>\n'
        f'<g fill="{INK}" stroke-width="1.5">\n' + "\n".join(parts) + "\n</g>\n</svg>\n"
    )


def main() -> None:
    """Write the figure beside this file, and print its description."""
    here = Path(__file__).parent
    found = json.loads((here.parent / "data" / "followed.json").read_text(encoding="utf-8"))["followed"][0]
    (here / "conclusion_one_clip.svg").write_text(draw(found), encoding="utf-8", newline="\n")
    print(alt(found))


if __name__ == "__main__":
    main()
