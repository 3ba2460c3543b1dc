"""The description of a reader's sound in a browser: what Python says, for whatever is given, and nothing leaves."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from building import build
from live_book import make_live_book, make_parts
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from transformers import ClapModel, ClapProcessor
from visit import Visit, wait_until

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "live"))
import description
import eight_bits
import live_description

from musicwords.checkpoints import SHIPPED
from musicwords.clips import load_audio, load_clips
from musicwords.musicnn import Musicnn, log_mel_patches

NAME = "book/part/describe"
TEXT = "It errs: {true test} and {deaf test}; {changed}."
PAGE = f"# Describe\n\n:::{{live-description}}\n:clip: jig-fiddle\n{TEXT}\n:::\n"
RATE = 16_000  # samples a second that the models hear
SAME = 1e-4  # between two computations of the same number, in another order
MARKUP = "<img src=x onerror=window.harm=1>.wav"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made() -> dict:
    """What parts.json holds, after the parts were made."""
    return make_parts()


@pytest.fixture(scope="module")
def book(made, tmp_path_factory) -> Path:
    """A small book with a page that describes."""
    root = make_live_book(tmp_path_factory.mktemp("live"))
    write_contents(root, NAME)
    write_page(root, PAGE, NAME)
    return root


@pytest.fixture(scope="module")
def visit(browser, small_site):
    """The page, open for all tests of this file that need no other state: the models are loaded once."""
    with Visit(browser, small_site, f"{NAME}.html") as opened:
        yield opened


# The same answers as in Python


@pytest.fixture(scope="module")
def rounded() -> tuple:
    """Ears, writer, tagger and captioner in Python, with the weights that the browser has."""
    models = description.load_models()
    for model in models[:3]:
        eight_bits.round_weights(model)
    return models


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    """Ten seconds of every fourth of the clips and recordings that come with the book."""
    return description.load_sounds()[::4]


@pytest.fixture(scope="module")
def python(rounded, sounds) -> list[dict]:
    """What Python says of each sound: ``exact`` before the weights are rounded."""
    ears, writer, tagger, captioner = rounded
    clap = ClapModel.from_pretrained(SHIPPED / "clap").eval()
    processor = ClapProcessor.from_pretrained(SHIPPED / "clap")
    exact = Musicnn.from_pretrained(pretrained_model_name_or_path=SHIPPED / "musicnn-mtt").eval()
    found = []
    for sound in sounds:
        features = processor(audio=[sound], sampling_rate=RATE, return_tensors="pt").input_features
        patches = log_mel_patches(sound)
        with torch.no_grad():
            found.append(
                {
                    "mel": features.numpy().ravel(),
                    "embedding": ears(torch.from_numpy(sound)[None])[1][0].numpy(),
                    "exact embedding": clap.get_audio_features(input_features=features).pooler_output[0].numpy(),
                    "caption": description.caption(ears, writer, captioner, sound),
                    "tags": tagger.model(patches).probabilities.numpy(),
                    "exact tags": exact(patches).probabilities.numpy(),
                }
            )
    return found


ASK = """async (sounds) => {
    const { load } = await moduleOf("live_description_model.js");
    window.models ??= await load(foldersOf(document.querySelector(".live-description")), () => {});
    const { hear, write, tag, settings } = window.models;
    const answers = [];
    for (const sound of sounds) {
        const bytes = Uint8Array.from(atob(sound), (one) => one.charCodeAt(0));
        const audio = new Float32Array(bytes.buffer);
        const begun = performance.now();
        const { mel, embedding, prefix } = await hear(audio);
        const heard = performance.now();
        const caption = await write(prefix);
        const written = performance.now();
        const { patch, patchFrames, patchStart, hop } = settings;
        const tags = [];
        for (let place = 0; place < 3; place++) {
            const first = place * patchFrames * hop + patchStart;
            const part = new Float32Array(patch);
            part.set(audio.subarray(Math.max(first, 0), first + patch), Math.max(-first, 0));
            tags.push(await tag(part));
        }
        const times = [heard - begun, written - heard, (performance.now() - written) / 3];
        answers.push({ mel: Array.from(mel), embedding: Array.from(embedding), caption, tags, times });
    }
    return answers;
}"""


def ask(visit, sounds: list[np.ndarray]) -> list[dict]:
    """Return what the models in the browser say of ten seconds each, at 16 kHz."""
    return visit.page.evaluate(ASK, [base64.b64encode(sound.astype("<f4").tobytes()).decode() for sound in sounds])


@pytest.fixture(scope="module")
def answers(visit, sounds) -> list[dict]:
    """What the models in the browser say of each sound."""
    found = ask(visit, sounds)
    times = np.median([one["times"] for one in found], axis=0)
    print("median ms of ears, caption, tags of a patch:", times.round())
    assert visit.errors == []
    return found


def largest_difference(answers, python, name: str, other: str) -> float:
    pairs = zip(answers, python, strict=True)
    return max(np.abs(np.array(here[name]) - there[other]).max() for here, there in pairs)


def test_graph_computes_the_spectrogram_of_the_processor(answers, python):
    assert largest_difference(answers, python, "mel", "mel") < 1e-3  # dB


def test_embeddings_are_those_of_python(answers, python):
    """ONNX Runtime multiplies 8-bit weights in an order of its own; rounding them changes a cosine by far more."""
    assert largest_difference(answers, python, "embedding", "embedding") < SAME
    cosines = [np.dot(here["embedding"], there["exact embedding"]) for here, there in zip(answers, python, strict=True)]
    assert min(cosines) > 0.999, min(cosines)


def test_captions_are_those_of_python(answers, python):
    assert [one["caption"] for one in answers] == [one["caption"] for one in python]


def test_tags_are_those_of_python(answers, python):
    assert largest_difference(answers, python, "tags", "tags") < SAME
    assert largest_difference(answers, python, "tags", "exact tags") < 0.03


# In the page


def widget(page):
    return page.locator(".live-description")


def said(page) -> str:
    return page.locator(".live-status").inner_text()


def wait_for(page, words: str) -> None:
    """Wait until the status begins with what stands before the first brace of a message."""
    start = words.partition("{")[0]
    wait_until(page, "start => document.querySelector('.live-status').textContent.startsWith(start)", start, 60_000)


MESSAGES = live_description.MESSAGES


ENDED = "document.querySelector('.live-stop').hidden && document.querySelector('.live-status').textContent !== ''"


def give(page, name: str, data: bytes) -> None:
    """Choose a file, and wait until it was described or refused."""
    page.locator(".live-status").evaluate("status => { status.textContent = ''; }")
    page.locator(".live-description input").set_input_files({"name": name, "mimeType": "", "buffer": data})
    wait_until(page, ENDED, timeout=90_000)


def captions(page) -> list[str]:
    return page.locator(".live-captions td").all_inner_texts()


def music(seconds: float, rate: int = 44_100, channels: int = 2) -> np.ndarray:
    """Return a clip of the book, repeated, of shape (samples, channels)."""
    path = next(row["audio"]["path"] for row in load_clips() if row["name"] == "jig-fiddle")
    audio = np.resize(load_audio(path, rate), round(seconds * rate))
    return np.repeat(audio[:, None], channels, axis=1)


def as_file(audio: np.ndarray, rate: int, kind: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format=kind, subtype=subtype)
    return file.getvalue()


def as_m4a(audio: np.ndarray, rate: int) -> bytes:
    """Return audio of one channel as AAC in an MP4 file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T), format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def test_nothing_is_loaded_before_there_is_a_sound_and_nothing_leaves(browser, small_site, made):
    with Visit(browser, small_site, f"{NAME}.html") as fresh:
        page = fresh.page
        assert not [url for url in fresh.requests if "/live/" in url or "/media/" in url]
        page.evaluate(
            """() => {
                window.heard = [];
                const status = document.querySelector(".live-status");
                new MutationObserver(() => window.heard.push(status.textContent)).observe(status, {childList: true});
            }"""
        )
        page.locator(".live-description select").select_option(index=3)
        page.locator(".live-clip").click()
        wait_for(page, MESSAGES["described"])
        heard = page.evaluate("heard")
        assert any(re.search(r"Loading the models, once: \d+ % of \d+ MB", text) for text in heard)
        assert MESSAGES["preparing"] in heard and len(captions(page)) == 1
        weight = sum(size for path, size in fresh.bytes.items() if "/live/" in path)
        assert 5e6 < weight < 18e6, weight
        assert fresh.foreign_requests(small_site) == [] and fresh.errors == []
        title = page.locator("option:checked").inner_text()
        titles = page.locator(".live-results strong").all_inner_texts()
        assert len(titles) == 5 and title not in titles, "the nearest clip is the clip itself"
        before = len(fresh.requests)
        give(page, "mine.wav", as_file(music(10), 44_100))
        assert not [url for url in fresh.requests[before:] if "/live/" in url], "the models were loaded twice"


