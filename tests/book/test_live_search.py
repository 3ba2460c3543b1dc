"""The search by words in a browser: it ranks as Python does, loads when asked for, and says in words what fails."""

import copy
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from building import build
from live_book import make_live_book, make_parts
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from transformers import ClapModel, ClapProcessor
from visit import Visit, wait_until

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "live"))
import eight_bits
import files
import live_search
import packages
import parts
import text_tower

QUERIES = json.loads((ROOT / "tests" / "data" / "live_queries.json").read_text(encoding="utf-8"))
QUERIES = [*QUERIES["en"], *QUERIES["zh"]]
ODD = [
    "",
    "  ",
    "[MASK] [SEP] a",
    "İstanbul ǅ ß 𠮷 \0\ufffd x\u00adb",
    "<img src=x onerror=alert(1)>",
    "½ ﬁ ①",
    "a\nb\tc",
]
SAME = 1e-4  # between two computations of the same cosine, in another order
MARKUP = '<img src=x onerror="window.harm=1"><script>window.harm=1</script> ${1+1} {{7*7}} \' OR 1=1 --'
NAME = "book/part/search"
EXAMPLES = ["slow piano, sad and quiet", "安静的钢琴曲"]
PAGE = f"# Search\n\n:::{{live-search}}\n:examples: {' | '.join(EXAMPLES)}\nIt *cannot*, by {{difference}}.\n:::\n"
PAGES = ("book/retrieval/intro", NAME)  # the first is without a field


# What is loaded


