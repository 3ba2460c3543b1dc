"""Music generated in a browser: the sampler is that of diffusers, the sound that of Python, and what fails is said."""

import csv
import io
import re
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from building import build
from live_book import make_live_book, make_parts
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from visit import Visit, wait_until

from musicwords.checkpoints import SHIPPED
from musicwords.diffusion import TextToMusicPipeline

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "live"))
sys.path.insert(0, str(ROOT / "book" / "offline"))
import generator
import live
import live_generate
import parts
from bundle import WIDGETS

NAME = "book/part/generate"
PAGES = ("book/generation/intro", NAME)  # the first is without a generator
PROMPT, CHINESE = "A slow piece for piano.", "一首快速的吉他曲"
LIMITS = "It *cannot*."
PAGE = f"# Generate\n\n:::{{live-generate}}\n:examples: {PROMPT} | {CHINESE}\n{LIMITS}\n:::\n"
STEPS = (1, 2, 7, 16, 20, 100)  # 7 does not divide 1,000, and with 16 there are timesteps half way between two numbers
SEEDS = (0, 7, 2**32 - 1)
SETTINGS = [  # prompt, negative prompt, guidance scale, steps
    (PROMPT, "drums", 4.0, 3),
    (CHINESE, "", 100.0, 2),
    ("", "", 0.0, 1),
    ("A violin. " * 80, "", 1.0, 1),
]
# Between two computations in 32 bits, in another order. What a guidance scale multiplies differs by as much more.
SAME_NOISE = 1e-5
SAME_LATENTS = 2e-4
SAME_SAMPLES = 1e-3


# The same as in Python


@pytest.fixture(scope="module")
def made() -> dict:
    """What parts.json holds, after the parts were made."""
    return make_parts()


@pytest.fixture(scope="module")
def book(made, tmp_path_factory) -> Path:
    """A small book with a generator."""
    root = make_live_book(tmp_path_factory.mktemp("live"))
    write_contents(root, *PAGES)
    write_page(root, "# Another page\n\nText.\n", PAGES[0])
    write_page(root, PAGE, NAME)
    return root


@pytest.fixture(scope="module")
def pipeline() -> TextToMusicPipeline:
    """The mini pipeline with the weights of the browser."""
    found = TextToMusicPipeline.from_pretrained(SHIPPED / "diffusion")
    found.set_progress_bar_config(disable=True)
    generator.round_pipeline(found)
    return found


RUN = """async ([settings, seeds, steps]) => {
    const { load } = await moduleOf("live_generator.js");
    const { sample, timesteps } = await moduleOf("live_sampler.js");
    const model = await load(foldersOf(document.querySelector(".live-generate")), () => {});
    const { shares, rescale } = model.facts;
    const start = Float32Array.from({ length: 64 }, (_, place) => Math.sin(place));
    const sampled = [];
    for (const count of steps) {
        const guesses = [];
        const velocities = async (latents, level) => [
            latents.map((value) => Math.cos(3 * value) + level), latents.map((value) => Math.sin(2 * value)),
        ];
        const report = (step, guess) => guesses.push([...guess]);
        const latents = await sample(
            { noise: start, velocities, shares, steps: count, guidance: 3, rescale, report });
        sampled.push({ timesteps: timesteps(count, shares.length), guesses, latents: [...latents] });
    }
    const generated = [];
    for (const [prompt, negative, guidance, steps] of settings) {
        const noise = model.noiseOf(seeds[1]);
        const latents = await model.denoise({ prompt, negative, guidance, steps, noise }, () => true);
        const { samples, power } = await model.decode(latents, 5);
        generated.push({ latents: [...latents], samples: [...samples], power: [...power], read: model.read(prompt) });
    }
    return { noise: seeds.map((seed) => [...model.noiseOf(seed)]), start: [...start], sampled, generated };
}"""


@pytest.fixture(scope="module")
def found(browser, small_site) -> dict:
    """What the scripts compute in the browser."""
    with Visit(browser, small_site, f"{NAME}.html") as visit:
        answer = visit.page.evaluate(RUN, [SETTINGS, SEEDS, STEPS])
        assert visit.errors == []
        return answer