def test_file_is_described_as_python_describes_it(visit, answers, rounded, tmp_path):
    """Decoding, resampling, windows and what is shown: captions, tags of each three seconds, and the nearest clips."""
    path = tmp_path / "two.wav"
    files = {row["name"]: row["audio"]["path"] for row in load_clips()}
    jig, nocturne = (load_audio(files[name], 44_100) for name in ("jig-fiddle", "piano-nocturne"))
    soundfile.write(path, np.concatenate([jig, nocturne])[:, None].repeat(2, axis=1), 44_100, subtype="FLOAT")
    page = visit.page
    give(page, path.name, path.read_bytes())
    ears, writer, tagger, captioner = rounded
    audio = load_audio(path, RATE)
    windows = [audio[:160_000], audio[160_000:320_000]]
    assert captions(page) == [description.caption(ears, writer, captioner, window) for window in windows]
    with torch.no_grad():
        tags = tagger.model(log_mel_patches(audio)).probabilities.numpy()
        mean = torch.stack([ears(torch.from_numpy(window)[None])[1][0] for window in windows]).mean(dim=0)
    shown = page.locator(".live-tags tbody tr").all()
    order = sorted(range(tags.shape[1]), key=lambda tag: -tags[:, tag].max())[: len(shown)]
    names = [row.locator("th").inner_text() for row in shown]
    assert names == [tagger.model.labels[tag] for tag in order]
    percent = np.array([[int(cell) for cell in row.locator("td").all_inner_texts()] for row in shown])
    assert np.abs(percent - 100 * tags[:, order].T).max() < 2  # rounded to whole percents, after another resampler
    clips = page.evaluate("window.models.clips.map(({ title, embedding }) => ({ title, embedding }))")
    similarity = torch.tensor([clip["embedding"] for clip in clips]) @ mean
    ranking = [clips[place]["title"] for place in similarity.argsort(descending=True)[:5]]
    assert page.locator(".live-results strong").all_inner_texts() == ranking
    assert visit.errors == []


