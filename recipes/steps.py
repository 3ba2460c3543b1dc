"""The steps from scores and recordings to the checkpoints: what each is made of, and in which order they run.

A step begins anew if and only if something that it is made of has changed; see ``recipes.common.inputs``.
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from recipes.common.command_line import BUILD, CHECKPOINTS, OPTIONS, ROOT
from recipes.common.inputs import RECORD, Code

TEXTS = ("musicwords.captions", "recipes.corpus.texts")
RENDERING = ("idioms", "orchestration", "plan", "recordings", "render", "splits", "works")
TRAINING = ("recipes.common.training", "recipes.common.batching")


def fonts(options: Namespace) -> dict:
    # Imported here, since the other steps do without what renders.
    from recipes.corpus import render
    from recipes.corpus.plan import TRAINED_FONTS, UNHEARD_FONT
    from recipes.music.soundfont import find_font

    render.register_unheard_font()
    return {f"sound font {name}": find_font(name) for name in (*TRAINED_FONTS, UNHEARD_FONT)}


def corpus(options: Namespace) -> dict:
    return {"listing": options.corpus / "corpus.jsonl", "clips": options.corpus / "clips"}


def timbres(options: Namespace) -> dict:
    return {"timbres": options.timbres / "corpus.jsonl"}


def clap(options: Namespace) -> dict:
    return {"CLAP": options.clap}


def sounds(options: Namespace) -> dict:
    """What the CLAP hears beside the corpus, and the sentences that people type."""
    return timbres(options) | {
        "recordings": options.recordings / RECORD,
        "sentences": ROOT / "recipes" / "natural",
    }


def recordings(options: Namespace) -> dict:
    return {"table of recordings": ROOT / "recipes" / "recordings" / "tracks.toml"}


def codec_and_prompts(options: Namespace) -> dict:
    return {
        "codec": options.codec / "checkpoint",
        "prompt encoder": options.prompt_encoder / "checkpoint",
        "sentences": ROOT / "recipes" / "natural",
    }


def of(recipe: str, *modules: str) -> tuple[str, ...]:
    return tuple(f"recipes.{recipe}.{module}" for module in modules)


PROMPTS = of("clap", "sentences", "lessons") + of("prompt_encoder", "prompts")


@dataclass(frozen=True)
class Step:
    """A step of the way.

    Attributes
    ----------
    made_of : functions of the options of the command line that give inputs by name
    code : modules whose code is an input, those that train
    module : what is run, if it is not ``recipes.`` and the name of the step
    arguments : of the command line
    checked : False where the module itself knows what is to be done, part by part
    """

    made_of: tuple[Callable[[Namespace], dict], ...] = ()
    code: tuple[str, ...] = ()
    module: str = ""
    arguments: tuple[str, ...] = ()
    checked: bool = True


STEPS = {
    "corpus": Step((fonts,), ("recipes.music", *of("corpus", *RENDERING))),
    "timbres": Step((corpus,), ("recipes.music", "recipes.timbres", *of("corpus", *RENDERING))),
    "recordings": Step((recordings,), ("musicwords.musicnn", "recipes.recordings.windows")),
    "table": Step(module="corpus.table", checked=False),
    "clap": Step(
        (corpus, sounds),
        (
            *TEXTS,
            *TRAINING,
            *of(
                "clap",
                "features",
                "audio_tower",
                "sentences",
                "lessons",
                "text_tower",
                "listening",
                "tuning",
                "alignment",
                "joining",
            ),
        ),
    ),
    "captioner": Step((corpus, timbres, clap), (*TEXTS, *TRAINING, *of("captioner", "texts", "training"))),
    "codec": Step((corpus,), (*TRAINING, "musicwords.codec", *of("codec", "audio", "losses", "training"))),
    "prompt_encoder": Step(
        (corpus, clap), (*TEXTS, *TRAINING, *of("clap", "sentences", "lessons"), *of("prompt_encoder", "training"))
    ),
    "musicgen": Step(
        (corpus, codec_and_prompts), (*TEXTS, *TRAINING, *PROMPTS, *of("musicgen", "delay", "model", "training"))
    ),
    "diffusion": Step(
        (corpus, codec_and_prompts),
        (*TEXTS, *TRAINING, *PROMPTS, "musicwords.diffusion", *of("diffusion", "model", "training")),
    ),
    "settings of musicgen": Step(module="evaluate_generation.settings", arguments=("musicgen",), checked=False),
    "settings of diffusion": Step(module="evaluate_generation.settings", arguments=("diffusion",), checked=False),
    "evaluate_generation": Step(checked=False),
}


def inputs_of(name: str, options: Namespace) -> dict:
    """What a step is made of, by name, for ``recipes.common.inputs.start``."""
    step, found = STEPS[name], {}
    for part in step.made_of:
        found |= part(options)
    return found | {f"code of {module}": Code(module) for module in step.code}


def defaults(name: str) -> Namespace:
    """The options of a step whose command line is empty."""
    own = {"work": BUILD / name, "output": CHECKPOINTS / name}
    return Namespace(**{option: default or own[option] for option, (default, _) in OPTIONS.items()})