@pytest.mark.slow
def test_noise_of_a_seed_is_that_of_torch(found, pipeline):
    shape = (1, pipeline.codec.config.hidden_size, pipeline.frames)
    for seed, numbers in zip(SEEDS, found["noise"], strict=True):
        expected = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).ravel()
        assert np.abs(np.array(numbers) - expected.numpy()).max() < SAME_NOISE, seed


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(STEPS)), ids=map(str, STEPS))
def test_sampler_is_that_of_diffusers_in_each_step(found, pipeline, place):
    from musicwords.diffusion import guided

    scheduler, answer = pipeline.scheduler, found["sampled"][place]
    scheduler.set_timesteps(STEPS[place])
    assert answer["timesteps"] == scheduler.timesteps.tolist()
    latents = torch.tensor(found["start"])[None]
    for timestep, guess in zip(scheduler.timesteps, answer["guesses"], strict=True):
        level = timestep / scheduler.config.num_train_timesteps
        velocity = guided((2 * latents).sin(), (3 * latents).cos() + level, 3.0, 0.7)
        step = scheduler.step(velocity, timestep, latents)
        assert np.abs(step.pred_original_sample[0].numpy() - guess).max() < 100 * SAME_NOISE
        latents = step.prev_sample
    assert np.abs(latents[0].numpy() - answer["latents"]).max() < 100 * SAME_NOISE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the last")  # of a text that is too long
@pytest.mark.parametrize("place", range(len(SETTINGS)), ids=("negative", "chinese", "blank", "long"))
def test_latents_and_samples_are_those_of_python_with_rounded_weights(found, pipeline, place):
    prompt, negative, guidance, steps = SETTINGS[place]
    answer, seeded = found["generated"][place], torch.Generator().manual_seed(SEEDS[1])
    settings = {"guidance_scale": guidance, "num_inference_steps": steps, "generator": seeded}
    latents = pipeline(prompt, negative_prompt=negative, output_type="latent", **settings).audios
    with torch.no_grad():
        samples = pipeline.decode(latents)[0, 0, : 5 * pipeline.codec.config.sampling_rate].numpy()
    of_latents = np.abs(latents.numpy().ravel() - answer["latents"]).max()
    of_samples = np.abs(samples - answer["samples"]).max()
    print(
        f"latents {of_latents:.1e} of {latents.abs().max():.1f}, samples {of_samples:.1e} of {abs(samples).max():.2f}"
    )
    assert of_latents < SAME_LATENTS * max(1, guidance / 4)
    assert of_samples < SAME_SAMPLES * max(1, guidance / 4)
    assert len(answer["power"]) == 250 * 96
    assert answer["read"]["ids"] == pipeline.tokenizer(prompt, truncation=True).input_ids