KINDS = {
    "stereo.wav": lambda: as_file(music(10), 44_100),
    "48.wav": lambda: as_file(music(10, 48_000), 48_000),
    "a.mp3": lambda: as_file(music(10), 44_100, "MP3"),
    "a.ogg": lambda: as_file(music(10), 44_100, "OGG"),
    "a.flac": lambda: as_file(music(10), 44_100, "FLAC"),
    "a.m4a": lambda: as_m4a(music(10, channels=1), 44_100),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_of_file_is_described(visit, name):
    page = visit.page
    give(page, name, KINDS[name]())
    if name.endswith(".m4a") and said(page).startswith("This browser finds no sound"):
        pytest.skip("this Chromium decodes no AAC")
    assert said(page).startswith("Described up to 0:10")
    assert len(captions(page)) == 1 and "violin" in captions(page)[0]


def test_long_and_short_sounds_say_what_is_left_out_and_repeated(visit):
    page = visit.page
    give(page, "five minutes.wav", as_file(music(300, 8_000, 1), 8_000))
    assert len(captions(page)) == 18 and said(page) == "Described up to 3:00."
    assert page.locator(".live-notes").inner_text() == MESSAGES["cut"].format_map({"from": "3:00", "to": "5:00"})
    assert page.locator(".live-tags thead th").count() == 1 + 60
    give(page, "short.wav", as_file(music(0.5), 44_100))
    assert len(captions(page)) == 1
    assert page.locator(".live-notes").inner_text() == MESSAGES["short"].format(seconds="0.5")
    give(page, "ten.wav", as_file(music(14), 44_100))
    assert len(captions(page)) == 1 and page.locator(".live-notes").inner_text() == ""


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("silent.wav", lambda: as_file(np.zeros((441_000, 2)), 44_100), "silent"),
        ("broken.wav", lambda: as_file(music(1), 44_100)[:40], "unreadable"),
        ("notes.txt", lambda: b"these are words " * 100, "unreadable"),
        ("empty.mp3", lambda: b"", "unreadable"),
        ("long.wav", lambda: as_file(np.zeros(960 * 8_000), 8_000, subtype="PCM_U8"), "long"),
        (MARKUP, lambda: b"no sound", "unreadable"),
    ],
)
def test_what_is_no_music_is_refused_in_words(visit, name, data, message):
    page = visit.page
    give(page, name, data())
    assert said(page) == MESSAGES[message].format(name=name, minutes=15)
    assert captions(page) == [] and page.evaluate("window.harm") is None
    assert widget(page).locator("img").count() == 0


