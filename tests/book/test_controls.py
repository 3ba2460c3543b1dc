"""Everything that a reader can click does what it says, on a wide screen and on a phone.

The names of the tests are those of CONTROLS in visit.py, which test_pages.py compares with what each page shows.
"""

import pytest
from visit import CONTROLS, SCREENS, Visit, wait_until

NOTEBOOK = "notebooks/description/tagging"
PAGE = "book/language_models/framework"
REGISTRY = "book/appendices/registry"
QUIZ = "book/description/models"
LISTENING = "book/live/listening"
LIVE = "book/live/search"
DESCRIPTION = "book/live/describe"
GENERATOR = "book/live/generate"
both_screens = pytest.mark.parametrize("screen", SCREENS)
pytestmark = pytest.mark.slow


def test_every_control_has_a_test():
    tests = {name.removeprefix("test_").replace("_", " ") for name in globals() if name.startswith("test_")}
    assert set(CONTROLS) <= tests


@pytest.fixture
def visit(browser, site):
    """Open a page, and close it after the test. Whatever was clicked, the page reported no error."""
    open_visits = []

    def opened(name: str, screen: str, scheme: str = "light"):
        open_visits.append(Visit(browser, site, f"{name}.html", screen, scheme))
        return open_visits[-1].page

    yield opened
    for one in open_visits:
        with one:
            assert one.errors == []


def shown(page, name: str):
    """Return the visible controls of one kind."""
    return page.locator(CONTROLS[name]).filter(visible=True)


def wait_until_search_is(page, state: str) -> None:
    """Wait until the field over the page is open or closed."""
    wait_until(page, f"document.querySelector('#pst-search-dialog').open === {str(state == 'open').lower()}")


@pytest.mark.parametrize("name", [NOTEBOOK, PAGE, "book/intro", "search"])
@both_screens
def test_menu(visit, name, screen):
    page = visit(name, screen)
    button, sidebar = shown(page, "menu"), page.locator(".bd-docs-nav")
    assert button.count() == 1
    assert sidebar.is_visible() == (screen == "wide")
    button.click()
    if screen == "wide":
        sidebar.wait_for(state="hidden")
        button.click()
        sidebar.wait_for(state="visible")
        return
    sidebar.wait_for(state="visible")
    page.keyboard.press("Escape")
    sidebar.wait_for(state="hidden")
    button.click()
    page.mouse.click(SCREENS[screen][0] - 5, 400)  # beside it
    sidebar.wait_for(state="hidden")
    button.click()
    other = next(link for link in sidebar.locator("a").all() if link.get_attribute("href") != "#")
    address = other.evaluate("link => link.href")
    other.click()
    page.wait_for_url(address)


@both_screens
def test_contents(visit, screen):
    page = visit(NOTEBOOK, screen)
    button, contents = shown(page, "contents"), page.locator("#pst-page-toc-nav")
    assert button.count() == (screen == "narrow")
    if screen == "narrow":
        assert not contents.is_visible()
        button.click()
        page.mouse.click(5, 400)  # beside it
        contents.wait_for(state="hidden")
        button.click()
    contents.wait_for(state="visible")
    link = contents.locator("a").filter(visible=True).last
    heading = page.locator(f"{link.get_attribute('href')} :is(h2, h3)").first
    link.click()
    contents.wait_for(state="visible" if screen == "wide" else "hidden")
    wait_until(page, "heading => heading.getBoundingClientRect().top < innerHeight", arg=heading.element_handle())


@both_screens
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme(visit, screen, scheme):
    page = visit(PAGE, screen, scheme)

    def state():
        return page.evaluate("[document.documentElement.dataset.mode, document.documentElement.dataset.theme]")

    other = {"light": "dark", "dark": "light"}[scheme]
    grounds, states = [], [state()]
    for _ in range(3):
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        shown(page, "theme").click()
        states.append(state())
    assert states == [["auto", scheme], [other, other], [scheme, scheme], ["auto", scheme]]
    assert grounds[0] == grounds[2] != grounds[1]
    shown(page, "theme").click()
    page.reload()
    assert state() == [other, other]


