"""What a model cannot make sense of is refused with a reason, before the model's library accepts it in silence."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hub.layouts import t5_tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer, BertTokenizer, ClapFeatureExtractor, ClapProcessor, RobertaTokenizer

from musicwords.inputs import check_audio, check_guidance, check_seconds, check_spread, check_texts

RATE = 16_000
LIMIT = 64  # tokens
NOISE = np.random.default_rng(0).normal(scale=0.1, size=10 * RATE).astype(np.float32)
GOOD = ["a calm song on an acoustic guitar", "café music"]


def processor(tokenizer) -> ClapProcessor:
    extractor = ClapFeatureExtractor(
        sampling_rate=RATE, max_length_s=10, frequency_max=RATE // 2, truncation="rand_trunc"
    )
    return ClapProcessor(extractor, tokenizer)


@pytest.fixture(scope="module")
def clap() -> ClapProcessor:
    """A processor of the kind of the mini CLAP: 16 kHz, 10 s, and English word pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["a", "calm", "song", "on", "an", "acoustic", "guitar", "cafe", "music"]
    vocabulary = {word: index for index, word in enumerate(special + words)}
    return processor(BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=LIMIT))


@pytest.fixture(scope="module")
def byte_clap() -> ClapProcessor:
    """A processor of the kind of the published CLAP: its tokenizer reads bytes."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return processor(RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=LIMIT))


@pytest.fixture(autouse=True)
def no_warning():
    """A warning that no test waits for is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_good_audio_passes(clap):
    check_audio([NOISE, NOISE[:RATE].astype(np.float64), np.full(5, 1e-9, np.float32)], clap)
    check_audio(np.stack([NOISE, NOISE]), clap)
    check_audio([NOISE.tolist()], clap)


BAD_AUDIO = {
    "no clip": ([], "no audio"),
    "empty": ([NOISE, NOISE[:0]], "clip 1 got 0 samples"),
    "channels first": ([np.stack([NOISE, NOISE])], r"clip 0 got audio of shape \(2, 160000\)"),
    "channels last": ([np.stack([NOISE, NOISE], axis=1)], r"clip 0 got audio of shape \(160000, 2\)"),
    "one clip instead of a list": (NOISE, r"clip 0 got audio of shape \(\)"),
    "NaN": ([np.where(np.arange(len(NOISE)) == 7, np.nan, NOISE)], "clip 0 got 1 samples that are NaN"),
    "infinite": ([np.where(np.arange(len(NOISE)) == 7, -np.inf, NOISE)], "clip 0 got 1 samples that are NaN"),
    "integers": ([np.int16([1, -32768])], "samples up to 32768"),
    "silent": ([NOISE, np.zeros(RATE)], "clip 1 is silent"),
}


@pytest.mark.parametrize("name", BAD_AUDIO)
def test_bad_audio_is_refused(clap, name):
    audio, message = BAD_AUDIO[name]
    with pytest.raises(ValueError, match=message):
        check_audio(audio, clap)


def test_long_audio_is_warned_of(clap):
    with pytest.warns(UserWarning, match="clip 1 lasts 20.0 s, and the model hears 10.0 s"):
        check_audio([NOISE, np.tile(NOISE, 2)], clap)


def test_library_refuses_another_rate(clap):
    """This is why check_audio does not ask for the rate."""
    with pytest.raises(ValueError, match="sampled with 16000 and not 48000"):
        clap(audio=[NOISE], sampling_rate=48_000, return_tensors="pt")


def test_good_texts_pass(clap, byte_clap):
    for each in (clap, byte_clap):
        check_texts(GOOD, each)
        check_texts(GOOD[0], each)
        check_texts(iter(GOOD), each)


@pytest.mark.parametrize("texts", [[], [""], [GOOD[0], " \t\n"], [" "]], ids=repr)
def test_blank_texts_are_refused(clap, byte_clap, texts):
    for each in (clap, byte_clap):
        with pytest.raises(ValueError, match=r"blank|no text"):
            check_texts(texts, each)