def test_table_is_of_the_settings_of_page_and_pipeline():
    with (ROOT / "book" / "data" / "live_generation.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    taken = [(row["weights"], int(row["steps"])) for row in rows]
    usual = signature(TextToMusicPipeline.__call__).parameters
    assert taken[0] == ("whole", usual["num_inference_steps"].default)
    assert taken[1] == ("8 bits", live_generate.NUMBERS["steps"][1])
    assert live_generate.NUMBERS["guidance"][1] == usual["guidance_scale"].default
    assert float(rows[1]["difference"]) > -0.05, "the weights or the steps cost too much"


# In the page


@pytest.fixture
def visit(browser, small_site):
    """Open the page with the generator, and close it after the test."""
    with Visit(browser, small_site, f"{NAME}.html") as opened:
        yield opened


def said(page) -> str:
    return page.locator(".live-status").inner_text()


def fill(page, **values) -> None:
    """Fill in settings, by the names of their fields."""
    page.locator(".live-settings").evaluate("details => { details.open = true; }")
    for name, value in values.items():
        page.locator(f".live-generate input[name={name}]").fill(str(value))


def start(page):
    return page.locator(".live-start")


def wait_for_sound(page, count: int = 1) -> None:
    """Wait until so many sounds are there, and nothing runs."""
    done = "count => document.querySelectorAll('.live-results li').length >= count"
    wait_until(page, done, arg=count, timeout=60_000)
    wait_until(page, "document.querySelector('.live-progress').hidden")


def sounds(page) -> list[bytes]:
    """Download the sounds, the newest one first."""
    found = []
    for link in page.get_by_role("link", name=live_generate.MESSAGES["download"]).all():
        with page.expect_download() as download:
            link.click()
        found.append(Path(download.value.path()).read_bytes())
    return found


def of_the_generator(urls) -> list[str]:
    return [url for url in urls if "/live/" in url or "live_generator" in url]


@pytest.mark.slow
def test_first_click_makes_a_sound_and_nothing_is_loaded_before(visit, small_site):
    page = visit.page
    assert page.locator("input[name=prompt]").input_value() == PROMPT
    page.wait_for_timeout(300)  # milliseconds: a request would have been made
    assert of_the_generator(visit.requests) == []
    fill(page, steps=5, seconds=5)
    page.evaluate(
        """() => {
            window.heard = [];
            const say = () => window.heard.push(document.querySelector(".live-status").textContent
                + "|" + document.querySelector(".live-step").textContent
                + "|" + document.querySelector("canvas").hidden);
            const changes = {childList: true, subtree: true, attributes: true};
            new MutationObserver(say).observe(document.querySelector(".live-generate"), changes);
        }"""
    )
    start(page).click()
    assert start(page).inner_text() == live_generate.MESSAGES["stop"]
    wait_for_sound(page)
    heard = page.evaluate("heard")
    assert re.fullmatch(r"Loading the model, once: 0 % of \d+ MB\.\|\|true", heard[0])
    assert any(re.search(r" [1-9]\d* %", one) for one in heard)
    assert any(one.startswith(live_generate.MESSAGES["preparing"]) for one in heard)
    steps = [one for one in heard if one.startswith(live_generate.MESSAGES["started"])]
    assert re.fullmatch(r"Generating\.\|Step 5 of 5, [\d.]+ s\|false", steps[-1])
    assert re.fullmatch(r"The sound is here, after [\d.]+ s\.", said(page))
    assert start(page).inner_text() == live_generate.MESSAGES["generate"]
    assert visit.foreign_requests(small_site) == [] and visit.errors == []
    weight = sum(size for path, size in visit.bytes.items() if "/generate-" in path)
    assert 10e6 < weight < 13e6

    item = page.locator(".live-results li")
    caption = item.locator("figcaption").inner_text()
    assert PROMPT in caption and "mini diffusion model; seed 0, steps 5, guidance scale 4" in caption
    assert re.match(r"Mel spectrogram, 5 seconds: .+ \d+ and \d+ Hz\.", item.locator("img").get_attribute("alt"))
    audio = item.locator("audio")
    assert audio.evaluate("a => [a.controls, a.autoplay]") == [True, False]
    assert audio.get_attribute("aria-label").startswith(PROMPT)
    link = item.get_by_role("link", name=live_generate.MESSAGES["download"])
    assert link.get_attribute("download") == "music_seed_0.wav"
    (heard,) = sounds(page)
    samples, rate = soundfile.read(io.BytesIO(heard))
    assert rate == 16_000 and samples.shape == (80_000,) and 0.19 < np.abs(samples).max() <= 1
    page.mouse.move(0, 0)
    assert visit.findings() == []


@pytest.mark.slow
def test_same_seed_gives_the_same_sound_and_five_are_kept(visit):
    page = visit.page
    fill(page, steps=1)
    start(page).click()
    wait_for_sound(page)
    start(page).click()
    wait_for_sound(page, 2)
    page.locator(".live-again").click()
    wait_for_sound(page, 3)
    assert page.locator("input[name=seed]").input_value() == "1"
    other, again, first = sounds(page)
    assert first == again and first != other
    assert "seed 1" in page.locator(".live-results li").first.inner_text()
    for count in (4, 5, 5):
        page.locator(".live-again").click()
        wait_until(page, "start => start.textContent === 'Generate'", arg=start(page).element_handle(), timeout=60_000)
        wait_for_sound(page, count)
    seeds = [re.search(r"seed (\d+)", one)[1] for one in page.locator(".live-results li small").all_inner_texts()]
    assert seeds == ["4", "3", "2", "1", "0"] and visit.errors == []


@pytest.mark.slow
def test_stop_acts_at_once_and_is_on_the_screen_of_a_phone(browser, small_site):
    with Visit(browser, small_site, f"{NAME}.html", "narrow") as visit:
        page = visit.page
        fill(page, steps=100)
        page.locator(".live-settings > summary").click()
        at_once = page.evaluate(
            """() => {
                const start = document.querySelector(".live-start");
                const status = document.querySelector(".live-status");
                start.click();
                const before = status.textContent; // the model is still to be loaded
                start.click();
                return [before, status.textContent, start.textContent];
            }"""
        )
        assert at_once[0].startswith("Loading") and at_once[1:] == ["Stopped.", "Generate"]
        start(page).click()
        wait_until(page, "document.querySelector('.live-progress progress').value > 1", timeout=60_000)
        box = start(page).bounding_box()
        assert start(page).inner_text() == live_generate.MESSAGES["stop"] and 0 < box["y"] < 844 - box["height"]
        canvas = page.locator(".live-progress canvas")
        canvas.wait_for()
        assert canvas.bounding_box()["y"] < 844
        assert page.evaluate("scrollY") == 0
        assert [one.url.split("/")[-1] for one in page.workers] == [
            "live_generator_worker.js"
        ]  # not in the page itself
        assert visit.findings() == []
        start(page).click()
        assert said(page) == live_generate.MESSAGES["stopped"] and page.locator(".live-progress").is_hidden()
        page.wait_for_timeout(1000)
        assert page.locator(".live-results li").count() == 0 and said(page) == live_generate.MESSAGES["stopped"]
        fill(page, steps=1)
        start(page).click()
        wait_for_sound(page)
        assert "steps 1" in page.locator(".live-results li").inner_text() and visit.errors == []


@pytest.mark.slow
def test_generator_is_used_by_keyboard_alone(visit):
    page = visit.page
    page.locator("input[name=prompt]").focus()
    for kind in ("button", "button", "summary"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName.toLowerCase()") == kind
    page.keyboard.press("Enter")
    for name in ("negative", "guidance", "steps"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == name
    page.keyboard.type("1")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "live-start"
    page.keyboard.press("Enter")
    assert said(page).startswith("Loading")
    page.keyboard.press("Enter")
    assert said(page) == live_generate.MESSAGES["stopped"]
    page.keyboard.press("Enter")
    wait_for_sound(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "live-again"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "AUDIO" and visit.errors == []


MARKUP = '<img src=x onerror="window.harm=1"><script>window.harm=1</script> {seed}'


@pytest.mark.slow
def test_odd_texts_give_a_sound_or_a_message(visit):
    page = visit.page
    fill(page, steps=1)
    cases = [
        ("", r"The sound is here", "Without a prompt"),
        ("piano " * 333, r"read 62 word pieces, and left out the last 271\.", "piano piano"),
        (MARKUP, r"The sound is here", MARKUP),
        ("piano 🎹", r"does not know 1 of the 2 word pieces of “piano 🎹”", "piano 🎹"),
    ]
    for count, (text, message, title) in enumerate(cases, 1):
        fill(page, prompt=text)
        start(page).click()
        wait_for_sound(page, count)
        assert re.search(message, said(page)), (text, said(page))
        assert page.locator(".live-results strong").first.inner_text().startswith(title)
    fill(page, prompt="🎹🎸 ♪♫")
    start(page).click()
    wait_until(page, "document.querySelector('.live-status').textContent.includes('The model knows only')")
    assert start(page).inner_text() == "Generate" and page.locator(".live-results li").count() == len(cases)
    assert page.evaluate("window.harm") is None and page.locator(".live-results img").count() == len(cases)
    fill(page, prompt="", negative="drums", guidance=0)
    page.get_by_role("button", name=CHINESE).click()
    wait_for_sound(page, len(cases) + 1)
    first = page.locator(".live-results li").first.inner_text()
    assert CHINESE in first and "guidance scale 0; negative prompt “drums”" in first
    fill(page, guidance=100, steps=2)
    start(page).click()
    wait_until(page, "document.querySelector('.live-results').textContent.includes('softer')", timeout=60_000)
    samples, _ = soundfile.read(io.BytesIO(sounds(page)[0]))
    assert 0.9 < np.abs(samples).max() <= 1 and visit.errors == []


@pytest.mark.slow
def test_numbers_that_do_not_fit_are_named(visit):
    page = visit.page
    cases = [("guidance", "101", "“101”. Write a number from 0 to 100"), ("guidance", "-1", "“-1”"),
             ("steps", "0", "Write a whole number from 1 to 100"), ("steps", "2.5", "“2.5”. Write a whole"),
             ("seconds", "0", "Write a number from 1 to 10"), ("seconds", "", "Seconds is “”"),
             ("seed", "1.5", "a whole number from 0 to 4294967295"), ("seed", "4294967296", "Seed is")]  # fmt: skip
    for name, value, message in cases:
        field = page.locator(f"input[name={name}]")
        usual = field.input_value()
        fill(page, **{name: value})
        start(page).click()
        assert message in said(page), (name, value, said(page))
        assert field.get_attribute("aria-invalid") == "true"
        assert page.evaluate("document.activeElement.name") == name
        fill(page, **{name: usual})
    field = page.locator("input[name=seed]")
    field.fill("")
    field.press_sequentially("e+")  # what a field for numbers takes, and is none
    start(page).click()
    assert "Seed is" in said(page) and of_the_generator(visit.requests) == []
    assert visit.errors == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [("denoiser.onnx.gzip", "cut"), ("decoder.onnx.gzip", "status"), ("live_generator_worker.js", "connection")],
)
def test_file_that_does_not_arrive_is_named_and_asked_for_again(visit, name, fault, made):
    page = visit.page
    faults = {
        "status": lambda route: route.fulfill(status=404, body="no"),
        "connection": lambda route: route.abort(),
        "cut": lambda route: route.fulfill(status=200, body=half),
    }
    packed = ROOT / parts.MADE / "parts" / made["generate"]["key"] / name
    half = packed.read_bytes()[: 2**20] if fault == "cut" else b""
    visit.page.context.route(f"**/{name}", faults[fault])
    fill(page, steps=1)
    start(page).click()
    wait_until(
        page, "document.querySelector('.live-status').textContent.includes('could not be loaded')", timeout=30_000
    )
    assert f"{name} did not arrive" in said(page) and start(page).inner_text() == "Generate"
    page.context.unroute(f"**/{name}")
    start(page).click()
    wait_for_sound(page)


@pytest.mark.slow
def test_page_that_was_opened_as_a_file_says_that_it_needs_a_server(browser, html):
    page = browser.new_page()
    page.goto((html / f"{NAME}.html").as_uri())
    wait_until(page, "document.querySelector('.live-status').textContent")
    assert "needs a web server" in said(page) and start(page).is_disabled()
    page.close()


@pytest.mark.slow
def test_page_that_was_packed_without_its_models_says_so(browser, small_site, html):
    packed = WIDGETS.sub("data-left-out ", (html / f"{NAME}.html").read_text(encoding="utf-8"))
    page = browser.new_page()
    page.route("**/packed.html", lambda route: route.fulfill(body=packed, content_type="text/html; charset=utf-8"))
    page.goto(f"{small_site}/{Path(NAME).parent}/packed.html")
    wait_until(page, "document.querySelector('.live-status').textContent")
    assert said(page) == live.LEFT_OUT and start(page).is_disabled()
    page.close()


@pytest.mark.slow
def test_page_without_scripts_says_so(browser, small_site):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{small_site}/{NAME}.html")
    assert start(page).is_disabled() and live_generate.NO_SCRIPT in page.locator("article").inner_text()
    page.close()


@pytest.mark.slow
def test_generator_runs_under_a_strict_policy(browser, small_site, html):
    """Scripts of the site alone, WebAssembly, a worker, and what the page itself has made: nothing inline, no eval."""
    body = (html / f"{NAME}.html").read_text(encoding="utf-8")
    widget = re.search(r'<div class="live-generate".*?</noscript>\s*</div>', body, re.DOTALL)[0]
    scripts = "".join(f'<script src="/_static/{name}"></script>' for name in ("live_widget.js", "live_generate.js"))
    bare = f'<!doctype html><html lang="en"><title>x</title>{scripts}{widget}'
    policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src blob:; media-src blob:"
    headers = {"Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
    page, errors = browser.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.route("**/bare.html", lambda route: route.fulfill(body=bare, headers=headers))
    page.goto(f"{small_site}/bare.html")
    fill(page, steps=1)
    start(page).click()
    wait_for_sound(page)
    assert page.locator(".live-results audio").evaluate("a => a.error") is None
    assert [error for error in errors if "favicon" not in error] == []
    page.close()


@pytest.mark.slow
def test_other_pages_load_nothing_of_it(browser, small_site):
    with Visit(browser, small_site, f"{PAGES[0]}.html") as visit:
        assert [url for url in visit.requests if "live" in url] == []


@pytest.mark.slow
def test_every_word_is_in_the_catalogue(book):
    words = {live_generate.EXAMPLES, live_generate.SETTINGS, live_generate.NO_SCRIPT, PROMPT, CHINESE, LIMITS}
    words |= {*live_generate.TEXTS.values(), *live_generate.MESSAGES.values()}
    words |= {label for label, *_ in live_generate.NUMBERS.values()}
    assert words - catalogue(book) == set()


@pytest.mark.slow
def test_other_builders_say_where_the_generator_is(book, html):
    text = (built(book, "text") / f"{NAME}.txt").read_text(encoding="utf-8")
    assert live_generate.ELSEWHERE in text and LIMITS in text


@pytest.mark.slow
def test_directive_without_parts_or_a_text_says_so(tmp_path):
    root = make_book(tmp_path)
    write_contents(root, NAME)
    write_page(root, PAGE, NAME)
    page = (built(root) / f"{NAME}.html").read_text(encoding="utf-8")
    assert live_generate.NOT_MADE in page and 'class="live-generate"' not in page and "live_generate.js" not in page
    write_page(root, "# Title\n\n:::{live-generate}\n:examples: a\n:::\n")
    done = build(root, root / "out", root / "network.log")
    assert "intro.md:3: WARNING: a live-generate needs `:examples:`" in done.stdout + done.stderr
