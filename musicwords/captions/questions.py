"""Multiple-choice questions on the attributes of a clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from .grammar import listed, statable
from .lexicon import DRUMS, INSTRUMENT_FORMS, KIN

# kind -> wordings of the question, and of each option
CHOICES = {
    "tempo": {
        "train": (
            "How fast is this music?",
            "What is the tempo?",
            "Which word describes the speed?",
            "Is the pace slow, medium or fast?",
        ),
        "test": ("At what sort of speed does the piece go?", "How would you rate the pace?"),
        "options": {
            "slow": ("slow", "a slow tempo"),
            "medium": ("medium", "a medium tempo"),
            "fast": ("fast", "a fast tempo"),
        },
    },
    "percussion": {
        "train": (
            "Is there percussion in this clip?",
            "Do you hear drums?",
            "Does the music have a drum part?",
            "Are there any drums?",
        ),
        "test": ("Can drumming be heard?", "Is anyone playing percussion here?"),
        "options": {True: ("yes", "yes, there are drums"), False: ("no", "no, there are no drums")},
    },
    "mode": {
        "train": (
            "Is the music in a major or a minor key?",
            "What is the mode?",
            "Which mode is this piece in?",
            "Major or minor?",
        ),
        "test": ("Does the harmony rest on a major or a minor scale?", "Which of the two modes do you hear?"),
        "options": {"major": ("major", "a major key"), "minor": ("minor", "a minor key")},
    },
    "texture": {
        "train": (
            "How many instruments are playing?",
            "Is this a solo, a duet or an ensemble?",
            "How large is the group of players?",
            "What kind of texture do you hear?",
        ),
        "test": ("Who is playing: one, two or more?", "What is the size of the line-up?"),
        "options": {
            "solo": ("solo", "one instrument"),
            "duet": ("duet", "two instruments"),
            "ensemble": ("ensemble", "more than two instruments"),
        },
    },
}
ATTRIBUTES = {"tempo": "tempo_class", "percussion": "percussion", "mode": "mode", "texture": "texture"}
INSTRUMENT_QUESTIONS = {
    "any": {
        "train": (
            "Which of these instruments do you hear?",
            "Which instrument is playing?",
            "Which instrument is in this clip?",
        ),
        "test": ("One of these instruments takes part: which one?", "Which of these can be heard?"),
    },
    "lead": {
        "train": ("Which instrument plays the lead?", "Which instrument carries the melody?"),
        "test": ("What is the leading instrument?",),
    },
    "all": {
        "train": ("Which instruments do you hear?", "What is the instrumentation?", "Who is playing?"),
        "test": ("Which line-up fits the clip?",),
    },
}
OPTIONS = 4  # of a question on instruments


@dataclass(frozen=True)
class Question:
    """A multiple-choice question.

    Attributes
    ----------
    question : its words
    options : the answers to choose from, in random order
    answer : the one that is right
    kind : "tempo", "instruments", "percussion", "mode" or "texture"
    """

    question: str
    options: tuple[str, ...]
    answer: str
    kind: str


def questions(attributes: Mapping[str, object], rng: Random, wording: str = "train") -> list[Question]:
    """Ask one question of each kind that the record of a clip answers.

    Parameters
    ----------
    attributes : as for ``caption``
    rng : where the choices come from
    wording : "train", or "test" for questions whose wording is held out

    Returns
    -------
    list of Question
        Options are shuffled, so that the place of the answer says nothing. Wrong options on instruments are never
        easily mistaken for an instrument that plays: no cello beside a viola, no synthesizer beside another.
    """
    facts = statable(attributes)
    asked = []
    for kind, texts in CHOICES.items():
        if (value := facts.get(ATTRIBUTES[kind])) is not None:
            form = rng.randrange(2)
            options = [forms[form] for forms in texts["options"].values()]
            asked.append(_ask(rng.choice(texts[wording]), options, texts["options"][value][form], kind, rng))
    asked.append(_instruments(facts["instruments"], rng, wording))
    return asked


def _instruments(names: list[str], rng: Random, wording: str) -> Question:
    """Ask for one instrument, the lead or the whole line-up."""
    names = list(dict.fromkeys(names))
    kin = frozenset().union(*(KIN[name] for name in names))
    strangers = [name for name in INSTRUMENT_FORMS if not KIN[name] & kin]
    others = OPTIONS - 1
    kinds = ["any", "lead", "all"] if 1 < len(names) <= 4 and len(strangers) >= others * len(names) else ["any", "lead"]
    kind = rng.choice(kinds) if names[0] not in DRUMS else "any"
    if kind == "all":
        # No two line-ups share an instrument: else the right one could be told by what the wrong ones share with it.
        drawn = rng.sample(strangers, others * len(names))
        wrong = [listed(drawn[i::others]) for i in range(others)]
        answer = listed(names)
    else:
        wrong = rng.sample(strangers, others)
        answer = names[0] if kind == "lead" else rng.choice(names)
    return _ask(rng.choice(INSTRUMENT_QUESTIONS[kind][wording]), [answer, *wrong], answer, "instruments", rng)


def _ask(question: str, options: list[str], answer: str, kind: str, rng: Random) -> Question:
    return Question(question, tuple(rng.sample(options, len(options))), answer, kind)
