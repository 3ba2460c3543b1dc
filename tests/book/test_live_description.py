"""The description of a reader's sound in a browser: what Python says, for whatever is given, and nothing leaves."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from building import served
from filelock import FileLock
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from transformers import ClapModel, ClapProcessor
from visit import Visit, wait_until

sys.path.insert(0, str(ROOT / "book" / "_ext"))
sys.path.insert(0, str(ROOT / "book" / "live"))
import description
import eight_bits
import live_description
import packages
import parts

from musicwords.captioner import Captioner, audio_vectors
from musicwords.checkpoints import SHIPPED
from musicwords.clips import RECORDINGS, load_audio, load_clips
from musicwords.musicnn import Musicnn, log_mel_patches
from musicwords.own_audio import load_own_audio

NAME = "book/part/describe"
PAGE = "# Describe\n\n:::{live-description}\nIt errs: {true test} and {deaf test}.\n:::\n"
RATE = 16_000  # samples a second that the models hear
SAME = 1e-4  # between two computations of the same number, in another order
MARKUP = "<img src=x onerror=window.harm=1>.wav"
# What is compared in a browser: two rendered clips and a recording, of different kinds of music.
SOUNDS = ("jig-fiddle", "techno", "metal-chaos-god")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made() -> dict:
    """What parts.json holds, after the parts were made."""
    (ROOT / "_build").mkdir(exist_ok=True)
    try:
        with FileLock(ROOT / "_build" / "live.lock"):
            return parts.make()
    except packages.NoPackages as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


@pytest.fixture(scope="module")
def book(made, tmp_path_factory) -> Path:
    """A small book with a page that describes."""
    root = make_book(tmp_path_factory.mktemp("live"))
    shutil.copytree(ROOT / parts.MADE, root / parts.MADE)
    write_contents(root, NAME)
    write_page(root, PAGE, NAME)
    return root


@pytest.fixture(scope="module")
def html(book) -> Path:
    """The folder of the pages."""
    return built(book)


@pytest.fixture(scope="module")
def small_site(html):
    """The address at which the small book is served."""
    with served(html) as address:
        yield address


@pytest.fixture(scope="module")
def paths() -> dict[str, Path]:
    """The file of each clip and of each recording that comes with the book."""
    rows = [*load_clips(), *load_clips(RECORDINGS)]
    return {row["name"]: Path(row["audio"]["path"]) for row in rows}


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
    clap, processor = ClapModel.from_pretrained(SHIPPED / "clap").eval(), ClapProcessor.from_pretrained(SHIPPED / "clap")
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
    import base64

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
