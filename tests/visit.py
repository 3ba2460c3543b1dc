"""Look at a page in a browser as a reader would, and write down what the tests ask about."""

import gzip
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from playwright.sync_api import Error
from run_notebooks import ROOT
from source import contents

PAGES = sorted(contents(ROOT))
SCREENS = {"wide": (1280, 900), "narrow": (390, 844)}
# What a reader can click, each with a test of its own in test_controls.py.
CONTROLS = {
    "menu": "button.primary-toggle",
    "contents": "button.secondary-toggle",
    "theme": "button.theme-switch-button",
    "search": "button.search-button__button",
    "search field": "input[name=q]",
    "full screen": "button.btn-fullscreen-button",
    "launch": ".dropdown-launch-buttons > button",
    "source": ".dropdown-source-buttons > button",
    "download": ".dropdown-download-buttons > button",
    "print": "button.btn-download-pdf-button",
    "back to top": "button#pst-back-to-top",
    "copy": "button.copybtn",
    "solution": "button.toggle-button",
    "folded code": "details.hide > summary",
    "head of a registry": "button.registry-sort",
    "filter of a registry": ".registry-filter input",
    "answer of a quiz": ".quiz-option > summary",
    "listening test": ".listening :is(button, input, label)",
    "field of the live search": ".live-search :is(input, label)",
    "example of the live search": "button.live-example",
    "sound to describe": ".live-description :is(button, input, select, label)",
    "field of the generator": ".live-generate :is(input, label)",
    "settings of the generator": ".live-settings > summary",
    "button of the generator": ".live-generate :is(.live-start, .live-again)",
}
FOLDS = ("folded code", "solution", "answer of a quiz", "settings of the generator")  # what a click opens
CLICKABLE = "button, summary, input, select, textarea, [role=button], [onclick], label, object, video"

# One token of each kind of code keeps its color, the others become plain text: to measure each of the thousands on a
# page would take a minute. What is in a formula is black on white like the text.
AXE = """async (rules) => {
    const kinds = new Set();
    for (const token of document.querySelectorAll(".highlight span[class]")) {
        const kind = token.className + "|" + !!token.closest(".cell_output");
        if (kinds.has(kind)) token.replaceWith(...token.childNodes);
        kinds.add(kind);
    }
    const options = {preload: false, resultTypes: ["violations"]};
    if (rules) options.runOnly = rules;
    const found = await axe.run({exclude: ["mjx-container > *"]}, options);
    const grave = found.violations.filter(({impact}) => impact === "serious" || impact === "critical");
    return grave.flatMap(({id, nodes}) => nodes.map(
        ({target, failureSummary}) => `${id}: ${target.join(" ")}: ${failureSummary.replace(/\\s+/g, " ")}`));
}"""
LOOK = """([controls, clickable]) => {
    const shown = element => element.checkVisibility({visibilityProperty: true, opacityProperty: true});
    const all = (selector, of = document) => [...of.querySelectorAll(selector)];
    const tag = element => element.cloneNode().outerHTML;
    const article = document.querySelector("main");
    const heard = all("audio, .figure-scroller, .cell_output img, .cell_output table", article).filter(shown);
    const code = all(".cell_input", article).filter(element => !element.closest("details"));
    return {
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        alts: all("article img").map(image => image.alt),
        players: all("audio").map(a => [a.autoplay, a.preload, a.getAttribute("aria-label") || ""]),
        headers: all("header").map(tag),
        unknown: all(clickable).filter(e => !e.disabled && shown(e) && !e.matches(controls)).map(tag),
        icons: all("link[rel=icon]").map(link => link.href),
        first: Math.min(1e9, ...heard.map(element => element.getBoundingClientRect().top + scrollY)),
        code: code.map(element => element.innerText.trim()),
        mark: all(".path-mark", article).map(element => element.innerText),
        unreachable: all("main *").filter(element =>
            ["auto", "scroll"].includes(getComputedStyle(element).overflowX) && shown(element)
            && element.scrollWidth > element.clientWidth + 1
            && !(element.tabIndex === 0 && element.classList.contains("scrolls") && element.ariaLabel)).map(tag),
    };
}"""


OPEN = """controls => {
    for (const control of document.querySelectorAll(controls)) control.click();
    const closed = document.querySelectorAll("details:not([open]), .toggle-hidden");
    return [...closed].map(part => part.cloneNode().outerHTML);
}"""


@cache
def axe_source() -> str:
    """Return the script of axe-core, which finds what a screen reader or a weak eye stumbles over."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def transferred(response) -> int:
    """Return the bytes of a response as a web server such as that of GitHub Pages sends it: text compressed."""
    kind = response.headers.get("content-type", "")
    is_text = kind.startswith("text/") or any(word in kind for word in ("javascript", "json", "svg"))
    return len(gzip.compress(response.body()) if is_text else response.body())


SETTLED = """() => Promise.all(
    document.getAnimations().filter(one => one.effect.getComputedTiming().endTime < 5000).map(one => one.finished)
)"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def wait_until(page, condition: str, arg=None, timeout: float = 10_000) -> None:
    """Wait until a condition in JavaScript holds, at most ``timeout`` milliseconds.

    Unlike ``wait_for_function`` of Playwright it needs no ``eval`` in the page, which the policy of the pages forbids.

    Raises
    ------
    TimeoutError
        If it never holds.
    """
    end = time.monotonic() + timeout / 1000
    while not page.evaluate(condition, arg):
        if time.monotonic() > end:
            raise TimeoutError(f"after {timeout / 1000} s it does not hold that {condition}")
        page.wait_for_timeout(50)