def test_page_is_dark_from_the_start(visit):
    page = visit(PAGE, "wide", "dark")
    page.route(
        "**/pydata-sphinx-theme.js*", lambda route: route.fulfill(body="")
    )  # what the theme's script would do later
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@both_screens
@pytest.mark.parametrize("way", ["button", "keyboard"])
def test_search(visit, screen, way):
    page = visit(PAGE, screen)

    def ask():
        shown(page, "search").click() if way == "button" else page.keyboard.press("Control+k")

    ask()
    wait_until_search_is(page, "open")
    page.keyboard.press("Escape")
    wait_until_search_is(page, "closed")
    ask()
    wait_until_search_is(page, "open")
    page.mouse.click(5, SCREENS[screen][1] - 5)  # beside it
    wait_until_search_is(page, "closed")
    ask()
    wait_until_search_is(page, "open")
    page.keyboard.type("taggram")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#search-results li a[href*='{NOTEBOOK}']")


@both_screens
def test_search_button_is_called_what_it_shows(visit, screen):
    page = visit(PAGE, screen)
    words = shown(page, "search").inner_text().split()
    name = (
        page.get_by_role("button", name="Search")
        .filter(visible=True)
        .evaluate("button => button.ariaLabel || button.innerText")
    )
    assert [word for word in words if word not in name.split()] == []


@both_screens
def test_search_field(visit, screen):
    page = visit("search", screen)
    shown(page, "search field").last.fill("taggram")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#search-results li a[href*='{NOTEBOOK}']")


@both_screens
def test_full_screen(visit, screen):
    page = visit(PAGE, screen)
    for expected in (True, False):
        shown(page, "full screen").click()
        wait_until(page, f"!!document.fullscreenElement === {str(expected).lower()}")


def open_and_close(page, name: str) -> list[str]:
    """Open a drop-down menu, close it again, and return the addresses that it offers."""
    button = shown(page, name)
    links = button.locator("xpath=..").locator("a")
    assert not links.first.is_visible()
    button.click()
    links.first.wait_for(state="visible")
    addresses = links.evaluate_all("links => links.map(link => link.href)")
    box = links.first.locator("xpath=ancestor::ul").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    button.click()
    links.first.wait_for(state="hidden")
    return addresses


@both_screens
def test_launch(visit, screen):
    assert "colab" in open_and_close(visit(NOTEBOOK, screen), "launch")[0]


@both_screens
def test_source(visit, screen):
    assert len(open_and_close(visit(PAGE, screen), "source")) == 3


@both_screens
def test_download(visit, screen):
    page = visit(NOTEBOOK, screen)
    (source,) = open_and_close(page, "download")
    notebook = page.request.get(source).json()
    assert any("google.colab" in "".join(cell["source"]) for cell in notebook["cells"]), "the notebook hides a cell"


@both_screens
def test_print(visit, screen):
    page = visit(PAGE, screen)
    page.evaluate("window.print = () => { window.printed = true; }")
    shown(page, "download").click()
    shown(page, "print").click()
    assert page.evaluate("window.printed")


def test_back_to_top(visit):
    page = visit(PAGE, "narrow")  # the theme has it on small screens only
    assert shown(page, "back to top").count() == 0
    page.mouse.move(200, 400)
    page.mouse.wheel(0, 3000)
    wait_until(page, "scrollY > 1000")
    page.mouse.wheel(0, -200)
    shown(page, "back to top").wait_for(state="visible")
    shown(page, "back to top").click()
    wait_until(page, "scrollY === 0")


@both_screens
def test_copy(visit, screen):
    page = visit(NOTEBOOK, screen)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = page.locator("div.cell_input").filter(visible=True).first
    cell.hover()
    cell.locator(CONTROLS["copy"]).click()
    wait_until(page, "navigator.clipboard.readText()")
    copied = page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


