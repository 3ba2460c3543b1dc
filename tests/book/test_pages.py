"""What a reader's browser sees: no other host, players that play, formulas, search, pictures with words.

Each page is visited once on each screen (visit.py); the tests here ask about what was seen.
"""

import json
import re

import pytest
from source import SHORTEST_ALT
from visit import PAGES, SCREENS, Visit, see, weights

EXTRA = ["search", "search.html?q=embedding", "genindex"]  # pages that Sphinx makes
NOTEBOOKS = [name for name in PAGES if name.startswith("notebooks/")]
LARGEST_PAGE = 1_000_000  # bytes transferred for a page with its images, without what all pages share
LARGEST_SHARE = 1_500_000  # bytes transferred for what all pages share
FIRST_SCREENS = 1.5 * SCREENS["narrow"][1]  # pixels from the top within which there is something to hear or see
pytestmark = pytest.mark.slow


def problems(seen, find) -> dict:
    """Return what ``find`` finds on the pages where it finds something."""
    return {key: found for key, what in seen.items() if (found := find(what))}


@pytest.fixture(scope="class")
def seen(request, browser, site) -> dict:
    """What was seen on every page, by its name, on the screen of the class."""
    return {name: see(browser, site, name, request.cls.screen) for name in [*PAGES, *EXTRA]}


class EveryPage:
    """What holds on every page on a screen; each class is a process of its own."""

    screen: str

    def test_no_page_asks_another_host(self, seen):
        assert problems(seen, lambda what: what.foreign) == {}

    def test_no_page_reports_an_error_or_a_warning(self, seen):
        assert problems(seen, lambda what: what.errors) == {}

    def test_no_page_is_wider_than_the_screen(self, seen):
        assert problems(seen, lambda what: max(what.page["overflow"], 0)) == {}

    def test_every_picture_has_words(self, seen):
        assert problems(seen, lambda what: [alt for alt in what.page["alts"] if len(alt) < SHORTEST_ALT]) == {}

    def test_players_wait_and_have_a_name(self, seen):
        def restless(what):
            return [player for player in what.page["players"] if player[:2] != [False, "none"] or not player[2]]

        assert problems(seen, restless) == {}
        assert problems(seen, lambda what: what.sounds_loaded) == {}, "a sound was loaded before it was asked for"

    def test_nobody_is_shut_out(self, seen):
        """axe-core finds nothing serious or critical, in light and in dark."""
        assert problems(seen, lambda what: what.findings) == {}

    def test_what_scrolls_can_be_reached_and_says_so(self, seen):
        assert problems(seen, lambda what: what.page["unreachable"]) == {}

    def test_every_button_is_known_to_a_test(self, seen):
        assert problems(seen, lambda what: what.page["unknown"]) == {}

    def test_menu_and_contents_open_on_every_page(self, seen):
        assert problems(seen, lambda what: what.dead) == {}

    def test_the_empty_bar_of_the_theme_is_gone(self, seen):
        assert problems(seen, lambda what: what.page["headers"]) == {}

    def test_pages_have_an_icon(self, seen, browser, site):
        icons = {icon for what in seen.values() for icon in what.page["icons"]}
        assert problems(seen, lambda what: len(what.page["icons"]) != 1) == {}
        assert len(icons) == 1
        with Visit(browser, site, "book/intro.html") as visit:
            assert visit.page.request.get(icons.pop()).ok


class TestWide(EveryPage):
    screen = "wide"

    def test_every_player_plays(self, seen):
        assert problems(seen, lambda what: [seconds for seconds in what.durations if seconds <= 0.5]) == {}
        assert sum(len(what.durations) for what in seen.values()) >= 8

    def test_a_page_does_not_show_how_to_install_and_import(self, seen):
        shown = {name: seen[name].page["code"] for name in NOTEBOOKS}
        assert [name for name, cells in shown.items() if any("google.colab" in cell for cell in cells)] == []
        assert [name for name, cells in shown.items() if cells and re.match("import |from ", cells[0])] == []

    def test_lessons_say_whether_they_are_on_the_core_path(self, seen):
        marks = {name: seen[name].page["mark"] for name in PAGES}
        lessons = {name for name in PAGES if name.count("/") == 2 and not name.startswith("book/appendices/")}
        assert {name for name, mark in marks.items() if mark} == lessons
        steps = {text for mark in marks.values() for text in mark if text != "Deeper"}
        assert steps == {f"★ Core path, {place} of {len(steps)}" for place in range(1, len(steps) + 1)}

    def test_pages_are_light(self, seen):
        share, own = weights({name: seen[name].bytes for name in PAGES})
        assert share <= LARGEST_SHARE
        assert {name: size for name, size in own.items() if size > LARGEST_PAGE} == {}


class TestNarrow(EveryPage):
    screen = "narrow"

    def test_something_to_hear_or_see_comes_first(self, seen):
        late = {name: seen[name].page["first"] for name in NOTEBOOKS}
        assert {name: round(top) for name, top in late.items() if top > FIRST_SCREENS} == {}


def test_browser_that_asks_another_host_is_seen(browser, site):
    with Visit(browser, site, "book/intro.html") as visit:
        visit.page.goto("about:blank")  # where no policy forbids it
        visit.page.evaluate("fetch('http://192.0.2.1/x').catch(() => 0)")
        assert visit.foreign_requests(site) == ["http://192.0.2.1/x"]


def test_formulas_are_set(browser, site):
    with Visit(browser, site, "notebooks/introduction/why_language.html") as visit:
        visit.page.wait_for_selector("mjx-container")
        assert visit.page.locator("mjx-container").count() == visit.page.locator(".math").count()
        assert visit.page.locator("mjx-merror").count() == 0


def test_search_finds_a_word_of_a_notebook(browser, site):
    with Visit(browser, site, "search.html?q=taggram") as visit:
        visit.page.wait_for_selector("#search-results li a")
        links = visit.page.eval_on_selector_all("#search-results li a", "all => all.map(link => link.href)")
        assert any("notebooks/description/tagging" in link for link in links)


@pytest.mark.parametrize(("page", "text"), [("book/intro", "a choir sings"), ("zh/book/intro", "合唱")])
def test_front_page_finds_music_by_words(browser, site, page, text):
    with Visit(browser, site, f"{page}.html") as visit:
        search = visit.page.locator(".live-search")
        if not search.count():
            pytest.skip("the book was built without npm")
        search.locator("input").fill(text)
        search.locator("li audio").first.wait_for(timeout=60_000)
        assert "choir" in search.locator("li strong").first.inner_text() and visit.errors == []


@pytest.mark.parametrize("word", ["matplotlib", "pip"])
def test_search_does_not_list_every_notebook_for_its_imports(built_book, word):
    text = (built_book / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    pages = index["terms"].get(word, [])
    listed = [index["docnames"][page] for page in ([pages] if isinstance(pages, int) else pages)]
    assert len([name for name in listed if name.startswith("notebooks/")]) < len(NOTEBOOKS) / 2


def test_launch_and_source_buttons(browser, site):
    with Visit(browser, site, "notebooks/description/tagging.html") as visit:
        links = visit.page.eval_on_selector_all("a", "all => all.map(link => link.href)")
    for part in (
        "colab.research.google.com/github/",
        "/edit/main/notebooks/description/tagging.ipynb",
        "/issues/new",
        "_sources/notebooks/description/tagging.ipynb",
    ):
        assert any(part in link for link in links), part
    colab = next(link for link in links if "colab.research" in link)
    assert colab.endswith("/blob/notebooks/notebooks/description/tagging.ipynb")  # the branch of the readers