def test_stop_acts_at_once_and_keeps_what_was_said(browser, small_site):
    with Visit(browser, small_site, f"{NAME}.html", "narrow") as fresh:
        page = fresh.page
        page.locator(".live-description input").set_input_files(
            {"name": "long.wav", "mimeType": "", "buffer": as_file(music(180, 16_000, 1), 16_000)}
        )
        stop = page.locator(".live-stop")
        page.locator(".live-captions").wait_for(timeout=60_000)
        for place in (".live-description label", ".live-tags tbody"):  # above the button, and below it
            page.evaluate("place => document.querySelector(place).scrollIntoView({block: 'center'})", place)
            box = stop.bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 844, f"it is not on the screen with {place}"
        stop.click()
        assert stop.is_hidden()
        wait_for(page, MESSAGES["stopped"])
        there = len(captions(page))
        page.wait_for_timeout(1000)
        assert 0 < len(captions(page)) == there < 18
        assert page.locator(".live-results li").count() == 5
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert fresh.errors == []


def test_page_answers_while_the_models_work(visit):
    """A clock in the page goes on, which it could not if the models ran there."""
    page = visit.page
    page.evaluate(
        """() => {
            window.beats = 0;
            window.begun = performance.now();
            window.clock = setInterval(() => { window.beats++; }, 20);
        }"""
    )
    give(page, "half a minute.wav", as_file(music(30), 44_100))
    beats, time = page.evaluate("clearInterval(window.clock), [window.beats, performance.now() - window.begun]")
    assert beats > 0.3 * time / 20


@pytest.mark.parametrize(("screen", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_widget_is_used_by_keyboard_and_accessible(browser, small_site, screen, scheme):
    with Visit(browser, small_site, f"{NAME}.html", screen, scheme) as fresh:
        page = fresh.page
        assert fresh.findings() == []
        page.get_by_label(live_description.LABELS["clip"]).focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_for(page, MESSAGES["described"])
        assert fresh.findings() == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        reached = set()
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert {"live-record", "AUDIO", "live-scroller"} <= reached and fresh.errors == []


def test_dropped_file_is_described(visit):
    page = visit.page
    page.evaluate(
        """() => {
            document.querySelector(".live-status").textContent = "";
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["no sound"], "dropped.txt"));
            document.querySelector(".live-description").dispatchEvent(new DragEvent("drop", { dataTransfer }));
        }"""
    )
    wait_for(page, MESSAGES["unreadable"])
    assert "dropped.txt" in said(page)


@pytest.fixture
def hearing(browser) -> Iterator:
    """A browser with the microphone of Chromium that beeps."""
    find = "from find_browser import find_browser; print(find_browser())"  # it starts a Playwright of its own
    path = subprocess.run([sys.executable, "-c", find], cwd=ROOT / "tests", capture_output=True, text=True, check=True)
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    running = browser.browser_type.launch(executable_path=path.stdout.strip(), args=arguments)
    yield running
    running.close()


def test_recording_is_described(hearing, small_site):
    with Visit(hearing, small_site, f"{NAME}.html") as fresh:
        page = fresh.page
        page.locator(".live-record").click()
        wait_for(page, MESSAGES["listening"])
        page.wait_for_timeout(2500)
        page.locator(".live-stop").click()
        wait_for(page, MESSAGES["described"])
        assert re.match(r"The sound lasts [23]\.\d seconds", page.locator(".live-notes").inner_text())
        assert len(captions(page)) == 1 and page.locator(".live-own p").inner_text() == MESSAGES["recording"]
        assert fresh.foreign_requests(small_site) == [] and fresh.errors == []


def test_microphone_that_is_refused_is_asked_for_again(visit):
    page = visit.page
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('no')); }")
    page.locator(".live-record").click()
    wait_for(page, MESSAGES["deaf"])
    assert page.locator(".live-stop").is_hidden()