@both_screens
def test_solution(visit, screen):
    page = visit(NOTEBOOK, screen)
    for solution in page.locator(".solution").all():
        button, answer = solution.locator(CONTROLS["solution"]), solution.locator("section").first
        for part in (button, solution.locator("> .admonition-title")):  # both open it
            assert not answer.is_visible()
            part.click(**({} if part is button else {"position": {"x": 60, "y": 5}}))
            answer.wait_for(state="visible")
            button.click()
            answer.wait_for(state="hidden")


@both_screens
def test_link_in_the_title_of_a_solution_leads_to_the_exercise(visit, screen):
    page = visit(NOTEBOOK, screen)
    link = page.locator(".solution > .admonition-title a").last
    link.click()
    assert page.evaluate("location.hash") == link.get_attribute("href")
    assert not page.locator(".solution section").last.is_visible()


@both_screens
def test_folded_code(visit, screen):
    page = visit(NOTEBOOK, screen)
    folds = shown(page, "folded code")
    assert folds.count() >= 2
    for prompt in folds.all():
        code = prompt.locator("xpath=..").locator("pre").first
        assert (prompt.inner_text().strip(), code.is_visible()) == ("Show the code", False)
        prompt.click()
        assert (prompt.inner_text().strip(), code.is_visible()) == ("Hide the code", True)


@both_screens
def test_head_of_a_registry(visit, screen):
    page = visit(REGISTRY, screen)
    table = page.locator("table.registry").first
    years = "table => [...table.tBodies[0].rows].map(row => parseInt(row.cells[1].textContent)).filter(year => year)"
    button = table.locator("button.registry-sort").nth(1)
    button.click()
    upward = table.evaluate(years)
    assert upward == sorted(upward) and len(set(upward)) > 3
    assert button.locator("xpath=..").get_attribute("aria-sort") == "ascending"
    button.focus()
    page.keyboard.press("Enter")
    assert table.evaluate(years) == sorted(upward, reverse=True)
    assert button.locator("xpath=..").get_attribute("aria-sort") == "descending"


@both_screens
def test_filter_of_a_registry(visit, screen):
    page = visit(REGISTRY, screen)
    bar, table = page.locator(".registry-filter").first, page.locator("table.registry").first
    rows = table.locator("tbody tr")
    every = rows.count()
    bar.locator("input").fill("transformers: Musicgen")
    found = rows.filter(visible=True)
    assert 0 < found.count() < every and all("Musicgen" in row for row in found.all_inner_texts())
    assert bar.locator("output").inner_text() == f"{found.count()} of {every}"
    bar.locator("input").fill("")
    assert rows.filter(visible=True).count() == every


@both_screens
def test_answer_of_a_quiz(visit, screen):
    page = visit(QUIZ, screen)
    options, score = page.locator(".quiz-option"), page.locator(".quiz-score")
    assert not options.locator("p").filter(visible=True).count()
    for option in options.all():
        option.locator("summary").click()
        assert option.locator("p").filter(visible=True).count() >= 2
        option.locator("summary").click()
        assert not option.locator("p").filter(visible=True).count()
    assert score.inner_text().endswith("of 5.")


@both_screens
def test_listening_test(visit, screen):
    """Its first page asks for what is missing; test_listening.py takes the whole test."""
    page = visit(LISTENING, screen)
    begin, go_on, clear = shown(page, "listening test").first, page.locator(".listening-go"), ".listening-clear"
    assert begin.inner_text() == "Begin the test" and not page.locator(clear).is_visible()
    begin.click()
    assert page.locator(".listening-title").inner_text() == "Page 1 of 6"
    assert page.locator(".listening input[type=range]").count() == 7
    play = page.locator(".listening-play").first
    play.click()
    wait_until(page, "document.querySelector('.listening-play').textContent === 'Stop Reference'")
    wait_until(page, "[...document.querySelectorAll('audio')].some(one => one.currentTime > 0)")
    play.click()
    page.locator(".listening input").first.click()
    go_on.click()
    said = page.locator(".listening-said").inner_text()
    assert said == "Still to play: A, B, C, D, E, F, G. Still to mark: B, C, D, E, F, G."
    page.locator(clear).click()
    assert begin.inner_text() == "Begin the test"


