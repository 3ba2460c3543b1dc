"""Boxes with words and arrows, as SVG, for the figures that are drawn by hand."""

from xml.sax.saxutils import escape


def box(x, y, width, height, words, color="#888", fill="#f4f4f4", dashed=False) -> str:
    """A box with lines of words in its middle."""
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    drawn = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" stroke="{color}"{dash}/>'
    lines = words.split("\n") if words else []
    first = y + height / 2 + 5 - 9 * (len(lines) - 1)
    for number, line in enumerate(lines):
        at = f'x="{x + width / 2}" y="{first + 18 * number}"'
        drawn += f'<text {at} text-anchor="middle" stroke="none">{escape(line)}</text>'
    return drawn


def arrow(*points) -> str:
    """An arrow through points."""
    way = "L".join(f"{x} {y}" for x, y in points)
    return f'<path d="M{way}" fill="none" stroke="#333" stroke-width="2" marker-end="url(#tip)"/>'