@pytest.mark.parametrize("texts", [None, 5, [None], [GOOD[0], 5]], ids=repr)
def test_what_is_no_text_is_refused(clap, texts):
    with pytest.raises(ValueError, match=r"text [01] is (None|5); a text is expected"):
        check_texts(texts, clap)


def test_markup_is_a_text(byte_clap):
    check_texts(["<b>slow</b> *piano* &amp; {flute}"], byte_clap)


@pytest.mark.parametrize("text", ["🎹🎵", "安静的钢琴曲", "спокойная музыка", "a 安静 music 钢琴曲"])
def test_text_in_another_language_is_refused(clap, text):
    with pytest.raises(ValueError, match=f"of the text {text!r} are unknown: this model does not read its language"):
        check_texts([GOOD[0], text], clap)


def test_text_in_another_language_is_refused_where_spaces_are_tokens(tmp_path):
    """T5 reads a text without spaces as a space and one unknown token: by count, half of it is known."""
    t5_tokenizer(tmp_path)
    t5 = SimpleNamespace(tokenizer=AutoTokenizer.from_pretrained(tmp_path))
    assert len(t5.tokenizer("安静的钢琴曲", add_special_tokens=False)["input_ids"]) == 2
    check_texts(["a calm guitar"], t5)
    with pytest.raises(ValueError, match="1 of 1 tokens of the text '安静的钢琴曲' are unknown"):
        check_texts(["安静的钢琴曲"], t5)


def test_unknown_word_is_warned_of(clap):
    with pytest.warns(UserWarning, match="1 of 4 tokens of the text 'a calm guitar 曲' are unknown"):
        check_texts(["a calm guitar 曲"], clap)


def test_tokenizer_of_bytes_knows_everything(byte_clap):
    check_texts(["安静的钢琴曲"], byte_clap)


def test_long_text_is_warned_of(clap, byte_clap):
    text = "a " * 5000
    with pytest.warns(UserWarning, match=r"the last 4938 of 5000 tokens of the text .{63,80} are cut off"):
        check_texts([text], clap)
    with pytest.warns(UserWarning, match=r"tokens of the text .* are cut off: the model reads 62\."):
        check_texts([text], byte_clap)


@pytest.mark.parametrize("count", [62, 63])
def test_limit_is_that_of_the_library(clap, count):
    """Neither a token fewer nor one more is warned of than the library cuts off."""
    text = " ".join(["a"] * count)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_texts([text], clap)
    read = clap(text=[text], truncation=True, return_tensors="pt")["input_ids"].shape[1] - 2
    assert bool(caught) == (read < count)


@pytest.mark.parametrize("seconds", [0, -1, 600, float("nan"), None, "5"])
def test_lengths_that_a_model_cannot_make_are_refused(seconds):
    with pytest.raises(ValueError, match="at most 10: ask for less"):
        check_seconds(seconds, 10.0)


def test_lengths_that_a_model_can_make_pass():
    for seconds in (0.04, 10, 10.0):
        check_seconds(seconds, 10.0)


@pytest.mark.parametrize("scale", [1.0, 3, np.float32(2.5), 100.0])
def test_guidance_from_one_on_passes(scale):
    check_guidance(scale)


@pytest.mark.parametrize("scale", [None, "4", 0.0, 0.99, -3.0, 1e6, float("nan"), float("inf")])
def test_other_guidance_is_refused(scale):
    with pytest.raises(ValueError, match=f"is {scale!r}, and a number from 1, which is no guidance, to 100"):
        check_guidance(scale)


def test_a_text_tower_that_does_not_tell_texts_apart_is_refused():
    draw = np.random.default_rng(seed=0)
    apart = draw.normal(size=(3, 64))
    check_spread(apart)
    with pytest.raises(ValueError, match=r"3 different texts .* 0\.9\d+: this text"):
        check_spread(10 + apart)
    with pytest.raises(ValueError, match="nan"):
        check_spread(np.full((3, 64), np.nan))
