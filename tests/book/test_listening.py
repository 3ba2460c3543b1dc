"""The listening test in the page: taken in a browser, and its file of marks read by the code of the notebook."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from io import StringIO
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from visit import Visit, wait_until

from musicwords.listen import Sound, mp3

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import listening

NOTEBOOK = ROOT / "notebooks" / "generation" / "listening_tests.ipynb"
PAGE = "# Title\n\nText.\n\n:::{listening}\n:::\n"
SYSTEMS = ["reference", "anchor70", "anchor35", "mini codec, 1 codebook"]
RATE, SECONDS = 16_000, 4
LETTERS = "ABCD"
PLAYING = """[...document.querySelectorAll("audio")].filter(one => !one.paused).map(
    one => [one.ariaLabel, one.currentTime])"""


def made() -> dict:
    """Return what the script says that it made: two pages with a reference, and two sentences with two pages each."""

    def stimuli(item: str, systems: list[str]) -> list[dict]:
        return [
            {"system": s, "label": f"{s} <b>of</b> {item}", "file": f"{item}-{k}.mp3"} for k, s in enumerate(systems)
        ]

    ratings = [
        [{"asks": "mushra", "item": item, "title": item.title(), "prompt": "", "reference": f"{item}-0.mp3",
          "stimuli": stimuli(item, SYSTEMS)}] for item in ("one", "two")
    ]  # fmt: skip
    votes = [
        [{"asks": asks, "item": f"{item}, {asks}", "prompt": prompt if asks == "fit" else "",
          "stimuli": stimuli(item, ["mini MusicGen", "mini diffusion"])} for asks in ("sound", "fit")]
        for item, prompt in {"three": 'A "slow", <b>soft</b> tune', "four": "A fast tune"}.items()
    ]  # fmt: skip
    return {"test": "small-1", "groups": [ratings, votes]}


TRIALS = {trial["item"]: trial for group in made()["groups"] for block in group for trial in block}


def write_sounds(root: Path) -> Path:
    """Let the small book have a test whose sounds, soft tones, were made before."""
    for file in listening.FILES:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    folder = root / "_build" / "listening" / listening.state(root)
    folder.mkdir(parents=True)
    files = sorted({one["file"] for trial in TRIALS.values() for one in trial["stimuli"]})
    for number, file in enumerate(files):
        tone = 0.1 * np.sin(2 * np.pi * (220 + 20 * number) * np.arange(SECONDS * RATE) / RATE)
        (folder / file).write_bytes(mp3(Sound(tone, RATE, file)))
    (folder / "made.json").write_text(json.dumps(made()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """A small book with a test."""
    root = make_book(tmp_path_factory.mktemp("listening"))
    write_contents(root, "book/other")
    write_page(root, PAGE)
    write_page(root, "# Other page\n\nText.\n", "book/other")
    write_sounds(root)
    return root


@pytest.fixture
def visit(browser, small_site):
    """Open the page with the test, and see after the test that it asked nobody else and reported no error."""
    visits = []

    def opened(site: str = small_site, screen: str = "wide", scheme: str = "light") -> Visit:
        visits.append(Visit(browser, site, "book/intro.html", screen, scheme))
        visits[-1].page.remove_listener("response", visits[-1].weigh)  # which can weigh no page that was reloaded
        return visits[-1]

    yield opened
    for one in visits:
        with one:
            assert one.foreign_requests("file://" if one.page.url.startswith("file:") else small_site) == []
            assert one.errors == []


def button(page, name: str):
    """Return the button with these words."""
    return page.locator(".listening").get_by_role("button", name=name, exact=True)


def press(page, found, keyboard: bool) -> None:
    """Press a control with the mouse, or with the key that its kind asks for."""
    if not keyboard:
        found.click()
        return
    found.focus()
    page.keyboard.press("Enter" if found.evaluate("one => one.tagName") == "BUTTON" else "Space")


def hear(page, name: str, keyboard: bool = False) -> None:
    """Start a sound, and wait until it is heard."""
    press(page, button(page, f"Play {name}"), keyboard)
    heard = f"name => {PLAYING}.some(([label, seconds]) => label === name && seconds > 0)"
    wait_until(page, heard, arg=name)


def mark(page, name: str, score: int, keyboard: bool = False) -> None:
    """Move a slider: with the mouse to a place, and with the keys from one end."""
    slider = page.get_by_role("slider", name=f"Mark of {name}", exact=True)
    if keyboard:
        slider.focus()
        page.keyboard.press("Home")
        for _ in range(score):
            page.keyboard.press("ArrowRight")
        return
    box = slider.bounding_box()
    slider.click(position={"x": 8 + (box["width"] - 16) * score / 100, "y": box["height"] / 2})


def choose(page, name: str, keyboard: bool = False) -> None:
    """Choose one of the answers."""
    press(page, page.get_by_role("radio", name=name, exact=True), keyboard)


def fill(page, keyboard: bool = False) -> None:
    """Do all that a page asks for: the marks are 1, 2, 3 and 4 by place, and the vote is for A."""
    rated = page.locator(".listening input[type=range]").count()
    for name in ["Reference", *LETTERS[:rated]] if rated else "AB":
        hear(page, name, keyboard)
    for place, name in enumerate(LETTERS[:rated], start=1):
        mark(page, name, place, keyboard)
    if not rated:
        choose(page, "A", keyboard)


def go_on(page, keyboard: bool = False) -> None:
    """Leave a page for the next one."""
    press(page, page.locator(".listening-go"), keyboard)


def said(page) -> str:
    """Return what a screen reader was told."""
    return page.locator(".listening [role=status]").inner_text()


def kept(page) -> dict | None:
    """Return what the browser keeps of the test."""
    return json.loads(page.evaluate("localStorage.getItem('musicwords-listening-small-1')") or "null")


def take(page, keyboard: bool = False) -> None:
    """Take the whole test."""
    press(page, button(page, "Begin the test"), keyboard)
    for number in range(1, len(TRIALS) + 1):
        assert page.locator(".listening-title").inner_text() == f"Page {number} of {len(TRIALS)}"
        assert page.evaluate("document.activeElement.className") == "listening-title"
        fill(page, keyboard)
        go_on(page, keyboard)


def answer(page) -> None:
    """Take the test without a click: by what the page would have kept, with the score 1 at the first place."""
    page.evaluate(
        """() => {
            const test = JSON.parse(document.querySelector(".listening").dataset.test);
            const taken = listeningResults.begin(test);
            taken.marks = taken.pages.map(({order}) => ({
                seconds: 1, plays: order.map(() => 1), scores: order.map((_, place) => Number(!place))}));
            listeningResults.keep(test, taken);
        }"""
    )
    page.reload()


def downloaded(page, keyboard: bool = False) -> str:
    """Return the file of marks."""
    with page.expect_download() as download:
        press(page, button(page, "Download the marks (CSV)"), keyboard)
    assert download.value.suggested_filename == "listening_test.csv"
    return Path(download.value.path()).read_bytes().decode("utf-8")


def notebook() -> dict:
    """Return what the cells of the notebook define that read a file of marks and look at who listened."""
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    names = {"np": np, "pd": pd}
    for start in ("COLUMNS = ", "def read_ratings("):
        (source,) = (cell for cell in cells if cell.startswith(start))
        exec(source, names)
    (source,) = (cell for cell in cells if cell.startswith("def screen("))
    exec(source.split("\n\n\n")[0], names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("keyboard", [False, True], ids=["mouse on the web", "keyboard in a folder"])
def test_whole_test_is_taken_and_read_by_the_notebook(visit, small_site, html, keyboard):
    seen = visit(html.as_uri() if keyboard else small_site, "narrow" if keyboard else "wide")
    page = seen.page
    take(page, keyboard)
    text, read = downloaded(page, keyboard), notebook()
    mushra, votes = (read["read_ratings"](StringIO(text), scale) for scale in ("mushra", "vote"))
    taken = kept(page)
    assert set(mushra["rater"]) | set(votes["rater"]) == {taken["rater"]}
    assert len(mushra) == 2 * len(SYSTEMS) and len(votes) == 2 * len(TRIALS) - 4
    for name, ratings in [*mushra.groupby("page"), *votes.groupby("page")]:
        item, order = taken["pages"][name - 1].values()
        trial = TRIALS[item]
        assert set(ratings["item"]) == {item} and set(ratings["prompt"]) == {trial["prompt"]}
        assert list(ratings["system"]) == [trial["stimuli"][number]["system"] for number in order]
        assert list(ratings["place"]) == list(range(1, len(order) + 1))
    assert np.abs(mushra["score"] - mushra["place"]).max() <= (0 if keyboard else 1)
    assert list(votes["score"]) == [1, 0] * 4
    assert (mushra["plays"] == 1).all() and (votes["plays"] == 1).all()
    assert mushra["seconds"].between(0.1, 600).all()
    assert list(read["screen"](mushra)["stays"]) == [False]  # the reference got a mark below 90


@pytest.mark.slow
def test_what_is_missing_is_said(visit):
    page = visit().page
    button(page, "Begin the test").click()
    go_on(page)
    assert said(page) == "Still to play: Reference, A, B, C, D. Still to mark: A, B, C, D."
    for name in ("Reference", "A", "B", "D"):
        hear(page, name)
    for name in "ABC":
        mark(page, name, 50)
    go_on(page)
    assert said(page) == "Still to play: C. Still to mark: D."
    assert kept(page)["marks"] == []
    hear(page, "C")
    mark(page, "D", 50)
    go_on(page)
    assert page.locator(".listening-title").inner_text() == "Page 2 of 6" and said(page) == ""
    fill(page)
    go_on(page)
    hear(page, "A")
    go_on(page)
    assert said(page) == "Still to play: B. Still to choose: one of the answers."
    hear(page, "B")
    choose(page, "No difference")
    go_on(page)
    assert kept(page)["marks"][2]["scores"] == [0.5, 0.5]


@pytest.mark.slow
def test_slider_says_its_mark_and_level(visit):
    page = visit().page
    button(page, "Begin the test").click()
    slider = page.get_by_role("slider", name="Mark of A")
    shown = page.locator(".listening-row").first.locator(".listening-mark")
    assert slider.get_attribute("aria-valuetext") == shown.inner_text() == "no mark yet"
    slider.focus()
    for key, words in {"Home": "0, bad", "End": "100, excellent", "PageDown": "90, excellent"}.items():
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") == shown.inner_text() == words
    for score, level in {19: "bad", 20: "poor", 59: "fair", 60: "good", 80: "excellent"}.items():
        slider.fill(str(score))
        assert shown.inner_text() == f"{score}, {level}"


@pytest.mark.slow
def test_sentence_is_shown_where_the_fit_is_asked_for_and_after_the_sounds_alone(visit):
    page = visit().page
    taken = []
    for _ in range(4):
        button(page, "Begin the test").click()
        taken.append([one["item"] for one in kept(page)["pages"]])
        button(page, "Clear my marks").click()
    for items in taken:
        assert set(items[:2]) == {"one", "two"}
        assert [items[at : at + 2] for at in (2, 4)] in (
            [["three, sound", "three, fit"], ["four, sound", "four, fit"]],
            [["four, sound", "four, fit"], ["three, sound", "three, fit"]],
        )
    button(page, "Begin the test").click()
    for _ in "12":
        fill(page)
        go_on(page)
    assert page.locator("legend").inner_text() == "Which of the two sounds better?"
    assert page.locator(".listening blockquote").count() == 0
    fill(page)
    go_on(page)
    item = kept(page)["pages"][3]["item"]
    assert page.locator("legend").inner_text() == "Which of the two fits this sentence better?"
    assert page.locator(".listening blockquote").inner_text() == TRIALS[item]["prompt"]


@pytest.mark.slow
def test_order_is_another_for_each_listener(visit):
    page = visit().page
    orders, first, raters = set(), set(), set()
    for _ in range(12):
        button(page, "Begin the test").click()
        taken = kept(page)
        for one in taken["pages"]:
            assert sorted(one["order"]) == list(range(len(TRIALS[one["item"]]["stimuli"])))
        orders.add(json.dumps(taken["pages"]))
        first.add(taken["pages"][0]["item"])
        raters.add(taken["rater"])
        button(page, "Clear my marks").click()
    assert len(orders) > 9 and first == {"one", "two"} and len(raters) == 12


@pytest.mark.slow
def test_marks_survive_a_reload_and_can_be_cleared(visit):
    page = visit().page
    button(page, "Begin the test").click()
    fill(page)
    go_on(page)
    before = kept(page)
    page.reload()
    assert kept(page) == before and len(before["marks"]) == 1
    button(page, "Go on with page 2 of 6").click()
    for _ in range(5):
        fill(page)
        go_on(page)
    assert page.locator(".listening-title").inner_text() == listening.WORDS["done"]
    text = downloaded(page)
    page.reload()
    assert downloaded(page) == text
    button(page, "Clear my marks").click()
    assert kept(page) is None and said(page) == "Your marks are cleared."
    assert page.evaluate("document.activeElement.textContent") == "Begin the test"
    assert not button(page, "Clear my marks").is_visible()
    page.reload()
    assert button(page, "Begin the test").is_visible()


def other(**changes) -> str:
    """Return JavaScript that gives what a listener would keep, with changes that no page makes."""
    return f"Object.assign(listeningResults.begin(test), {json.dumps(changes)})"


CORRUPT = {
    "no JSON": "'{'",
    "null": "'null'",
    "number": "'1'",
    "list": "'[]'",
    "empty": "'{}'",
    "another state": other(state="x"),
    "another rater": other(rater="<img src=x onerror=alert(1)>"),
    "no pages": other(pages=[]),
    "unknown page": other(pages=[{"item": "x", "order": [0]}] * 6),
    "page of a prototype": other(pages=[{"item": "constructor", "order": []}] * 6),
    "marks of no page": other(marks=[{"seconds": 1, "scores": [], "plays": []}] * 7),
    "too few scores": other(marks=[{"seconds": 1, "scores": [1], "plays": [1]}]),
    "score as text": other(marks=[{"seconds": 1, "scores": ["<b>", 1, 1, 1], "plays": [1] * 4}]),
    "score beyond the scale": other(marks=[{"seconds": 1, "scores": [101, 1, 1, 1], "plays": [1] * 4}]),
    "endless seconds": other(marks=[{"seconds": 90_000, "scores": [1] * 4, "plays": [1] * 4}]),
    "half a play": other(marks=[{"seconds": 1, "scores": [1] * 4, "plays": [1, 1, 1, 0.5]}]),
}


@pytest.mark.slow
def test_what_is_kept_and_was_not_written_by_the_page_is_ignored(visit):
    page = visit().page
    for name, value in CORRUPT.items():
        page.evaluate(
            f"""() => {{
                const test = JSON.parse(document.querySelector(".listening").dataset.test);
                const value = {value};
                const text = typeof value === "string" ? value : JSON.stringify(value);
                localStorage.setItem("musicwords-listening-small-1", text);
            }}"""
        )
        page.reload()
        assert button(page, "Begin the test").is_visible(), name
    button(page, "Begin the test").click()
    assert kept(page)["marks"] == []


@pytest.mark.slow
def test_browser_that_keeps_nothing_says_so(visit):
    page = visit().page
    full = "throw new DOMException('full', 'QuotaExceededError')"
    page.evaluate(f"() => {{ Storage.prototype.setItem = () => {{ {full}; }}; }}")
    button(page, "Begin the test").click()
    assert said(page) == listening.WORDS["forgetful"]
    fill(page)
    go_on(page)
    assert page.locator(".listening-title").inner_text() == "Page 2 of 6"


@pytest.mark.slow
def test_answers_stand_beside_the_marks_as_text(visit):
    page = visit().page
    answer(page)
    taken, tables = kept(page), page.locator("table.listening-answers")
    assert tables.count() == len(TRIALS)
    for number, (one, table) in enumerate(zip(taken["pages"], tables.all(), strict=True), start=1):
        trial = TRIALS[one["item"]]
        asked = trial.get("title") or listening.WORDS[trial["asks"]]
        assert table.locator("caption").inner_text() == f"Page {number} of 6: {asked}"
        assert table.locator("th").all_inner_texts() == ["Sound", "What it was", "Your mark"]
        first, *rest = ("1", *"000") if trial["asks"] == "mushra" else ("better", "not chosen")
        rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
        assert rows == [
            [f"Play {LETTERS[place]}", trial["stimuli"][number]["label"], words]
            for place, (number, words) in enumerate(zip(one["order"], [first, *rest], strict=True))
        ]
    assert page.locator(".listening b").count() == 0  # a label holds signs of HTML
    first_row = tables.first.locator("tbody tr").first
    first_row.locator("button").click()
    wait_until(page, f"{PLAYING}.length === 1")


@pytest.mark.slow
def test_one_sound_plays_at_a_time_and_the_next_goes_on_at_its_place(visit, html):
    """In a folder: Python's web server sends whole files only, and a browser then begins each at its beginning."""
    page = visit(html.as_uri()).page
    button(page, "Begin the test").click()
    hear(page, "Reference")
    press_b = "document.querySelectorAll('.listening-row button')[1].click()"  # before the reference ends
    wait_until(page, f"() => {PLAYING}[0][1] > 1 && ({press_b}, true)")
    b = "document.querySelector('.listening-stage audio[aria-label=B]').played"
    wait_until(page, f"{b}.length && {b}.end({b}.length - 1) > 0")
    assert page.evaluate(f"{b}.start({b}.length - 1)") > 0.9 and [name for name, _ in page.evaluate(PLAYING)] == ["B"]
    assert button(page, "Play Reference").is_visible() and button(page, "Stop B").is_visible()
    button(page, "Stop B").click()
    assert page.evaluate(PLAYING) == []
    hear(page, "B")
    ((_, seconds),) = page.evaluate(PLAYING)
    assert seconds < 0.9  # from the beginning
    wait_until(page, "!document.querySelector('.listening-playing')", timeout=1000 * (SECONDS + 4))  # at its end


