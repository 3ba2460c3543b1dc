"""The mark of the book: its files are as drawn, it is seen on both grounds, and pages, cards and README show it."""

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image
from run_notebooks import ROOT
from test_language_figures import load_script

IMAGES = ROOT / "book" / "img"
GROUNDS = {"LIGHT": "#ffffff", "DARK": "#14181e"}  # of the theme; the sidebar's is darker
LEAST_CONTRAST = 3  # of a picture to its ground, as WCAG 1.4.11 asks
TITLE = yaml.safe_load((ROOT / "book" / "_config.yml").read_text(encoding="utf-8"))["title"]


@pytest.fixture(scope="module")
def script():
    return load_script("logo")


def luminance(color: str) -> float:
    """Return the relative luminance of a color, as WCAG defines it."""
    parts = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_files_are_as_drawn(script, tmp_path):
    assert (IMAGES / "logo.svg").read_text(encoding="utf-8") == script.svg(script.LIGHT), "run book/img/logo.py"
    assert (IMAGES / "logo_dark.svg").read_text(encoding="utf-8") == script.svg(script.DARK), "run book/img/logo.py"
    script.draw_png(script.LIGHT, tmp_path / "logo.png")
    kept, drawn = (np.asarray(Image.open(folder / "logo.png"), float) for folder in (IMAGES, tmp_path))
    assert np.abs(kept - drawn).mean() < 1  # of 255: edges are smoothed differently by other versions


@pytest.mark.parametrize("ground", GROUNDS)
def test_mark_is_seen(script, ground):
    for color in getattr(script, ground):
        darker, lighter = sorted((luminance(color), luminance(GROUNDS[ground])))
        assert (lighter + 0.05) / (darker + 0.05) >= LEAST_CONTRAST, color


def test_png_has_the_arches_of_the_svg(script):
    picture = np.asarray(Image.open(IMAGES / "logo.png"))
    scale = script.PIXELS / script.SIZE

    def pixel(x: float, y: float) -> str:
        return "#" + "".join(f"{part:02X}" for part in picture[int(y * scale), int(x * scale)])

    top, foot, right = script.TOP - script.RADIUS, script.FOOT, script.LEFT + 4 * script.RADIUS
    audio, text = (f"{color}FF" for color in script.LIGHT)
    assert [pixel(script.LEFT, foot), pixel(script.LEFT + script.RADIUS, top)] == [audio, audio]
    assert [pixel(right, foot), pixel(right - script.RADIUS, top)] == [text, text]
    assert pixel(1, 1)[-2:] == "00", "the ground is not transparent"


def test_readme_shows_both():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert 'srcset="book/img/logo_dark.svg"' in readme and 'src="book/img/logo.svg"' in readme


@pytest.mark.slow
def test_every_page_has_it_beside_the_title(built_book):
    page = BeautifulSoup((built_book / "book" / "intro.html").read_text(encoding="utf-8"), "html.parser")
    brand = page.select_one(".navbar-brand")
    assert brand.get_text(strip=True) == TITLE
    shown = {image["class"][1]: (image["src"].rpartition("/")[2], image["alt"]) for image in brand.select("img")}
    assert shown == {"only-light": ("logo.svg", ""), "only-dark": ("logo_dark.svg", "")}, "the title says it already"
    assert page.select_one("link[rel=icon]")["href"].endswith("_static/logo.svg")