@both_screens
def test_field_of_the_live_search(visit, screen):
    page = visit(LIVE, screen)
    field, results = page.locator(".live-search input"), page.locator(".live-results li")
    page.locator(".live-search label").click()
    assert field.evaluate("field => field === document.activeElement")
    page.keyboard.type("a choir")
    wait_until(
        page,
        "[...document.querySelectorAll('.live-results strong')].some(title => title.textContent.includes('choir'))",
        timeout=60_000,
    )
    assert results.count() > 1
    field.fill("")
    wait_until(page, "!document.querySelector('.live-results li')")


@both_screens
def test_example_of_the_live_search(visit, screen):
    page = visit(LIVE, screen)
    for example in shown(page, "example of the live search").all():
        example.click()
        assert page.locator(".live-search input").input_value() == example.inner_text()
    page.locator(".live-results li").first.wait_for(timeout=60_000)


@both_screens
def test_sound_to_describe(visit, screen):
    """The menu and its button; test_live_description.py gives files and records."""
    page = visit(DESCRIPTION, screen)
    assert shown(page, "sound to describe").count() == 6
    for label in page.locator(".live-description label").all():
        assert page.locator(f"#{label.get_attribute('for')}").is_enabled()
    page.locator(".live-description select").select_option(label="Glass hum")
    page.locator(".live-clip").click()
    page.locator(".live-results li").first.wait_for(timeout=60_000)
    assert page.locator(".live-own p").inner_text() == "Glass hum"


@both_screens
def test_field_of_the_generator(visit, screen):
    page = visit(GENERATOR, screen)
    prompt = page.locator(".live-generate input[name=prompt]")
    page.locator(".live-generate label").first.click()
    assert prompt.evaluate("field => field === document.activeElement") and prompt.input_value()


@both_screens
def test_settings_of_the_generator(visit, screen):
    page = visit(GENERATOR, screen)
    steps = page.locator(".live-generate input[name=steps]")
    assert not steps.is_visible()
    shown(page, "settings of the generator").click()
    assert steps.is_visible()
    steps.fill("0")
    page.locator(".live-start").click()
    assert "Write a whole number" in page.locator(".live-generate .live-status").inner_text()


@both_screens
def test_button_of_the_generator(visit, screen):
    page = visit(GENERATOR, screen)
    shown(page, "settings of the generator").click()
    page.locator(".live-generate input[name=steps]").fill("1")
    for count in (1, 2):
        shown(page, "button of the generator").last.click()
        page.locator(".live-generate .live-results li").nth(count - 1).wait_for(timeout=60_000)
    start = page.locator(".live-start")
    start.click()
    assert start.inner_text() == "Stop"
    start.click()
    assert start.inner_text() == "Generate"


@both_screens
def test_starting_one_player_stops_the_others(visit, screen):
    page = visit(NOTEBOOK, screen)
    playing = page.evaluate(
        """async () => {
            const players = [...document.querySelectorAll("audio")].slice(0, 2);
            for (const player of players) { player.muted = true; await player.play(); }
            return players.map(player => !player.paused);
        }"""
    )
    assert playing == [False, True]


def test_wide_figure_scrolls_by_keyboard_and_fades_until_its_end(visit):
    page = visit(PAGE, "narrow")
    figure = page.locator(".figure-scroller.scrolls").first
    caption = figure.locator("xpath=..").locator("figcaption")
    before = caption.bounding_box()["x"]
    mask = "element => getComputedStyle(element).maskImage"
    assert "gradient" in figure.evaluate(mask)
    figure.focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, "figure => figure.scrollLeft > 0", arg=figure.element_handle())
    assert caption.bounding_box()["x"] == before
    figure.evaluate("figure => figure.scrollTo({left: 9999, behavior: 'instant'})")
    wait_until(page, "figure => figure.classList.contains('at-end')", arg=figure.element_handle())
    assert figure.evaluate(mask) == "none"