@pytest.mark.slow
def test_sound_is_fetched_when_it_is_asked_for(visit):
    seen = visit()
    page = seen.page

    def sounds():
        return [url for url in seen.requests if url.endswith(".mp3")]

    button(page, "Begin the test").click()
    mark(page, "A", 30)
    page.wait_for_timeout(500)  # milliseconds
    assert sounds() == []
    hear(page, "A")
    assert len(set(sounds())) == 1


@pytest.mark.slow
def test_sound_that_cannot_be_loaded_says_so_and_can_be_tried_again(browser, small_site):
    with Visit(browser, small_site, "book/intro.html") as seen:
        page = seen.page
        button(page, "Begin the test").click()
        page.route("**/*.mp3", lambda route: route.abort())
        button(page, "Play A").click()
        wait_until(page, "document.querySelector('.listening-said').textContent")
        assert said(page) == listening.WORDS["failed"].replace("{name}", "A")
        assert button(page, "Play A").is_visible()
        go_on(page)
        assert said(page).startswith("Still to play: Reference, A,")
        page.unroute("**/*.mp3")
        hear(page, "A")
        go_on(page)
        assert said(page).startswith("Still to play: Reference, B,")


@pytest.mark.slow
@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_nobody_is_shut_out(visit, screen, scheme):
    """axe-core finds nothing serious or critical at any stage, and no stage is wider than the screen."""
    seen = visit(screen=screen, scheme=scheme)
    page = seen.page

    def check(stage: str) -> None:
        assert seen.findings() == [], stage
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wider) <= 0, stage
        small = """() => [...document.querySelectorAll(".listening :is(button, input[type=range], label)")].filter(
            one => one.checkVisibility() && one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"""
        assert page.evaluate(small) == [], stage

    check("start")
    button(page, "Begin the test").click()
    go_on(page)
    check("sliders")
    hear(page, "Reference")
    mark(page, "A", 40)
    check("sliders in use")
    page.evaluate("localStorage.clear()")
    answer(page)
    check("answers")
    page.evaluate(
        """() => {
            const key = "musicwords-listening-small-1", taken = JSON.parse(localStorage.getItem(key));
            localStorage.setItem(key, JSON.stringify({...taken, marks: taken.marks.slice(0, 3)}));
        }"""
    )
    page.reload()
    button(page, "Go on with page 4 of 6").click()
    check("choice")


