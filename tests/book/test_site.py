"""What every page of the site has: a policy for scripts, players that follow the sound; and pages for lost readers."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from building import build, served
from run_notebooks import FIRST_DATE
from small_book import make_book, write_cells, write_contents, write_page
from visit import Visit, wait_until

pytestmark = pytest.mark.slow
SITE = "https://example.org/book"
PAGE = "book/part/page"
TEXT = "# A page\n\nEquation:\n\n$$a = b$$\n\n:::{admonition} Folded\n:class: dropdown\nMore.\n:::\n"
SOUND = """
import numpy as np
from musicwords.listen import Sound, listen

listen(Sound(np.sin(np.arange(16_000 * 10) / 5), 16_000, "A tone"), Sound(np.zeros(16_000), 16_000, "Silence"))
"""
FIGURE = f"""
%config InlineBackend.figure_formats = ["svg"]
import os
import matplotlib.pyplot as plt

os.environ |= {FIRST_DATE}
plt.style.use("musicwords.figures")
plt.plot([1, 2])[0].set_clip_path(plt.Circle((0, 1), 1, transform=plt.gca().transData))
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """The pages of a small book, as they are published."""
    root = make_book(tmp_path_factory.mktemp("site"))
    write_contents(root, PAGE, "notebooks/cells")
    write_page(root, TEXT, PAGE)
    write_cells(root, SOUND, FIGURE)
    done = build(root, root, root / "network.log", site=SITE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return root / "_build" / "html"


@pytest.fixture
def pages(book, tmp_path) -> Path:
    """The pages, to be changed; they lie where ``SITE`` has them."""
    return Path(shutil.copytree(book, tmp_path / "book"))


@pytest.fixture
def address(pages):
    """Where the pages are served."""
    with served(pages.parent) as site:
        yield f"{site}/book"


# The policy


def test_every_page_has_its_policy_before_everything_else(book):
    found = [path for path in book.rglob("*.html") if "_static" not in path.parts and path.name != "index.html"]
    assert len(found) >= 6
    for path in found:
        head = re.search(r"<head>\s*(<[^>]*>)", path.read_text(encoding="utf-8"))
        assert 'http-equiv="Content-Security-Policy"' in head[1], path
        assert head[1].count("Content-Security-Policy") == 1


@pytest.mark.parametrize("name", [PAGE, "notebooks/cells", "search", "404"])
def test_page_keeps_to_its_policy(browser, address, name):
    with Visit(browser, address, f"{name}.html") as visit:
        assert visit.errors == []


@pytest.mark.parametrize("name", ["script", "handler", "foreign", "eval", "object"])
def test_what_the_build_did_not_write_does_not_run(browser, pages, address, name):
    added = {
        "script": "<script>window.harm = 1</script>",
        "handler": '<img src="nowhere.png" onerror="window.harm = 1">',
        "foreign": '<img src="https://example.com/x.png">',
        "eval": "<script src='added.js'></script>",
        "object": '<object data="page.html" type="text/html"></object>',
    }[name]
    path = pages / f"{PAGE}.html"
    (path.parent / "added.js").write_text("eval('window.harm = 1')", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("Equation:", f"Equation: {added}"), encoding="utf-8")
    with Visit(browser, address, f"{PAGE}.html") as visit:
        assert visit.page.evaluate("window.harm") is None
        assert any("Content Security Policy" in error for error in visit.errors), visit.errors


def test_unpacked_page_keeps_to_its_policy(browser, pages):
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.goto((pages / f"{PAGE}.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert errors == []
    page.close()


def test_second_build_has_the_same_policies(tmp_path):
    root = make_book(tmp_path)
    for text in ("# Title\n\nText.\n", "# Title\n\nAnother text.\n"):
        write_page(root, text)
        assert build(root, root, root / "network.log").returncode == 0
        for path in (root / "_build" / "html" / "book").glob("*.html"):
            assert path.read_text(encoding="utf-8").count("Content-Security-Policy") == 1, path


def test_two_builds_give_the_same_files(book, tmp_path):
    """The notebook is executed again; its times of execution are in no file."""
    root = shutil.copytree(book.parents[1], tmp_path / "again", ignore=shutil.ignore_patterns("_build"))
    assert build(root, root, root / "network.log", site=SITE).returncode == 0
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (book, root / "_build" / "html")
    )
    assert one.keys() == other.keys()
    assert [path.as_posix() for path in one if one[path] != other[path]] == []


# Readers and machines that look for a page


def test_lost_reader_gets_a_page_with_ways_on(browser, pages, address):
    page = browser.new_page()
    lost = (pages / "404.html").read_text(encoding="utf-8")
    page.route("**/nowhere/at/all.html", lambda route: route.fulfill(body=lost, content_type="text/html", status=404))
    page.goto(f"{address}/nowhere/at/all.html")
    assert page.locator("article h1").inner_text() == "Page not found"
    assert page.evaluate("getComputedStyle(document.querySelector('.bd-sidebar-primary')).position") == "sticky"
    page.get_by_role("link", name="A page").first.click()
    page.wait_for_url(f"{address}/{PAGE}.html")
    page.close()


def test_sitemap_has_the_pages(book):
    tree = ElementTree.parse(book / "sitemap.xml")
    found = {element.text for element in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    assert found == {f"{SITE}/{name}.html" for name in ("book/intro", PAGE, "notebooks/cells")}


def test_list_for_language_models_has_the_pages_and_what_they_are_about(book):
    text = (book / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# Connecting Music Audio and Natural Language\n\n> Text.")
    assert re.findall(r"^- \[(.+)\]\((\S+)\): (\S*)", text, re.MULTILINE) == [
        ("A page", f"{SITE}/{PAGE}.html", "Equation:"),
        ("Cells", f"{SITE}/notebooks/cells.html", ""),
    ]


def test_old_address_leads_to_the_page_and_its_section(browser, address):
    page = browser.new_page()
    page.route("**/tiny_gpt.html", lambda route: route.fulfill(body="arrived", content_type="text/html"))
    page.goto(f"{address}/notebooks/language_models/language_models.html#attention")
    page.wait_for_url("**/notebooks/language_models/tiny_gpt.html#attention")
    page.close()


# Players


@pytest.fixture
def heard(browser, address):
    """The page with players, muted."""
    with Visit(browser, address, "notebooks/cells.html") as visit:
        visit.page.evaluate("document.querySelectorAll('audio').forEach(player => { player.muted = true; })")
        yield visit


def test_click_on_the_spectrogram_plays_from_there(heard):
    picture = heard.page.locator(".sound > img").first
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.75, "y": 10})
    wait_until(heard.page, "document.querySelector('audio').currentTime > 7.4")
    assert heard.page.evaluate("document.querySelector('audio').paused") is False
    assert heard.errors == []


def test_line_on_the_spectrogram_is_where_the_sound_is(heard):
    place = """() => {
        const [player, line] = ["audio", ".sound-place"].map(name => document.querySelector(name));
        const picture = document.querySelector(".sound > img").getBoundingClientRect();
        const shown = (line.getBoundingClientRect().left - picture.left) / picture.width;
        return [shown, player.currentTime / player.duration];
    }"""
    heard.page.evaluate("document.querySelector('audio').play()")
    wait_until(heard.page, "document.querySelector('audio').currentTime > 0.5")
    shown, expected = heard.page.evaluate(place)
    assert shown == pytest.approx(expected, abs=0.05) and expected > 0.04
    picture = heard.page.locator(".sound > img").first
    picture.click(position={"x": picture.bounding_box()["width"] / 2, "y": 10})
    wait_until(heard.page, "document.querySelector('audio').currentTime > 5")
    heard.page.evaluate("document.querySelector('audio').pause()")
    heard.page.wait_for_timeout(300)
    shown, expected = heard.page.evaluate(place)
    assert shown == pytest.approx(expected, abs=0.01) and 0.5 < expected < 1


def test_sound_that_does_not_arrive_is_said_and_asked_for_again(browser, pages, address):
    with Visit(browser, address, "notebooks/cells.html") as visit:
        page = visit.page
        page.route("**/*.mp3", lambda route: route.abort())
        page.evaluate("document.querySelector('audio').play().catch(() => {})")
        said = page.get_by_role("alert")
        said.wait_for()
        assert "did not arrive" in said.inner_text()
        page.unroute("**/*.mp3")
        page.evaluate("document.querySelector('audio').muted = true")
        said.get_by_role("button").click()
        wait_until(page, "document.querySelector('audio').currentTime > 0")
        assert said.count() == 0


def test_unplayed_sound_is_not_loaded(heard):
    assert [url for url in heard.requests if url.endswith(".mp3")] == []