def test_packages_are_exact_and_have_checksums():
    asked = json.loads((parts.HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    lock = json.loads(packages.LOCK.read_text(encoding="utf-8"))["packages"]
    assert lock[""]["dependencies"] == asked
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", exact) for exact in asked.values())
    for name, package in lock.items():
        assert not name or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, f"{name}: npm asks the registry that it is set to"


def test_without_npm_the_build_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["parts.py", "--root", str(tmp_path)])
    old = tmp_path / parts.MADE / "parts.json"
    old.parent.mkdir(parents=True)
    old.write_text('{"key": "old"}', encoding="utf-8")
    monkeypatch.delenv("CI", raising=False)
    assert parts.main() == 0
    said = capsys.readouterr().err
    assert "npm is missing. Install Node.js" in said and said.count("\n") == 1
    assert not old.exists(), "what was made from something else stays in use"
    monkeypatch.setenv("CI", "true")
    assert parts.main() == 1


def test_npm_that_fails_is_quoted(tmp_path, monkeypatch):
    false = tmp_path / "npm"
    false.write_text("#!/bin/sh\necho no route to the registry >&2\nexit 1\n", encoding="utf-8")
    false.chmod(0o755)
    monkeypatch.setattr(packages.shutil, "which", lambda name: str(false))
    with pytest.raises(packages.NoPackages, match=r"npm ci failed: no route to the registry"):
        packages.write_packages(tmp_path / "packages")
    assert not (tmp_path / "packages").exists()


def test_key_tells_a_change(tmp_path):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_text("one")
    before = files.key_of(tmp_path / "folder")
    assert files.key_of(tmp_path / "folder") == before
    file.write_text("two")
    assert files.key_of(tmp_path / "folder") != before


def test_tower_that_was_not_rounded_is_refused():
    tower = text_tower.TextTower(ClapModel.from_pretrained(text_tower.CLAP))
    with pytest.raises(ValueError, match="is not rounded: call round_weights"):
        text_tower.export_tower(tower)


def test_rounding_takes_steps_of_the_largest_weight():
    layer = torch.nn.Linear(64, 64)
    before = layer.weight.detach().clone()
    eight_bits.round_weights(layer)
    step = before.abs().amax(dim=1, keepdim=True) / eight_bits.STEPS
    assert ((layer.weight - before).abs() <= step / 2 + 1e-7).all()
    assert torch.allclose(layer.weight / step, (layer.weight / step).round(), atol=1e-3)


# The same answers as in Python


@pytest.fixture(scope="module")
def made() -> dict:
    """What parts.json holds, after the parts were made."""
    return make_parts()


@pytest.fixture(scope="module")
def book(made, tmp_path_factory) -> Path:
    """A small book with a search field."""
    root = make_live_book(tmp_path_factory.mktemp("live"))
    write_contents(root, *PAGES)
    write_page(root, "# Another page\n\nText.\n", PAGES[0])
    write_page(root, PAGE, NAME)
    return root


@pytest.fixture(scope="module")
def processor() -> ClapProcessor:
    return ClapProcessor.from_pretrained(text_tower.CLAP)


def pieces(processor, text: str) -> list[int]:
    """Return the ids of the word pieces of a text, by Python's tokenizer."""
    return processor(text=[text], truncation=True, return_tensors="pt").input_ids[0].tolist()


@pytest.fixture(scope="module")
def cosines(made, processor) -> dict[str, np.ndarray]:
    """The cosines of each query and each clip, (queries, clips): of the model, and with rounded weights."""
    from musicwords.clips import load_audio, load_clips

    model = ClapModel.from_pretrained(text_tower.CLAP).eval()
    rate = processor.feature_extractor.sampling_rate
    found = {}
    with torch.no_grad():
        sounds = [
            processor(audio=[load_audio(clip["audio"]["path"], rate)], sampling_rate=rate, return_tensors="pt")
            for clip in load_clips()
        ]
        audio = torch.cat([model.get_audio_features(**sound).pooler_output for sound in sounds])
        inputs = [processor(text=[query], truncation=True, return_tensors="pt") for query in QUERIES]
        exact = torch.cat([model.get_text_features(**one).pooler_output for one in inputs])
        found["exact"] = (exact @ audio.T).numpy()
        rounded = copy.deepcopy(text_tower.TextTower(model).eval())
        eight_bits.round_weights(rounded)
        found["rounded"] = (torch.cat([rounded(one.input_ids) for one in inputs]) @ audio.T).numpy()
    return found


ASK = """async (texts) => {
    const { load } = await moduleOf("live_model.js");
    const model = await load(foldersOf(document.querySelector(".live-search")), () => {});
    const names = model.clips.map((clip) => clip.name);
    const answers = [];
    for (const text of texts) {
        const start = performance.now();
        const ranking = await model.rank(text);
        const time = performance.now() - start;
        const cosines = names.map((name) => ranking.find(({ clip }) => clip.name === name).similarity);
        answers.push({ pieces: model.pieces(text), cosines, time, order: ranking.map(({ clip }) => clip.name) });
    }
    return { names, answers };
}"""


@pytest.fixture(scope="module")
def answers(browser, small_site) -> dict:
    """What the model in the browser says to each query."""
    with Visit(browser, small_site, f"{NAME}.html") as visit:
        found = visit.page.evaluate(ASK, [*QUERIES, *ODD])
        assert visit.errors == []
        return found


@pytest.mark.slow
def test_tokenizer_is_that_of_python(answers, processor):
    for text, answer in zip([*QUERIES, *ODD], answers["answers"], strict=True):
        assert answer["pieces"] == pieces(processor, text), text
    assert max(len(answer["pieces"]) for answer in answers["answers"]) == 64, "no query is too long"


@pytest.mark.slow
def test_ranking_is_that_of_python_with_rounded_weights(answers, cosines):
    found = np.array([answer["cosines"] for answer in answers["answers"][: len(QUERIES)]])
    assert np.abs(found - cosines["rounded"]).max() < SAME
    ordered = -np.sort(-cosines["rounded"], axis=1)
    for query, answer, expected, row in zip(QUERIES, answers["answers"], ordered, cosines["rounded"], strict=False):
        first = [row[answers["names"].index(name)] for name in answer["order"][:3]]
        assert np.abs(first - expected[:3]).max() < 2 * SAME, query


@pytest.mark.slow
def test_rounding_changes_little(answers, cosines, made):
    """Top 3 of the model itself: the same, but for clips whose cosines differ by less than the rounding changes."""
    found, exact = np.array([one["cosines"] for one in answers["answers"][: len(QUERIES)]]), cosines["exact"]
    changed = np.abs(found - exact).max()
    first, second = np.argsort(-exact, axis=1)[:, :3], np.argsort(-found, axis=1)[:, :3]
    same = first == second
    figures = {"top 1": same[:, 0].mean(), "top 3": same.all(axis=1).mean(), "largest change": changed}
    print(figures, "median ms", np.median([one["time"] for one in answers["answers"]]))
    assert changed <= made["search"]["difference"], figures
    places = np.arange(len(QUERIES))[:, None]
    assert np.abs(exact[places, first] - exact[places, second]).max() <= 2 * changed
    assert figures["top 1"] >= 0.95 and figures["top 3"] >= 0.9, figures


@pytest.mark.slow
def test_what_the_page_says_of_queries_holds(processor, made):
    """The claims of the page book/live/search, on the model in Python."""
    clips = text_tower.read_entries(ROOT / parts.MADE / "parts" / made["clips"]["key"])
    model = ClapModel.from_pretrained(text_tower.CLAP).eval()
    audio = torch.tensor([clip["embedding"] for clip in clips])

    def first(text: str) -> tuple[list[str], float]:
        with torch.no_grad():
            query = model.get_text_features(**processor(text=[text], return_tensors="pt")).pooler_output[0]
        order = (audio @ query).sort(descending=True)
        return [clips[place]["name"] for place in order.indices], order.values[0].item()

    assert first("guitar")[0][0] == first("music without guitar")[0][0] == "rock"
    drummed = {"drum-and-bass", "funk", "lofi", "rock", "swing-quartet", "synth-pop", "techno", "bossa-nova"}
    assert not drummed & set(first("no drums")[0][:5]) and drummed & set(first("drums")[0][:5])
    assert first("a choir")[0][0] == first("合唱")[0][0] == "chorale-choir"
    assert first("Klavier")[0][0] != "piano-nocturne"
    dance, value = first("fast folk dance with a fiddle")
    assert dance[0] == "jig-fiddle" and value < first("asdf")[1]
    assert first("slow piano, sad and quiet")[0][0] == first("安静的钢琴曲")[0][0] == "piano-nocturne"


# In the page


@pytest.fixture
def visit(browser, small_site):
    """Open the page with the field, and close it after the test."""
    with Visit(browser, small_site, f"{NAME}.html") as opened:
        yield opened


def field(page):
    return page.locator(".live-search input")


def wait_for_results(page) -> None:
    page.locator(".live-results li").nth(live_results_shown() - 1).wait_for(state="attached", timeout=60_000)


def live_results_shown() -> int:
    """Return how many clips the script shows."""
    return int(re.search(r"SHOWN = (\d+)", (ROOT / "book" / "_static" / "live_search.js").read_text())[1])


def said(page) -> str:
    return page.locator(".live-status").inner_text()


def of_the_search(urls) -> list[str]:
    return [url for url in urls if "/live/" in url or "live_model" in url or "/media/" in url]


@pytest.mark.slow
def test_nothing_is_loaded_before_the_first_key(visit, small_site):
    page = visit.page
    field(page).focus()
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)  # milliseconds: a request would have been made
    assert of_the_search(visit.requests) == []
    page.evaluate(
        """() => {
            window.heard = [];
            const status = document.querySelector(".live-status");
            new MutationObserver(() => window.heard.push(status.textContent)).observe(status, {childList: true});
        }"""
    )
    field(page).focus()
    page.keyboard.type("p")
    wait_for_results(page)
    loaded = of_the_search(visit.requests)
    assert len([url for url in loaded if url.endswith(".gzip")]) == 4
    heard = page.evaluate("heard")
    assert re.fullmatch(r"Loading the model, once: 0 % of \d+ MB\.", heard[0])
    assert any(re.search(r" [1-9]\d* %", text) for text in heard) and live_search.MESSAGES["preparing"] in heard
    assert not [url for url in loaded if url.endswith(".mp3")], "a sound was loaded that nobody asked for"
    assert visit.foreign_requests(small_site) == [] and visit.errors == []
    weight = sum(size for path, size in visit.bytes.items() if of_the_search([path]) and "/media/" not in path)
    assert 10e6 < weight < 18e6
    before = len(visit.requests)
    page.keyboard.type("iano")
    page.wait_for_timeout(1500)
    assert not [url for url in visit.requests[before:] if "/live/" in url], "it was loaded twice"


