"""The model card of the captioner, with every number from the run."""

import csv
from pathlib import Path
from string import Template

from musicwords.captioner import BANDS, PARTS
from recipes.captioner import training
from recipes.captioner.evaluate import KINDS, REFERENCES, STYLES
from recipes.captioner.metrics import ATTRIBUTES
from recipes.common.cards import table
from recipes.corpus.plan import SIZES
from recipes.timbres.build import CLIPS as TIMBRES

METRICS = ("BLEU-4", "ROUGE-L", "METEOR", "CIDEr")
ANSWERING = ("captioner", "with the audio of another clip", "without audio", "majority")
SETS = {
    "test": "works that training never had",
    "collection": "a collection never trained on",
    "font": "a sound font never trained on",
    "combination": "combinations of instrument family, tempo and percussion never trained on",
    "recordings": "real recordings, of which only instruments and percussion are known",
}
CARD = Template("""---
license: mit
library_name: transformers
pipeline_tag: text-generation
---
# A captioner for music

A small GPT-2 ($layers layers of width $width, a vocabulary of its own) that describes ten seconds of music and answers
multiple-choice questions on them. It reads what the audio tower of the mini CLAP makes of a clip: a vector of the
whole, $bands of bands of frequency and $parts of parts of time. A mapping network turns them into a prefix of $prefix
vectors, as in ClipCap. It has $parameters parameters together and was made to be read, run and taken apart in a book.

```python
from musicwords.captioner import Captioner, audio_vectors
from musicwords.checkpoints import checkpoint

captioner = Captioner.from_pretrained(**checkpoint("captioner"))
heard = audio_vectors(clap.audio_model(input_features=features).last_hidden_state)  # of the mini CLAP
captions = captioner.captions(heard, task="plain")  # or tags, rich, request, note, telegraphic
```

## Training
- Data: $clips clips of ten seconds, rendered by `recipes/corpus` with two sound fonts from scores of music21's corpus
  and from procedural pieces, and $timbres more with other timbres by `recipes/timbres`; captions and questions by
  `musicwords/captions`, other ones in each epoch. No text by a listener, and no recording, although the audio tower
  has heard some.
- From scratch, the mapping network and GPT-2 together, $epochs epochs of $texts captions and answers
  ($minutes minutes on one CPU core). In $unheard of them learned vectors stood in place of the sound: that is the
  captioner without audio. Beside the texts, the mean of the prefix had to tell all facts of the clip. The first epoch
  of the shipped weights followed the schedule of a run of eight: a warm-up of 385 steps in place of 240, then a rate up
  to 5 % higher. Curve: `curve.csv`.
- Recipe: `recipes/captioner`. One seed. Nothing was chosen on the sets below.

The audio tower was trained on the same training clips.

## Scores
Of captions it counts whether they are true. Attributes are read back from each caption and compared with the record of
the clip. *True* is the share of the statements that are true, *true statements* is how many of these a caption has.
Captions are the most probable ones token by token. Intervals are 95 %, from drawing works with replacement.

The template words what logistic regressions on the vector of the whole predict, fitted to the same clips. The nearest
training clip is the one whose vector is most similar (cosine, standardized). Both write captions with the grammar that
made the training captions. Dealt to other clips, the captioner's own captions show how much is true of just any clip.

$captions
How often an attribute is stated in captions of the test set, and how often it is right then:

$attributes
Overlap with $references reference captions a clip, on the test set. The references are in wording that training never
had. METEOR matches words and stems, without WordNet. These scores say more of wording than of listening.

$overlap
Accuracy on multiple-choice questions. The answer is the option with the largest mean log-probability of a token.
*Without audio* is the same model with its vector for no audio. *Majority* always gives the most frequent answer of
training; for instruments it is one over the number of options.

$questions
The first three clips of the test set:

$examples
## Limits
- It knows thirty-odd instruments, and the attributes that its captions state.
- It hears ten seconds, and no caption of its training said what changes within them.
- It states what is probable, and it says it with the same certainty when it is wrong.
- It reads and writes English, in the wording of a grammar. To other questions than those of the recipe it has no
  sensible answer.

## Sources
- Mapping network: R. Mokady, A. Hertz and A. H. Bermano, *ClipCap: CLIP prefix for image captioning*, 2021,
  arXiv:2111.09734.
- Language model: A. Radford, J. Wu, R. Child, D. Luan, D. Amodei and I. Sutskever, *Language models are unsupervised
  multitask learners*, 2019. The architecture only: no published weights were used.

## Licence
MIT, as the book. The scores of music21's corpus were used for training and are not contained in the weights' files.
""")


