"""What a reader's browser sees: no other host, players that play, formulas, search, pictures with words."""

import gzip
from urllib.parse import urlsplit

import pytest
from conftest import ROOT
from source import SHORTEST_ALT, contents

PAGES = sorted(contents(ROOT))
WIDTHS = {"wide": 1280, "narrow": 390}
LARGEST_PAGE = 1_000_000  # bytes transferred for a page with its images, without what all pages share
LARGEST_SHARE = 1_500_000  # bytes transferred for what all pages share
pytestmark = pytest.mark.slow


def transferred(response) -> int:
    """Return the bytes of a response as a web server such as that of GitHub Pages sends it: text compressed."""
    kind = response.headers.get("content-type", "")
    is_text = kind.startswith("text/") or any(word in kind for word in ("javascript", "json", "svg"))
    return len(gzip.compress(response.body()) if is_text else response.body())


class Visit:
    """A page in a browser, with every request it made and every error it reported."""

    def __init__(self, browser, site: str, name: str, width: int = 1280, scheme: str = "light"):
        self.requests, self.errors, self.bytes = [], [], {}
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self.weigh)
        self.page.goto(f"{site}/{name}", wait_until="networkidle")

    def weigh(self, response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")
        elif response.url.startswith("http"):
            self.bytes[urlsplit(response.url).path] = transferred(response)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.page.context.close()

    def foreign_requests(self, site: str) -> list[str]:
        return [url for url in self.requests if not url.startswith((site, "data:", "blob:"))]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_page(browser, site, name, width):
    with Visit(browser, site, f"{name}.html", width, "dark" if width == WIDTHS["narrow"] else "light") as visit:
        assert visit.foreign_requests(site) == []
        assert visit.errors == []
        overflow = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} pixels wider than a screen of {width}"
        alts = visit.page.eval_on_selector_all("article img", "images => images.map(image => image.alt)")
        assert [alt for alt in alts if len(alt) < SHORTEST_ALT] == []
        shown = "audio => [audio.autoplay, audio.preload, audio.getAttribute('aria-label')]"
        for autoplay, preload, label in visit.page.eval_on_selector_all("audio", f"all => all.map({shown})"):
            assert (autoplay, preload) == (False, "none")
            assert label
        assert not [url for url in visit.requests if url.endswith(".mp3")], "a sound was loaded before it was asked for"


def test_browser_that_asks_another_host_is_seen(browser, site):
    with Visit(browser, site, "book/intro.html") as visit:
        visit.page.evaluate("fetch('http://192.0.2.1/x').catch(() => 0)")
        assert visit.foreign_requests(site) == ["http://192.0.2.1/x"]


def test_every_player_plays(browser, site):
    players = 0
    for name in PAGES:
        with Visit(browser, site, f"{name}.html") as visit:
            durations = visit.page.evaluate(
                """() => Promise.all([...document.querySelectorAll('audio')].map(audio => new Promise(done => {
                    audio.muted = true;
                    audio.addEventListener('error', () => done(-1));
                    audio.addEventListener('timeupdate', () => {
                        if (audio.currentTime > 0) { audio.pause(); done(audio.duration); }
                    });
                    audio.play();
                })))"""
            )
            players += len(durations)
            assert all(duration > 0.5 for duration in durations), (name, durations)
    assert players >= 8


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
    assert colab.endswith("/blob/main/notebooks/description/tagging.ipynb")


def weigh(browser, site: str) -> tuple[int, dict[str, int]]:
    """Return the bytes that all pages share, and for each page those that it alone loads."""
    weights = {}
    for name in PAGES:
        with Visit(browser, site, f"{name}.html") as visit:
            weights[name] = visit.bytes
    shared = set.intersection(*map(set, weights.values()))
    share = sum(weights[PAGES[0]][path] for path in shared)
    return share, {name: sum(loaded[path] for path in set(loaded) - shared) for name, loaded in weights.items()}


def test_pages_are_light(browser, site):
    share, own = weigh(browser, site)
    assert share <= LARGEST_SHARE
    assert {name: size for name, size in own.items() if size > LARGEST_PAGE} == {}