@pytest.mark.slow
def test_search_is_used_by_keyboard(visit):
    page = visit.page
    field(page).focus()
    page.keyboard.type("a choir sings")
    page.keyboard.press("Enter")
    wait_for_results(page)
    wait_until(page, "document.querySelector('.live-results strong').textContent.includes('choir')")
    titles = page.locator(".live-results strong").all_inner_texts()
    assert "choir" in titles[0] and len(set(titles)) == live_results_shown()
    assert said(page) == live_search.MESSAGES["found"].format(shown=len(titles), clips=31)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == EXAMPLES[1]
    page.keyboard.press("Enter")
    wait_until(page, "title => document.querySelector('.live-results strong').textContent !== title", arg=titles[0])
    assert field(page).input_value() == EXAMPLES[1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "AUDIO"
    field(page).fill("")
    wait_until(page, "!document.querySelector('.live-results').children.length")
    assert said(page) == "" and visit.errors == []


@pytest.mark.slow
def test_result_has_a_player_like_those_of_the_book(visit):
    page = visit.page
    page.get_by_role("button", name=EXAMPLES[0]).click()
    wait_for_results(page)
    for item in page.locator("ol.live-results > li").all():
        title, audio = item.locator("figure.sound figcaption strong").inner_text(), item.locator("audio")
        assert audio.evaluate("a => [a.preload, a.controls, a.autoplay]") == ["none", True, False]
        assert audio.get_attribute("aria-label") == title
        assert item.locator("img").get_attribute("alt").startswith(f"Mel spectrogram of {title}")
        small = item.locator("small")
        assert re.search(r"(CC|MIT).*; similarity -?\d\.\d\d$", small.inner_text())
        assert small.evaluate("s => parseFloat(getComputedStyle(s).fontSize)") < 16
    values = [float(one.get_attribute("value")) for one in page.locator(".live-results data").all()]
    assert values == sorted(values, reverse=True)
    assert not [url for url in visit.requests if url.endswith(".mp3")]
    page.locator(".live-results audio").first.evaluate("a => { a.muted = true; return a.play(); }")
    assert len({url for url in visit.requests if url.endswith(".mp3")}) == 1 and visit.errors == []


@pytest.mark.slow
def test_markup_that_is_typed_stays_text(visit):
    page = visit.page
    inside = "document.querySelectorAll('.live-search *').length"
    field(page).fill("x")
    wait_for_results(page)
    before = page.evaluate(inside)
    field(page).fill(MARKUP)
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    assert page.evaluate(inside) == before and page.evaluate("window.harm") is None
    assert field(page).input_value() == MARKUP and "onerror" not in page.locator(".live-search").inner_html()
    assert visit.errors == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [("text_tower.onnx.gzip", "status"), ("tokenizers.js", "connection"), ("live_model.js", "content")],
)
def test_file_that_does_not_arrive_is_named_and_asked_for_again(visit, name, fault):
    page = visit.page
    faults = {
        "status": lambda route: route.fulfill(status=404, body="no"),
        "connection": lambda route: route.abort(),
        "content": lambda route: route.fulfill(status=200, body="{ no"),
    }
    page.route(f"**/{name}", faults[fault])
    field(page).focus()
    page.keyboard.type("p")
    wait_until(page, "document.querySelector('.live-status').textContent.includes('could not be loaded')")
    assert f"{name} did not arrive" in said(page) and page.locator(".live-results li").count() == 0
    if name.endswith(".gzip"):  # a browser does not ask twice for a script that failed
        page.unroute(f"**/{name}")
        page.keyboard.press("Enter")
        wait_for_results(page)


