"""What to ask of audio and texts before a model reads them, where the model's own library stays silent."""

import warnings
from collections.abc import Iterable, Sequence
from numbers import Real

import numpy as np
from transformers import ProcessorMixin

from musicwords.signal import check_signal

MOST_UNKNOWN = 0.5  # share of the tokens of a text
MOST_ALIKE = 0.95  # cosine similarity of unrelated texts, on average; of working text towers it is below one half
MOST_GUIDANCE = 100.0  # far beyond what any generator here is tuned to; sounds stay finite up to there


def check_audio(audio: Sequence[np.ndarray], processor: ProcessorMixin) -> None:
    """Raise unless each clip is something that an extractor such as that of CLAP can describe.

    Call it before ``processor.feature_extractor(audio, sampling_rate=rate)``. The rate is not asked for here: the
    extractor raises if it is told another rate than its own. Nobody can see that a rate is told wrongly, so read
    files with ``load_audio(path, processor.feature_extractor.sampling_rate)``. Do not call ``processor(audio=audio)``
    where the tokenizer's file has a ``max_length`` of, say, 64 tokens: transformers 5 hands it on to the extractor,
    which then takes 64 samples.

    Parameters
    ----------
    audio : sequence of np.ndarray, each of shape (samples,)
        Mono waveforms, between -1 and 1.
    processor : transformers.ProcessorMixin
        Its ``feature_extractor`` says how many samples it takes, ``nb_max_samples``. Of a longer clip it takes a
        part at random, which is warned of.

    Raises
    ------
    ValueError
        If there is no clip, or if one has another number of axes, no sample, a sample that is NaN or infinite,
        samples far over full scale, or nothing but zeros. Without this, transformers 5 divides by zero, asks for
        hundreds of gigabytes, or returns an embedding that is NaN or means nothing.
    """
    if len(audio) == 0:
        raise ValueError("there is no audio: give a list with at least one clip.")
    limit = processor.feature_extractor.nb_max_samples
    rate = processor.feature_extractor.sampling_rate
    for place, clip in enumerate(audio):
        clip = check_signal(clip, f"clip {place}")
        if not clip.any():
            raise ValueError(f"clip {place} is silent, all its samples are 0: there is nothing to describe.")
        if clip.size > limit:
            warnings.warn(
                f"clip {place} lasts {clip.size / rate:.1f} s, and the model hears {limit / rate:.1f} s of it, taken "
                "at random: cut it into parts of that length, and take the mean of their embeddings.",
                stacklevel=2,
            )


def check_spread(embeddings: np.ndarray) -> None:
    """Raise unless a text tower gives different embeddings for different texts.

    A published port of CLAP, laion/larger_clap_music, gives nearly one and the same [1]_.

    Parameters
    ----------
    embeddings : np.ndarray, shape (texts, dimensions)
        Of at least two texts that have little in common.

    Raises
    ------
    ValueError
        If their mean cosine similarity is above 0.95.

    References
    ----------
    .. [1] https://github.com/embeddings-benchmark/mteb/issues/5069
    """
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    alike = (unit @ unit.T)[np.triu_indices(len(unit), k=1)].mean()
    if not alike <= MOST_ALIKE:
        raise ValueError(
            f"the embeddings of {len(unit)} different texts have a mean cosine similarity of {alike:.4f}: this text "
            "tower does not tell texts apart. Load another checkpoint."
        )


def check_texts(texts: Sequence[str], processor: ProcessorMixin) -> None:
    """Raise unless each text is something that the tokenizer of a model has tokens for.

    Call it before ``processor(text=texts, padding=True, truncation=True)``, which cuts long texts and replaces
    unknown words in silence.

    The mini CLAP reads English and Simplified Chinese, and the mini generators English. A tokenizer that reads bytes,
    such as RoBERTa's in the published CLAP, has no unknown tokens: text in another language than the model learned
    passes, and only the answers show it.

    Parameters
    ----------
    texts : sequence of str
        What the model is to read.
    processor : transformers.ProcessorMixin
        Its ``tokenizer`` has a limit, ``model_max_length``. A text that is cut off at the limit, or that holds some
        unknown tokens, is warned of.

    Raises
    ------
    ValueError
        If there is no text, or if one is no text at all, such as None, is blank, or has more unknown tokens than known
        ones.
    """
    texts = [texts] if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {place} is {text!r}; a text is expected: give a str, or a list of them.")
    if not texts:
        raise ValueError("there is no text: give at least one.")
    tokenizer = processor.tokenizer
    limit = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
    for text, tokens in zip(texts, tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"], strict=True):
        words = [token for token in tokens if tokenizer.decode([token]).strip()]  # T5 has a token for a space
        if not words:
            raise ValueError(f"the text {text!r} is blank: write what is to be heard.")
        shown = text if len(text) <= 60 else f"{text[:60]} ..."
        unknown = words.count(tokenizer.unk_token_id)
        if unknown > MOST_UNKNOWN * len(words):
            raise ValueError(
                f"{unknown} of {len(words)} tokens of the text {shown!r} are unknown: this model does not read its "
                "language. Write it in English, or in another language that the model's card names."
            )
        if unknown:
            warnings.warn(f"{unknown} of {len(words)} tokens of the text {shown!r} are unknown.", stacklevel=2)
        if len(tokens) > limit:
            warnings.warn(
                f"the last {len(tokens) - limit} of {len(tokens)} tokens of the text {shown!r} are cut off: the model "
                f"reads {limit}.",
                stacklevel=2,
            )


def check_seconds(seconds: float, longest: float) -> None:
    """Raise unless a model of music can be asked for so much of it.

    Call it before ``model.generate(max_new_tokens=...)``, which works on any number of tokens: with none it returns
    nothing that could be played, and past the length of its training it goes on for minutes and loses itself.

    Parameters
    ----------
    seconds : float
        Length of the music.
    longest : float
        The clips of its training, in seconds.

    Raises
    ------
    ValueError
        If the length is no number, or not above 0 and at most ``longest``.
    """
    if not (isinstance(seconds, Real) and 0 < seconds <= longest):
        raise ValueError(
            f"{seconds!r} seconds are asked for, and this model makes more than 0 and at most {longest:g}: ask for "
            "less, and give the end of the result as the beginning of the next."
        )


def check_guidance(guidance_scale: float) -> None:
    """Raise unless ``MusicgenForConditionalGeneration.generate`` can work with a guidance scale.

    Of transformers 5, it leaves guidance out for 1 and for None, and fails deep inside for less, where a general
    guidance takes over that is made for models of text. Whoever wants the checkpoint's own scale, leaves the argument
    out there, and has nothing to check.

    Parameters
    ----------
    guidance_scale : float

    Raises
    ------
    ValueError
        If it is None or no number, less than 1, or more than ``MOST_GUIDANCE``.
    """
    if not (isinstance(guidance_scale, Real) and 1 <= guidance_scale <= MOST_GUIDANCE):
        raise ValueError(
            f"guidance_scale is {guidance_scale!r}, and a number from 1, which is no guidance, to {MOST_GUIDANCE:g} is "
            "expected: give 1, leave the argument out for the checkpoint's own, or leave the prompt out for music "
            "without any wish."
        )