@pytest.mark.slow
def test_strict_policy_forbids_nothing_of_it(browser, html, tmp_path):
    """With a policy of no inline script, style or handler, and no address but the site's own, the test can be taken."""
    soup = BeautifulSoup((html / "book" / "intro.html").read_text(encoding="utf-8"), "html.parser")
    shutil.copytree(html / "_static" / "media", tmp_path / "_static" / "media")
    scripts = ["players.js", *listening.SCRIPTS]
    for name in (*scripts, "book.css"):
        shutil.copy(html / "_static" / name, tmp_path / name)
    head = "".join(f'<script src="../{name}"></script>' for name in scripts)
    head = f'<!doctype html><html lang="en"><title>T</title><link rel="icon" href="data:,">{head}'
    (tmp_path / "book").mkdir()
    page_text = f"{head}<link rel=stylesheet href=../book.css>{soup.select_one('.listening')}</html>"
    (tmp_path / "book" / "intro.html").write_text(page_text, encoding="utf-8")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            policy = "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; img-src data:"
            self.send_header("Content-Security-Policy", f"{policy}; require-trusted-types-for 'script'")
            super().end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Visit(browser, f"http://127.0.0.1:{server.server_port}", "book/intro.html") as seen:
            take(seen.page)
            assert downloaded(seen.page).startswith("test,rater,page,")
            assert seen.errors == []
    finally:
        server.shutdown()