@pytest.mark.slow
def test_page_that_was_opened_as_a_file_says_that_it_needs_a_server(browser, html):
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto((html / f"{NAME}.html").as_uri())
    wait_until(page, "document.querySelector('.live-status').textContent")
    assert "needs a web server" in said(page) and "http.server" in said(page)
    assert field(page).is_disabled() and errors == []
    page.close()


@pytest.mark.slow
def test_page_without_scripts_says_so(browser, small_site):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{small_site}/{NAME}.html")
    assert field(page).is_disabled() and live_search.NO_SCRIPT in page.locator("article").inner_text()
    page.close()


@pytest.mark.slow
def test_search_runs_under_a_strict_policy(browser, small_site, html):
    """Scripts of the site alone, and WebAssembly, without which there is no search: nothing inline, no eval."""
    body = (html / f"{NAME}.html").read_text(encoding="utf-8")
    widget = re.search(r'<div class="live-search".*?</noscript>\s*</div>', body, re.DOTALL)[0]
    scripts = "".join(f'<script src="/_static/{name}"></script>' for name in ("live_widget.js", "live_search.js"))
    bare = f"<!doctype html><title>x</title>{scripts}{widget}"
    policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'"
    headers = {"Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.route("**/bare.html", lambda route: route.fulfill(body=bare, headers=headers))
    page.goto(f"{small_site}/bare.html")
    field(page).fill("a choir")
    wait_for_results(page)
    assert "choir" in page.locator(".live-results strong").first.inner_text()
    assert [error for error in errors if "favicon" not in error] == []
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_field_and_results_are_accessible(browser, small_site, screen, scheme):
    with Visit(browser, small_site, f"{NAME}.html", screen, scheme) as visit:
        page = visit.page
        assert visit.findings() == []
        page.get_by_label(live_search.LABEL).fill("quiet piano")
        wait_for_results(page)
        assert visit.findings() == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert page.locator(".live-results audio").first.bounding_box()["width"] > 200


@pytest.mark.slow
def test_other_pages_load_nothing_of_it(browser, small_site):
    with Visit(browser, small_site, f"{PAGES[0]}.html") as visit:
        assert [url for url in visit.requests if "live" in url] == []


@pytest.mark.slow
def test_every_word_is_in_the_catalogue(book):
    found = catalogue(book)
    words = {live_search.LABEL, live_search.EXAMPLES, live_search.NO_SCRIPT, *live_search.MESSAGES.values(), *EXAMPLES}
    assert words - found == set()


@pytest.mark.slow
def test_other_builders_say_where_the_field_is(book, html):
    text = (built(book, "text") / f"{NAME}.txt").read_text(encoding="utf-8")
    assert live_search.ELSEWHERE in text and "It *cannot*" in text
    notebook = (built(book, "notebooks") / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert live_search.ELSEWHERE in notebook and "live-search" not in notebook


@pytest.mark.slow
def test_book_without_parts_says_how_to_make_them(tmp_path):
    root = make_book(tmp_path)
    write_contents(root, NAME)
    write_page(root, PAGE, NAME)
    page = (built(root) / f"{NAME}.html").read_text(encoding="utf-8")
    assert live_search.NOT_MADE in page and 'class="live-search"' not in page and "live_search.js" not in page


@pytest.mark.slow
def test_directive_without_a_text_is_refused(tmp_path):
    root = make_book(tmp_path)
    write_page(root, "# Title\n\n:::{live-search}\n:examples: a\n:::\n")
    done = build(root, root / "out", root / "network.log")
    assert done.returncode != 0 and "intro.md:3: WARNING: a live-search needs `:examples:`" in done.stdout + done.stderr
