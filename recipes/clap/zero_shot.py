"""Zero-shot classification: what each class is called, and which clips a question can be asked of."""

from collections.abc import Mapping

FAMILIES = {
    "keyboard": "keyboard instrument",
    "free reed": "accordion",
    "strings": "bowed string instrument",
    "plucked strings": "plucked string instrument",
    "brass": "brass instrument",
    "woodwind": "woodwind instrument",
    "voice": "choir",
    "mallets": "mallet instrument",
    "electronic": "synthesizer",
}
TEMPLATES = ("{}", "this is {}.", "you can hear {}.", "a recording of {}")  # their embeddings are averaged
# task -> class -> words. They were written before the first score, and are in the words of training.
CLASSES = {
    "instrument family": {family: f"a piece played by a {words}".replace("a accordion", "an accordion")
                          for family, words in FAMILIES.items()},
    "tempo": {"slow": "slow music", "medium": "music at a medium tempo", "fast": "fast music"},
    "percussion": {True: "music with drums", False: "music without drums"},
    "mode": {"major": "music in a major key", "minor": "music in a minor key"},
}  # fmt: skip


def label(task: str, attributes: Mapping) -> object:
    """The class of a clip, or None where it has none: the family is asked of clips with just one, drums apart."""
    if task == "instrument family":
        pitched = [family for family in attributes["families"] if family != "drums"]
        return pitched[0] if len(pitched) == 1 and pitched[0] in FAMILIES else None
    return attributes[{"tempo": "tempo_class"}.get(task, task)]