@pytest.mark.slow
def test_page_without_scripts_says_what_is_missing(browser, html):
    page = browser.new_page(java_script_enabled=False)
    page.goto((html / "book" / "intro.html").as_uri())
    assert "The test needs JavaScript." in page.locator(".listening").inner_text()
    page.close()


@pytest.mark.slow
def test_only_a_page_with_a_test_loads_its_scripts(html):
    pages = {name: (html / f"{name}.html").read_text(encoding="utf-8") for name in ("book/intro", "book/other")}
    for script in listening.SCRIPTS:
        assert [script in text for text in pages.values()] == [True, False]


@pytest.mark.slow
def test_every_word_is_in_the_catalogue_and_other_builders_say_where_the_test_is(book, html):
    found = catalogue(book)
    assert {listening.HOW, listening.ELSEWHERE, *listening.WORDS.values()} - found == set()
    for builder, file in (("text", "intro.txt"), ("notebooks", "intro.ipynb")):
        text = (built(book, builder) / "book" / file).read_text(encoding="utf-8")
        assert listening.ELSEWHERE in text and "Begin the test" not in text


def test_state_changes_with_what_the_sounds_are_made_of(tmp_path, monkeypatch):
    folder = write_sounds(tmp_path)
    assert listening.sounds(tmp_path) == folder
    recipe = tmp_path / listening.FILES[0]
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("seed: 0", "seed: 1"), encoding="utf-8")
    states = [folder.name, listening.state(tmp_path)]
    from musicwords.checkpoints import REGISTRY

    monkeypatch.setitem(REGISTRY["codec"]["mini"]["sha256"], "model.safetensors", "0" * 64)
    states.append(listening.state(tmp_path))
    assert len(set(states)) == 3


