"""Write page_light.png and page_dark.png, the picture of README.md: PYTHONPATH=tests python book/img/page_picture.py

It shows the first screen of the front page, as ``make book`` has built it.
"""

from pathlib import Path

from building import chromium, served
from find_browser import find_browser
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIZE = {"width": 1100, "height": 980}  # pixels of the browser's window
COLORS = 128  # of the picture, which is text and flat areas


def main() -> None:
    """Write both files."""
    with served(ROOT / "_build" / "html") as site, chromium(find_browser()) as browser:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(f"{site}/book/intro.html", wait_until="networkidle")
            path = Path(__file__).with_name(f"page_{scheme}.png")
            page.screenshot(path=path)
            Image.open(path).quantize(COLORS).save(path, optimize=True)


if __name__ == "__main__":
    main()