def cell(value: list[float] | None) -> str:
    """A value with its interval."""
    return "–" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)


def caption_tables(scores: dict) -> str:
    parts = []
    for name, title in SETS.items():
        size = scores["clips"][name]
        by_style = scores["captions"][name]
        rows = [
            [method]
            + [cell(entry[method][key]) for entry in by_style.values() for key in ("precision", "true statements")]
            for method in by_style["plain"]
        ]
        head = ["method", *(f"{style}: {key}" for style in by_style for key in ("true", "true statements"))]
        parts.append(f"**{name}** ({title}): {size['clips']} clips of {size['works']} works\n\n" + table(head, rows))
    return "\n".join(parts)


def attribute_table(scores: dict) -> str:
    methods = ("captioner", "template on predicted attributes")
    rows = []
    for attribute in ATTRIBUTES:
        cells = []
        for style in STYLES:
            for method in methods:
                entry = scores["captions"]["test"][style][method]["attributes"][attribute]
                cells.append(f"{entry['stated']:.0%}, {cell(entry['true'])}")
        rows.append([attribute, *cells])
    return table(["attribute", *(f"{style}: {m.split()[0]}" for style in STYLES for m in methods)], rows)


def overlap_table(scores: dict) -> str:
    entry = scores["overlap"]["test"]
    rows = [
        [style, method, *(f"{values[metric]:.1f}" if metric == "BLEU-4" else f"{values[metric]:.3f}"
                          for metric in METRICS)]
        for style in STYLES for method, values in entry[style].items()
    ]  # fmt: skip
    return table(["style", "method", *METRICS], rows)


def question_table(scores: dict) -> str:
    rows = []
    for name, kinds in scores["questions"].items():
        for kind in (*KINDS, "all"):
            if entry := kinds.get(kind):
                cells = [cell(entry[method]) for method in ANSWERING]
                rows.append([name, kind, str(entry["questions"]), *cells])
    return table(["set", "kind", "questions", *ANSWERING], rows)


def example_table(scores: dict) -> str:
    rows = [[one["style"], one["caption"], one["reference"]] for one in scores["examples"]]
    return table(["style", "captioner", "one of the references"], rows)


def write_card(scores: dict, curve: Path) -> str:
    """The card, from the scores and the curve of the run."""
    with curve.open(encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    return CARD.substitute(
        layers=training.LAYERS,
        width=training.WIDTH,
        prefix=training.PREFIX + BANDS + PARTS,
        bands=BANDS,
        parts=PARTS,
        timbres=f"{TIMBRES:,}",
        parameters=f"{scores['parameters'] / 1e6:.1f} million",
        clips=f"{SIZES['train']:,}",
        epochs=len(epochs),
        texts=f"{(SIZES['train'] + TIMBRES) * (training.CAPTIONS + training.QUESTIONS):,}",
        minutes=round(sum(float(row["seconds"]) for row in epochs) / 60),
        unheard=f"{training.UNHEARD:.0%}",
        references=REFERENCES,
        captions=caption_tables(scores),
        attributes=attribute_table(scores),
        overlap=overlap_table(scores),
        questions=question_table(scores),
        examples=example_table(scores),
    )
