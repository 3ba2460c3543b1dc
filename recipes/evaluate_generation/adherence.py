"""How often generated music has what its prompt states, between chance and the ceiling that real clips set."""

from collections.abc import Mapping, Sequence

import numpy as np

from recipes.evaluate_generation.prompts import ATTRIBUTES, Prompt

REPEATS, LEVELS = 1000, (2.5, 97.5)  # bootstrap samples, and percentiles of the interval


def right(answers: Mapping[str, Sequence], prompts: Sequence[Prompt], name: str) -> np.ndarray:
    """Whether the answer is what the prompt states: 1 or 0, and NaN where it does not state the attribute."""
    pairs = zip(answers[name], prompts, strict=True)
    return np.array([np.nan if name not in one.states else float(said == one.states[name]) for said, one in pairs])


def by_chance(answers: Mapping[str, Sequence], prompts: Sequence[Prompt], name: str) -> np.ndarray:
    """The mean of ``right`` over all ways to give each clip the prompt of another one: what shuffled prompts reach.

    Only prompts that state the attribute are dealt, among the clips that were made for them.
    """
    found = np.full(len(prompts), np.nan)
    stating = [place for place, one in enumerate(prompts) if name in one.states]
    for place in stating:
        others = [prompts[other].states[name] == answers[name][place] for other in stating if other != place]
        found[place] = np.mean(others) if others else np.nan
    return found


def shares(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Mean of the entries that are not NaN, for each bootstrap sample.

    Parameters
    ----------
    rows : shape (prompts, attributes)
    drawn : shape (samples, prompts)
        How often each prompt was drawn.
    """
    known = np.isfinite(rows)
    with np.errstate(invalid="ignore"):  # no prompt that was drawn states it
        return (drawn @ np.where(known, rows, 0).sum(axis=1)) / (drawn @ known.sum(axis=1))


def interval(values: np.ndarray) -> list[float] | None:
    """[value, low, high] from the value and those of the bootstrap samples; None where it is not defined."""
    if not np.isfinite(values[0]):
        return None
    return [float(values[0]), *np.nanpercentile(values[1:], LEVELS).tolist()]


def adherence(
    generated: Mapping[str, Sequence],
    ceiling: Mapping[str, Sequence],
    prompts: Sequence[Prompt],
    others: Mapping[str, float] | None = None,
    seed: int = 0,
) -> dict[str, dict]:
    """Adherence by attribute, and over all statements together ("all").

    Parameters
    ----------
    generated : answers of the probe on the generated clips, by attribute one for each prompt
    ceiling : the same on the real clips that the prompts describe, through the codec
    prompts : what was asked for
    others : adherence of other prompts by attribute, to compare with

    Returns
    -------
    dict
        By attribute: ``prompts`` that state it, and as [value, low, high] with 95 % intervals from drawing prompts:
        ``generated``, ``chance`` (other prompts), ``ceiling``, ``ratio`` (generated to ceiling), ``gain`` (from
        chance, 0, to the ceiling, 1) and ``beside`` (generated to what ``others`` have on the same attributes).
        None is what is not defined, as a ratio to a ceiling of 0.
    """
    rng = np.random.default_rng(seed)
    count = len(prompts)
    again = rng.multinomial(count, np.full(count, 1 / count), size=REPEATS)
    drawn = np.vstack([np.ones(count), again]).astype(float)
    found = {}
    for name in (*ATTRIBUTES, "all"):
        names = ATTRIBUTES if name == "all" else (name,)
        own, chance, top = (
            shares(np.stack([function(answers, prompts, one) for one in names], axis=1), drawn)
            for function, answers in ((right, generated), (by_chance, generated), (right, ceiling))
        )
        expected = np.stack([
            np.where(np.isfinite(right(generated, prompts, one)), (others or {}).get(one, np.nan), np.nan)
            for one in names
        ], axis=1)  # fmt: skip
        # A sample that has few prompts of an attribute may have no distance between chance and ceiling.
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {"generated": own, "chance": chance, "ceiling": top, "ratio": own / top,
                      "gain": (own - chance) / (top - chance), "beside": own / shares(expected, drawn)}  # fmt: skip
        stating = sum(any(one in prompt.states for one in names) for prompt in prompts)
        found[name] = {"prompts": stating} | {key: interval(value) for key, value in values.items()}
    return found