def test_sounds_are_made_once(tmp_path):
    write_sounds(tmp_path)
    script = tmp_path / listening.DATA / "listening.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\n"
        "Path(sys.argv[1]).mkdir()\n(Path(sys.argv[1]) / 'made.json').write_text(os.environ['MUSICWORDS_TIER'])\n"
        "with open('calls', 'a') as file: file.write('x')\n".replace("'calls'", repr(str(tmp_path / "calls")))
    )
    folders = {listening.sounds(tmp_path) for _ in range(3)}
    assert (tmp_path / "calls").read_text() == "x"
    assert [(folder / "made.json").read_text() for folder in folders] == ["mini"]


def test_script_that_fails_is_told_and_leaves_nothing(tmp_path):
    write_sounds(tmp_path)
    before = sorted((tmp_path / "_build" / "listening").iterdir())
    script = "import sys\nfrom pathlib import Path\nPath(sys.argv[1]).mkdir()\nsys.exit('no such clip')\n"
    (tmp_path / listening.DATA / "listening.py").write_text(script)
    with pytest.raises(RuntimeError, match="no such clip"):
        listening.sounds(tmp_path)
    assert sorted((tmp_path / "_build" / "listening").iterdir()) == before


@pytest.fixture(scope="module")
def sounds_of_the_book() -> Path:
    """The folder with the sounds of the book's own test, which are made where no build has made them."""
    return listening.sounds(ROOT)


