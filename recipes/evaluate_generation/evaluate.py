"""All scores of one generator, from what is measured of its clips and of real ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from musicwords.health import FEWEST_ONSETS, MOST_SIMILAR
from musicwords.probe import Probe, Readings
from recipes.evaluate_generation.adherence import adherence
from recipes.evaluate_generation.distances import between_real, frechet_distance, kernel_distance, median_distance
from recipes.evaluate_generation.diversity import entropy_within, mean_distance, standardized, token_entropy
from recipes.evaluate_generation.listening import EMBEDDINGS
from recipes.evaluate_generation.memorization import BOOKS, TokenIndex, nearest_by_embedding
from recipes.evaluate_generation.prompts import Prompt

WORDINGS = {"all": ("train", "test"), "training wording": ("train",), "held-out wording": ("test",)}
PERCENTILES = (5, 50, 95, 100)
EXAMPLES = 3
HALF = 0.5  # a clip with a larger share of silent frames counts as silent


class Training(NamedTuple):
    """Training clips, to find copies of."""

    ids: Sequence[str]
    tokens: TokenIndex
    embedding_ids: Sequence[str]
    embeddings: np.ndarray  # of musicnn, of the clips that come with the book


class Typed(NamedTuple):
    """Prompts as people type them, with what was made of them and what they describe, as ``listening.heard`` gives."""

    prompts: list[Prompt]
    generated: np.ndarray
    resynthesized: np.ndarray


class Real(NamedTuple):
    """Real clips that generated ones are compared with, as ``listening.heard`` gives them."""

    prompts: list[Prompt]
    described: np.ndarray  # the clips that the prompts describe
    described_works: Sequence[str]
    resynthesized: np.ndarray  # the same through the codec
    reference: np.ndarray  # as many clips of other works
    reference_works: Sequence[str]


def answers(probe: Probe, clips: np.ndarray) -> dict[str, list]:
    return probe.answers(Readings(clips["rhythm"], clips["timbre"]))


def distances(generated: np.ndarray, real: Real) -> dict:
    """FAD and KAD by embedding to the reference clips, and what real clips have among themselves."""
    found = {}
    for name in EMBEDDINGS:
        reference = real.reference[name]
        bandwidth = median_distance(reference)
        sets = {"generated": generated, "codec": real.resynthesized, "real": real.described}
        found[name] = {
            key: {"FAD": frechet_distance(clips[name], reference),
                  "KAD": kernel_distance(clips[name], reference, bandwidth)}
            for key, clips in sets.items()
        }  # fmt: skip
        both = np.concatenate([real.described[name], reference])
        found[name]["real halves"] = between_real(both, [*real.described_works, *real.reference_works], bandwidth)
    return found


def diversity(generated: np.ndarray, samples: np.ndarray, real: Real, entries: int) -> dict:
    """Distances between clips of different prompts, and of one prompt; entropy of the tokens of the first codebook.

    Parameters
    ----------
    samples : shape (prompts, samples)
        Several clips of each of some prompts.
    entries : of a codebook
    """
    sets = {"generated": generated, "codec": real.resynthesized, "real": real.described}
    found = {}
    for name in EMBEDDINGS:
        reference = real.reference[name]
        found[name] = {key: mean_distance(standardized(clips[name], reference)) for key, clips in sets.items()}
        within = [mean_distance(standardized(some[name], reference)) for some in samples]
        found[name]["within a prompt"] = float(np.mean(within))
    for measure, function in (("entropy", token_entropy), ("entropy within a clip", entropy_within)):
        found[measure] = {key: function(clips["codes"][:, 0], entries) for key, clips in sets.items()}
    return found


def nearest(clips: np.ndarray, training: Training) -> dict[str, list]:
    """The nearest training clip of each clip, by tokens and by embedding: ids and values, most similar first."""
    matches = [training.tokens.nearest(codes) for codes in clips["codes"]]
    rows, cosines = nearest_by_embedding(clips["musicnn"], training.embeddings)
    by_tokens = [(one.share, place, training.ids[one.clip], one.shift) for place, one in enumerate(matches)]
    by_embedding = [(float(value), place, training.embedding_ids[row], None)
                    for place, (row, value) in enumerate(zip(rows, cosines, strict=True))]  # fmt: skip
    return {"tokens": sorted(by_tokens, reverse=True), "embedding": sorted(by_embedding, key=lambda one: -one[0])}


def copies(real: Real) -> dict[str, np.ndarray]:
    """What copies would reach: similarity of real clips through the codec with themselves, by tokens and embedding."""
    same = real.resynthesized["codes"][:, :BOOKS] == real.described["codes"][:, :BOOKS]
    own, other = (standardized(clips["musicnn"], real.reference["musicnn"])
                  for clips in (real.resynthesized, real.described))  # fmt: skip
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(other, axis=1)
    return {"tokens": same.mean(axis=(1, 2)), "embedding": (own * other).sum(axis=1) / lengths}


def memorization(generated: np.ndarray, real: Real, training: Training) -> dict:
    """How near clips are to training clips: percentiles, and examples.

    Beside them stand real clips of other works, through the codec too, and copies: tokens change a little where a clip
    is decoded and encoded again. ``beyond real``: share of the clips that are nearer to a training clip than 99 % of
    the real ones are.
    """
    own, control, copied = nearest(generated, training), nearest(real.resynthesized, training), copies(real)
    found = {}
    for kind, ranked in own.items():
        values, others = (np.array([one[0] for one in some]) for some in (ranked, control[kind]))
        sets = {"generated": values, "codec": others, "copies": copied[kind]}
        found[kind] = {key: np.percentile(some, PERCENTILES).tolist() for key, some in sets.items()} | {
            "percentiles": list(PERCENTILES),
            "beyond real": float((values > np.percentile(others, 99)).mean()),
            "examples": [
                {"prompt": real.prompts[place].text, "number": place, "clip": clip, "value": value, "shift": shift}
                for value, place, clip, shift in ranked[:EXAMPLES]
            ],
        }
    return found


def health_shares(clips: np.ndarray) -> dict[str, float]:
    """Shares of the clips with hardly an onset, stuck in a loop, and mostly silent."""
    return {
        "few onsets": float((clips["onsets"] < FEWEST_ONSETS).mean()),
        "loop": float((clips["self_similarity"] > MOST_SIMILAR).mean()),
        "silent": float((clips["silence"] > HALF).mean()),
    }


def adherence_by_wording(
    generated: np.ndarray, real: Real, typed: Mapping[str, Typed], probe: Probe
) -> dict[str, dict]:
    """Adherence on all prompts and on those in each wording; those that training lacked beside those that it had."""
    groups = {}
    for title, wordings in WORDINGS.items():
        places = [place for place, one in enumerate(real.prompts) if one.wording in wordings]
        groups[title] = generated[places], real.resynthesized[places], [real.prompts[place] for place in places]
    groups |= {title: (one.generated, one.resynthesized, one.prompts) for title, one in typed.items()}
    found = {}
    for title, (own, top, prompts) in groups.items():
        known = found.get("training wording", {})
        others = {name: entry["generated"][0] for name, entry in known.items() if entry["generated"]}
        found[title] = adherence(answers(probe, own), answers(probe, top), prompts, others)
    return found


def evaluate(
    generated: np.ndarray,
    samples: np.ndarray,
    seconds: float,
    real: Real,
    typed: Mapping[str, Typed],
    probe: Probe,
    training: Training,
    entries: int,
) -> dict:
    """All scores of a generator.

    Parameters
    ----------
    generated : from ``listening.heard``, one clip a prompt
    samples : shape (prompts, samples)
        Several clips of each of some prompts.
    seconds : of computing for one of audio
    real, probe, training : what to compare with
    typed : by their title
    entries : of a codebook
    """
    return {
        "prompts": len(real.prompts),
        "samples": list(samples.shape),
        "adherence": adherence_by_wording(generated, real, typed, probe),
        "distances": distances(generated, real),
        "diversity": diversity(generated, samples, real, entries),
        "memorization": memorization(generated, real, training),
        "health": {
            "generated": health_shares(generated),
            "codec": health_shares(real.resynthesized),
            "real": health_shares(real.described),
        },
        "seconds of computing per second": seconds,
    }