def test_file_that_does_not_arrive_is_named_and_asked_for_again(browser, small_site):
    with Visit(browser, small_site, f"{NAME}.html") as fresh:
        page = fresh.page
        page.context.route("**/tagger.onnx.gzip", lambda route: route.fulfill(status=404, body="no"))
        page.locator(".live-clip").click()
        wait_for(page, "The description could not be loaded: tagger.onnx.gzip did not arrive")
        assert page.locator(".live-stop").is_hidden()
        page.context.unroute("**/tagger.onnx.gzip")
        page.locator(".live-clip").click()
        wait_for(page, MESSAGES["described"])


def test_page_that_was_opened_as_a_file_says_that_it_needs_a_server(browser, html):
    page = browser.new_page()
    page.goto((html / f"{NAME}.html").as_uri())
    wait_until(page, "document.querySelector('.live-status').textContent")
    assert "needs a web server" in said(page) and page.locator(".live-clip").is_disabled()
    page.close()


def test_page_without_scripts_says_so(browser, small_site):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{small_site}/{NAME}.html")
    assert live_description.NO_SCRIPT in page.locator("article").inner_text()
    page.close()


# What the directive writes


def test_numbers_are_those_of_the_scores(html, made):
    page = (html / f"{NAME}.html").read_text(encoding="utf-8")
    card = (SHIPPED / "captioner" / "README.md").read_text(encoding="utf-8")
    true, deaf, tenths = re.search(r"It errs: (0\.\d\d) and (0\.\d\d); (\d+) of 10\.", page).groups()
    rows = card.partition("**test**")[2]
    assert f"| captioner | {true} (" in rows and f"| captioner without audio | {deaf} (" in rows
    assert made["description"]["sounds"] == len(description.load_sounds())
    share = made["description"]["changed"] / made["description"]["sounds"]
    assert 10 * share < int(tenths) <= 10 * share + 1


def test_captions_of_recordings_are_no_truer_than_without_the_sound():
    """What the page book/live/describe says of them."""
    card = SHIPPED / "captioner" / "scores.csv"
    assert live_description.share(card, "true", "recordings") < live_description.share(card, "deaf", "recordings")
    assert live_description.share(card, "true", "test") > live_description.share(card, "deaf", "test")
    with pytest.raises(ValueError, match="no plain captions of the set 'moon': name another set"):
        live_description.share(card, "true", "moon")


def test_directive_without_a_text_is_refused(tmp_path):
    root = make_book(tmp_path)
    write_page(root, "# Title\n\n:::{live-description}\n:clip: rock\n:::\n")
    done = build(root, root / "out", root / "network.log")
    assert done.returncode != 0
    assert "intro.md:3: WARNING: a live-description needs `:clip:`, and a text" in done.stdout + done.stderr


def test_book_without_parts_says_how_to_make_them(tmp_path):
    root = make_book(tmp_path)
    write_contents(root, NAME)
    write_page(root, PAGE, NAME)
    page = (built(root) / f"{NAME}.html").read_text(encoding="utf-8")
    assert live_description.NOT_MADE in page and "It errs: 0." in page and "live_description.js" not in page


def test_every_word_is_in_the_catalogue(book):
    words = {*live_description.LABELS.values(), live_description.NO_SCRIPT, *MESSAGES.values()}
    assert words - catalogue(book) == set()


def test_settings_give_each_token_its_bytes(rounded, made):
    """What the browser writes from the bytes of tokens is what the tokenizer decodes."""
    tokenizer = rounded[3].tokenizer
    pieces = description.settings(*rounded[1:])["pieces"]
    text = "A naïve café’s 6/8 jig — violin."
    written = b"".join(bytes(pieces[token]) for token in tokenizer(text)["input_ids"])
    assert written.decode() == text
