"""The part of a generator's card that says what its prompts were."""

from recipes.prompt_encoder.prompts import SHARES


def told() -> str:
    """An entry of a list in Markdown."""
    share = {" ".join(kind): f"{value:.0%}" for kind, value in SHARES.items()}
    return f"""- Prompts, another one of a clip each time: captions by `musicwords/captions` ({share["caption en"]}
  English, {share["caption zh"]} Chinese), sentences as people type them that are true of the clip ({share["typed en"]}
  and {share["typed zh"]}, `recipes/natural`; no listener wrote them for a clip), and {share[" "]} empty ones."""
