"""Tables of the scores for a model card, and the scores as rows of a file."""

from recipes.common.cards import table
from recipes.evaluate_generation.prompts import ATTRIBUTES

TITLES = {"generated": "generated", "chance": "shuffled prompts", "ceiling": "real, through the codec",
          "ratio": "of the ceiling", "gain": "from chance to ceiling",
          "beside": "of the wording of training"}  # fmt: skip
SETS = {"generated": "generated", "codec": "real, through the codec", "real": "real"}
AIM = 0.7  # of the ceiling, for the attributes below
AIMED = ("family", "percussion")


def cell(value: list[float] | None) -> str:
    """A value with its interval."""
    return "–" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)


def adherence_table(scores: dict, wording: str = "all") -> str:
    found = scores["adherence"][wording]
    titles = {key: title for key, title in TITLES.items() if found["all"][key]}
    rows = [
        [name, str(found[name]["prompts"]), *(cell(found[name][key]) for key in titles)]
        for name in (*ATTRIBUTES, "all") if found[name]["prompts"]
    ]  # fmt: skip
    return table(["attribute", "prompts", *titles.values()], rows)


def aims(scores: dict) -> str:
    lines = []
    for name in AIMED:
        value = scores["adherence"]["all"][name]["ratio"][0]
        verdict = f"reached, by {value - AIM:.2f}" if value >= AIM else f"missed, by {AIM - value:.2f}"
        lines.append(f"- {name} at least {AIM:.2f} of the ceiling: {value:.2f}, {verdict}")
    return "\n".join(lines) + "\n"


def distance_table(scores: dict) -> str:
    rows = []
    for name, sets in scores["distances"].items():
        for metric in ("FAD", "KAD"):
            digits = 3 if metric == "KAD" else 2
            mean, low, high = sets["real halves"][metric]
            rows.append([name, metric, *(f"{sets[key][metric]:.{digits}f}" for key in SETS),
                         f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"])  # fmt: skip
    return table(["embedding", "distance", *SETS.values(), "real, random halves by work"], rows)


def diversity_table(scores: dict) -> str:
    found = scores["diversity"]
    lines = [(f"cosine distance of {name} embeddings, between prompts", found[name]) for name in scores["distances"]]
    lines += [
        (f"{key} of the tokens of the first codebook, bits", found[key]) for key in ("entropy", "entropy within a clip")
    ]
    body = [[title, *(f"{values[key]:.2f}" for key in SETS)] for title, values in lines]
    body += [
        [f"cosine distance of {name} embeddings, within a prompt", f"{found[name]['within a prompt']:.2f}", "–", "–"]
        for name in scores["distances"]
    ]
    return table(["measure", *SETS.values()], body)


def memorization_table(scores: dict) -> str:
    titles = {"generated": "generated", "codec": "real, of other works", "copies": "copies"}
    body = [
        [kind, title, *(f"{value:.3f}" for value in found[key]),
         f"{found['beyond real']:.1%}" if key == "generated" else "–"]
        for kind, found in scores["memorization"].items() for key, title in titles.items()
    ]  # fmt: skip
    percentiles = [f"{value}th percentile" for value in scores["memorization"]["tokens"]["percentiles"][:-1]]
    return table(["nearest by", "clips", *percentiles, "largest", "beyond 99 % of real ones"], body)


def example_table(scores: dict) -> str:
    rows = [
        [kind, one["prompt"].replace("|", "\\|"), one["clip"], f"{one['value']:.3f}"]
        for kind, found in scores["memorization"].items() for one in found["examples"]
    ]  # fmt: skip
    return table(["nearest by", "prompt", "training clip", "similarity"], rows)


def health_table(scores: dict) -> str:
    rows = [[SETS[key], *(f"{value:.1%}" for value in found.values())] for key, found in scores["health"].items()]
    return table(["clips", "fewer than 2 onsets", "self-similarity over 95 %", "more than half silent"], rows)


def tables(scores: dict) -> str:
    """The part of a generator's card that says how its music was judged, and with what result."""
    count, (groups, samples) = scores["prompts"], scores["samples"]
    return f"""Judged on {count} prompts with fixed seeds, captions of test works that training never had. Each states
the instrument family and at least two of percussion, tempo class, texture and dynamics. An independent probe, which was
fitted to real clips through the codec and never to generated ones, listens to what was generated
(`musicwords/probe.py`, `recipes/evaluate_generation`).

*Adherence*: how often the probe hears what the prompt states. *Shuffled prompts*: the same, were each clip made for
another prompt. *Real, through the codec*: the clip that the prompt describes. *Of the wording of training*: beside what
prompts in that wording reach, were they to state the same. 95 % intervals are from drawing prompts.

{adherence_table(scores)}
Prompts in the wording of training:

{adherence_table(scores, "training wording")}
Prompts in wording that training never had:

{adherence_table(scores, "held-out wording")}
Sentences as people type them, by authors whose other sentences training never had (`recipes/natural`), in English:

{adherence_table(scores, "typed, en")}
In Chinese:

{adherence_table(scores, "typed, zh")}
Aims, set before the training:

{aims(scores)}
*Distance* from {count} real clips of other test works; all sets have the same size. *Real* are the clips that the
prompts describe. The last column is between random halves of all these real clips, mean and 95 % range: what chance
does. KAD is times 100.

{distance_table(scores)}
*Diversity*. Within a prompt: {samples} clips of each of {groups} prompts. Embeddings are standardized.

{diversity_table(scores)}
*Memorization*: the nearest training clip, by the share of equal tokens of two codebooks at the best shift within two
seconds, and by the cosine of standardized musicnn embeddings (of the half of the training clips that comes with the
book). Beside them stand real clips of other works, through the codec, and what *copies* would reach: real clips through
the codec, compared with themselves.

{memorization_table(scores)}
The most similar ones:

{example_table(scores)}
*Health*:

{health_table(scores)}
Computing took {scores["seconds of computing per second"]:.2f} seconds for one second of audio.
"""


def rows(scores: dict) -> list[dict]:
    """The scores as a tidy table: one number a row, with its interval where there is one."""
    found = []

    def add(measure: str, of: str, what: str, value: list[float] | float, wording: str = "all") -> None:
        value, low, high = value if isinstance(value, list) else (value, "", "")
        found.append({"measure": measure, "what": what, "of": of, "wording": wording, "value": value, "low": low,
                      "high": high})  # fmt: skip

    for wording, entry in scores["adherence"].items():
        for name, values in entry.items():
            for key in TITLES:
                if values[key] is not None:
                    add("adherence", key, name, values[key], wording)
    for name, sets in scores["distances"].items():
        for key, values in sets.items():
            for metric, value in values.items():
                add(metric, key, name, value)
    for name, values in scores["diversity"].items():
        for key, value in values.items():
            add("token entropy" if name.startswith("entropy") else "cosine distance", key, name, value)
    for kind, entry in scores["memorization"].items():
        for of in ("generated", "codec", "copies"):
            for percentile, value in zip(entry["percentiles"], entry[of], strict=True):
                add("nearest training clip", of, f"{kind}, percentile {percentile}", value)
        add("nearest training clip", "generated", f"{kind}, share beyond 99 % of real", entry["beyond real"])
    for name, values in scores["health"].items():
        for key, value in values.items():
            add("health", name, key, value)
    add("speed", "generated", "seconds of computing per second", scores["seconds of computing per second"])
    return found