def loudest_above(path: Path, hertz: int) -> float:
    """Return the level of what a sound has above a frequency, in dB below the whole."""
    import librosa

    audio, rate = librosa.load(path, sr=None)
    power = np.abs(np.fft.rfft(audio)) ** 2
    return 10 * np.log10(power[np.fft.rfftfreq(len(audio), 1 / rate) > hertz].sum() / power.sum() + 1e-12)


@pytest.mark.slow
def test_sounds_of_the_book_are_what_their_names_say(sounds_of_the_book):
    made = json.loads((sounds_of_the_book / "made.json").read_text(encoding="utf-8"))
    ratings, votes = ([trial for block in group for trial in block] for group in made["groups"])
    for trial in ratings:
        systems = {one["system"]: one for one in trial["stimuli"]}
        ladder = ["mini codec, 1 codebook", *(f"mini codec, {count} codebooks" for count in (2, 4, 8))]
        assert list(systems) == ["reference", "anchor70", "anchor35", *ladder]
        assert trial["reference"] == systems["reference"]["file"]
        above = {name: loudest_above(sounds_of_the_book / one["file"], 4200) for name, one in systems.items()}
        assert above["anchor35"] < above["reference"] - 15 and above["anchor35"] < above["anchor70"] - 10
        assert all(one["label"].startswith("codec, mini checkpoint: ") for one in trial["stimuli"][3:])
    for trial in votes:
        assert [one["system"] for one in trial["stimuli"]] == ["mini MusicGen", "mini diffusion"]
        assert all("mini checkpoint, seed 0, the first of one: “" in one["label"] for one in trial["stimuli"])
        assert bool(trial["prompt"]) == (trial["asks"] == "fit")
        assert all(trial["prompt"] in one["label"] for one in trial["stimuli"])


@pytest.mark.slow
def test_generated_sounds_are_equally_loud(sounds_of_the_book):
    import librosa

    made = json.loads((sounds_of_the_book / "made.json").read_text(encoding="utf-8"))
    for block in made["groups"][1]:
        levels = []
        for one in block[0]["stimuli"]:
            audio, rate = librosa.load(sounds_of_the_book / one["file"], sr=None)
            assert len(audio) / rate == pytest.approx(10, abs=0.2)
            levels.append(10 * np.log10(np.mean(audio**2)))
        assert abs(levels[0] - levels[1]) < 0.5


@pytest.mark.slow
def test_sounds_of_the_book_are_light(sounds_of_the_book):
    assert sum(file.stat().st_size for file in sounds_of_the_book.glob("*.mp3")) < 2_500_000


def test_scripts_set_data_as_text():
    for script in listening.SCRIPTS:
        text = (ROOT / "book" / "_static" / script).read_text(encoding="utf-8")
        assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\.style\b|fetch\(", text) == []


def test_script_names_its_folder():
    """The script asks for the folder that it writes, so that nobody fills the wrong one."""
    command = [sys.executable, str(ROOT / listening.DATA / "listening.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "folder" in done.stderr