class Visit:
    """A page in a browser, with every request it made and every error or warning it reported."""

    def __init__(self, browser, site: str, name: str, screen: str = "wide", scheme: str = "light"):
        self.requests, self.errors, self.bytes = [], [], {}
        width, height = SCREENS[screen]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(10_000)  # milliseconds: enough on a busy machine, and short where a click is dead
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self.hear)
        self.page.on("response", self.weigh)
        self.page.goto(f"{site}/{name}", wait_until="networkidle")
        self.page.evaluate(PAINTED)  # before the first picture Chromium drops keys and clicks

    def hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def weigh(self, response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")
        elif response.url.startswith("http"):
            with suppress(Error):  # a page may leave off loading a file
                self.bytes[urlsplit(response.url).path] = transferred(response)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.page.context.close()

    def foreign_requests(self, site: str) -> list[str]:
        return [url for url in self.requests if not url.startswith((site, "data:", "blob:"))]

    def findings(self, *rules: str) -> list[str]:
        """Return what axe-core calls serious or critical, by all of its rules or those that are named."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(axe_source())
        return self.page.evaluate(AXE, list(rules) or None)


@dataclass
class Seen:
    """What was seen in one visit to a page."""

    foreign: list[str]
    errors: list[str]
    bytes: dict[str, int]
    sounds_loaded: list[str]
    page: dict  # what the script LOOK returns
    findings: list[str]
    dead: list[str]
    durations: list[float] = field(default_factory=list)


def see(browser, site: str, name: str, screen: str) -> Seen:
    """Visit a page once, and on the wide screen look at it in the dark, too, and play what it has."""
    with Visit(browser, site, name if "?" in name else f"{name}.html", screen) as visit:
        bytes_loaded, requests = dict(visit.bytes), list(visit.requests)
        question = [", ".join(CONTROLS.values()), CLICKABLE]
        at_first = visit.page.evaluate(LOOK, question)
        dead = visit.page.evaluate(OPEN, ", ".join(CONTROLS[name] for name in FOLDS))
        visit.page.wait_for_timeout(500)  # milliseconds: what opens fades in
        looked = visit.page.evaluate(LOOK, question) | {part: at_first[part] for part in ("first", "code")}
        findings = [f"light: {finding}" for finding in visit.findings()]
        if screen == "wide":  # colors do not depend on the screen
            visit.page.emulate_media(color_scheme="dark")
            visit.page.evaluate(PAINTED)
            visit.page.evaluate(SETTLED)  # they fade from one theme to the other
            findings += [f"dark: {finding}" for finding in visit.findings("color-contrast")]
        foreign, errors = visit.foreign_requests(site), list(visit.errors)
        durations = play(visit.page) if screen == "wide" else []
        sounds = [url for url in requests if url.endswith(".mp3")]
        dead += dead_controls(visit.page)
        errors += visit.errors[len(errors) :]
        return Seen(foreign, errors, bytes_loaded, sounds, looked, findings, dead, durations)


def dead_controls(page) -> list[str]:
    """Click what leads from a page to all others and to its parts, and return what does not open or close."""
    dead = []
    for name, part in {"menu": ".bd-docs-nav", "contents": "#pst-page-toc-nav"}.items():
        button, part = page.locator(CONTROLS[name]).filter(visible=True), page.locator(part)
        if button.count() == 0:
            dead += [name] if not part.is_visible() and part.count() else []
            continue
        before = part.is_visible()
        button.click()
        try:
            part.wait_for(state="hidden" if before else "visible", timeout=3000)
        except Error:
            dead.append(name)
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached", timeout=3000)
    return dead


def play(page) -> list[float]:
    """Play every player of a page, one after the other, and return their durations: -1 for one that does not play."""
    return page.evaluate(
        """async () => {
            const durations = [];
            for (const audio of document.querySelectorAll("audio")) {
                audio.muted = true;
                durations.push(await new Promise(done => {
                    setTimeout(() => done(-1), 10000);
                    audio.addEventListener("error", () => done(-1));
                    audio.addEventListener("timeupdate", () => {
                        if (audio.currentTime > 0) { audio.pause(); done(audio.duration); }
                    });
                    audio.play();
                }));
            }
            return durations;
        }"""
    )


def weights(loaded: dict[str, dict[str, int]]) -> tuple[int, dict[str, int]]:
    """Return the bytes that all pages share, and for each page those that it alone loads.

    ``loaded`` has for each page the bytes of each file.
    """
    shared = set.intersection(*map(set, loaded.values()))
    share = sum(next(iter(loaded.values()))[path] for path in shared)
    return share, {name: sum(part[path] for path in set(part) - shared) for name, part in loaded.items()}


def weigh(browser, site: str) -> tuple[int, dict[str, int]]:
    """Visit every page, and return its weight as ``weights`` does."""
    loaded = {}
    for name in PAGES:
        with Visit(browser, site, f"{name}.html") as visit:
            loaded[name] = visit.bytes
    return weights(loaded)
