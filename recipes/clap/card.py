"""The model card of the mini CLAP, with every number from the run."""

import csv
from pathlib import Path
from string import Template

from recipes.clap.alignment import CAPTIONS
from recipes.clap.audio_tower import EMBEDDING
from recipes.clap.evaluate import HEAD_CAPTIONS, SEEDS
from recipes.clap.sentences import natural
from recipes.clap.styles import CLASSES
from recipes.clap.text_tower import DEFINITIONS, LONGEST, VOCABULARY, WORDS
from recipes.clap.tuning import CYCLES, STEPS, whole_curve
from recipes.common.cards import table
from recipes.common.command_line import ROOT
from recipes.corpus.plan import EMBEDDED, SIZES
from recipes.timbres.build import CLIPS as TIMBRES

METHODS = ("chance", "tag text", "linear map, musicnn to MiniLM", "tutorial's heads on our encoders",
           "better heads, frozen embeddings", "clap", "attribute oracle")  # fmt: skip
METRICS = ("R@1", "R@5", "R@10", "MRR", "median rank")
SETS = {
    "test": "works that training never had",
    "collection": "a collection never trained on",
    "font": "a sound font never trained on",
    "combination": "combinations of instrument family, tempo and percussion never trained on",
    "recordings": "real recordings",
}
FIRST = ROOT / "musicwords" / "data" / "benchmarks" / "first_clap.csv"
CARD = Template("""---
license: apache-2.0
library_name: transformers
pipeline_tag: zero-shot-audio-classification
---
# A mini CLAP for music

A small model in the format of CLAP: an audio tower (Swin transformer on log-mel spectrograms, as in HTS-AT) and a
text tower, which put ten seconds of music and English or Chinese texts into one space of $dimensions dimensions. It
has $parameters parameters and was made to be read, run and taken apart in a book. It is no replacement for the
published CLAP.

```python
from transformers import ClapModel, ClapProcessor

model, processor = ClapModel.from_pretrained(folder).eval(), ClapProcessor.from_pretrained(folder)
texts = processor(text=["slow music with a choir"], padding=True, truncation=True, return_tensors="pt")
sounds = processor(audio=[audio], sampling_rate=16_000, return_tensors="pt")  # audio: float, mono, 16 kHz
similarity = model.get_audio_features(**sounds).pooler_output @ model.get_text_features(**texts).pooler_output.T
```

## Training
- Rendered clips: $clips of ten seconds by `recipes/corpus` with two sound fonts, from scores of music21's corpus and
  from procedural pieces, and $timbres more by `recipes/timbres`, whose stems are played by three sound fonts,
  recorded notes and recorded drums, in many rooms and through filters, noise and codecs. All their facts are known.
- Recordings: $windows windows of $tracks tracks whose licences allow it (`recipes/recordings/tracks.toml`). Nobody
  labeled them: the probabilities of the tags of two published taggers, musicnn trained on MagnaTagATune and on the
  Million Song Dataset, and the layers before them, stand in for facts. A concept that a tag names holds of a window
  where the tagger is sure, and is left open where it is not.
- Texts: $captions captions a clip in English and one in Chinese by `musicwords/captions`, and $natural sentences as
  people type them, $english of them English and the others Chinese, with the facts that they state
  (`recipes/natural`).
- Text tower: all $layers layers of all-MiniLM-L6-v2 (Apache-2.0), $pieces of its word pieces and the Chinese
  characters that the texts need. It learned to tell what a text states and denies, beside MiniLM's own embeddings of
  $definitions definitions and examples of WordNet and those that a multilingual sentence encoder (Universal Sentence
  Encoder) has of $words Chinese words. On sentences of validation as people type them, F of facts: $f_en in English,
  $f_zh in Chinese. Curve: `text-tower.csv`.
- Audio tower: $epochs epochs on the corpus from scratch, to tell every fact that a caption can state (curve:
  `audio-tower.csv`), then $rounds rounds of $steps batches in $cycles cycles of the learning rate on all rendered
  clips and the recordings, to tell facts and tags (curve: `audio-tuning.csv`). With tags of recordings by other artists
  its tags correlate by $correlation.
- Projections: InfoNCE in both directions between the frozen towers, with every text that is true of a sound as a
  positive. Curve: `alignment.csv`.
- Recipe: `recipes/clap`. One seed. Choices were made on the validation clips and sentences. The first version of this
  model (rendered clips of two fonts, three layers of text, English only) was scored on these sets too, and its
  weakness on new wording and on recordings was noticed there.

## Scores
Retrieval with one caption a clip. Captions are in wording that training never had ($frame of their sentence frames
are new, $any_item have at least one new expression). Intervals are 95 %, from drawing works with replacement. *Fits*
is how often the first clip is one that the caption is true of, whether or not it was written for it.

Scores of heads on frozen embeddings are means over $seeds seeds of what each seed gives. They do not compare heads
alone with the CLAP. The heads had the first $embedded of the training clips (those that come with the book), with one
caption a clip for the tutorial's heads and $head_captions for the others. The CLAP had all clips with $captions
captions each, and towers that were trained to tell what captions state. *Tutorial's heads on our encoders* are the
heads and the settings of the ISMIR 2024 tutorial on musicnn and MiniLM. The tutorial itself had MusicFM (1,024
numbers a clip), RoBERTa (768 a text) and 3,000 clips of LP-MusicCaps-MTT, so that these scores say nothing about its
model.

$retrieval
Zero-shot classification with the words of `recipes/clap/zero_shot.py`, written before the first score. No classifier
is used, but these classes are among the facts that the audio tower was trained to tell. The majority is the most
frequent class of training. The instrument family is asked of clips with one family.

$zero_shot
## Words as people type them
How often the first clip for a text is one that it is true of, on the clips of test; a text that is true of none of
them is left out. To see where a failure comes from, the facts that a text states, or the attributes of the clips,
stand in place of the model's own words and ears, mapped linearly into its space (fitted on training clips). The first
version had learned from clips of two fonts and from English captions of the grammar. Its rows, by the same code, show
where it failed; `musicwords/data/benchmarks/first_clap.csv` has its scores.

$typed
## Recordings
Styles by words, on windows of tracks by artists that were never trained on, whose style is documented
(`recipes/recordings/tracks.toml` says where). Mean over the classes, with 95 % intervals from drawing tracks; chance
is $style_chance. Words were written before the first score. *Standardized*: similarities with each class in units of
its distribution over the training windows. musicnn's tags are the teacher's; the most probable tag of a class counts,
standardized likewise.

$styles
## Limits
- It is far from the oracle: on the test set R@1 is $share of the oracle's, where we hoped for 85 %.
- What it knows of recordings, two taggers told it, and they err. On the drum strokes R@10 is $recordings_clap, where
  the search by tags has $recordings_tags and chance is $recordings_chance. Percussion is told right in $percussion of
  them, where the majority has $majority.
- It knows thirty-odd instruments and the attributes that its captions state. What it says of anything else is what
  the text tower makes of the words.
- It hears ten seconds. Shorter audio is repeated, and of longer audio a random ten seconds are taken.
- It reads English and Simplified Chinese. Texts are cut after $longest word pieces.
- Mode is hard for it: see the table.
- Level is part of what it hears: captions of training say whether a clip is soft or loud.

## Licence
Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0. The text tower began as all-MiniLM-L6-v2 by
sentence-transformers (Apache-2.0), with some of its word pieces, and was trained further. The rest was trained from
scratch by this project. Scores of music21's corpus, sound fonts, recorded notes, recordings, WordNet 3.0 and jieba's
word list were used for training, and nothing of them is in the files.
""")


def cell(value: float | list, metric: str) -> str:
    """A value, with its interval if there is one."""
    form = "{:.0f}" if metric == "median rank" else "{:.2f}"
    if isinstance(value, list):
        return form.format(value[0]) + " ({} to {})".format(*(form.format(x) for x in value[1:]))
    return form.format(value) if metric != "R@1" else f"{value:.3f}"


def retrieval_tables(scores: dict) -> str:
    """Both directions on the test set, and text to audio on the harder sets."""
    parts = []
    for name, title in SETS.items():
        entry = scores["retrieval"][name]
        for way in ("text to audio", "audio to text") if name == "test" else ("text to audio",):
            metrics = (*METRICS, "fits") if way == "text to audio" else METRICS
            rows = [
                [f"**{m}**" if m == "clap" else m, *(cell(entry["scores"][m][way][k], k) for k in metrics)]
                for m in METHODS
            ]
            head = f"**{name}** ({title}): {entry['clips']} clips of {entry['works']} works, {way}\n\n"
            parts.append(head + table(["method", *metrics], rows))
    return "\n".join(parts)


def zero_shot_table(scores: dict) -> str:
    rows = []
    for name in SETS:
        for task, entry in scores["zero-shot"][name].items():
            cells = [cell(entry["accuracy"], ""), f"{entry['mean over classes']:.2f}", f"{1 / entry['classes']:.2f}"]
            rows.append([name, task, str(entry["clips"]), *cells, f"{entry['majority']:.2f}"])
    return table(["set", "task", "clips", "accuracy", "mean over classes", "chance of that", "majority"], rows)


def typed_table(scores: dict, first: dict) -> str:
    """Searches in several wordings, by this model and its first version (``first``: by task, method and metric)."""
    rows = []
    for name, sides in scores["typed"].items():
        own = next(iter(sides.values()))
        ours = [side["fits"] for side in sides.values()]
        theirs = [first[f"search, {name}", side, "fits"] for side in sides]
        for version, values in ((name, ours), ("the same, first version", theirs)):
            rows.append([version, str(own["sentences"]), f"{own['chance']:.3f}", *(f"{value:.2f}" for value in values)])
    return table(["texts", "number", "chance", *next(iter(scores["typed"].values()))], rows)


def styles_table(scores: dict, first: dict) -> str:
    rows = []
    for name, entry in scores["styles"].items():
        size = [str(entry["windows"]), str(entry["tracks"])]
        cells = [f"{entry['by class'][style]:.2f}" for style in CLASSES]
        rows.append([name, *size, cell(entry["balanced accuracy"], ""), *cells])
        if ("style", name, "mean over classes") in first:
            cells = [f"{first['style', name, one]:.2f}" for one in ("mean over classes", *CLASSES)]
            rows.append([f"{name}, first version", *size, *cells])
    return table(["method", "windows", "tracks", "mean over classes", *CLASSES], rows)


def first_version() -> dict:
    """Scores of the first version by task, method and metric, on the clips of test and on tracks."""
    return {
        (row["task"], row["method"], row["metric"]): float(row["value"])
        for row in read_curve(FIRST)
        if row["set"] in ("test", "tracks")
    }


def read_curve(path: Path) -> list[dict]:
    with path.open() as file:
        return list(csv.DictReader(file))


def write_card(scores: dict, work: Path) -> str:
    """The card, from the scores and the curves of the run in ``work``."""
    curves = {name: read_curve(work / f"{name}.csv") for name in ("audio-tower", "text-tower")}
    tuning = whole_curve(work)
    read = min(curves["text-tower"], key=lambda row: float(row["error"]))
    new, ours = scores["novelty"]["test"], scores["retrieval"]["test"]["scores"]
    real, drums = scores["retrieval"]["recordings"]["scores"], scores["zero-shot"]["recordings"]["percussion"]
    sentences = {language: len(natural("train", language)) for language in ("en", "zh")}
    return CARD.substitute(
        parameters=f"{scores['parameters'] / 1e6:.1f} million",
        dimensions=EMBEDDING,
        captions=CAPTIONS,
        layers=scores["layers"],
        pieces=f"{VOCABULARY:,}",
        definitions=f"{DEFINITIONS:,}",
        words=f"{WORDS:,}",
        natural=f"{sum(sentences.values()):,}",
        english=f"{sentences['en']:,}",
        embedded=f"{EMBEDDED:,}",
        longest=LONGEST,
        clips=f"{SIZES['train']:,}",
        timbres=f"{TIMBRES:,}",
        windows=f"{scores['training windows']:,}",
        tracks=scores["training tracks"],
        f_en=f"{float(read['f_en']):.2f}",
        f_zh=f"{float(read['f_zh']):.2f}",
        epochs=len(curves["audio-tower"]),
        rounds=len(tuning),
        cycles=len(CYCLES),
        steps=STEPS,
        correlation=f"{float(tuning[-1]['tag correlation']):.2f}",
        frame=f"{new['frame']:.0%}",
        any_item=f"{new['any_item']:.0%}",
        share=f"{ours['clap']['text to audio']['R@1'][0] / ours['attribute oracle']['text to audio']['R@1'][0]:.0%}",
        seeds=len(SEEDS),
        head_captions=HEAD_CAPTIONS,
        recordings_clap=cell(real["clap"]["text to audio"]["R@10"], "R@10"),
        recordings_tags=cell(real["tag text"]["text to audio"]["R@10"], "R@10"),
        recordings_chance=cell(real["chance"]["text to audio"]["R@10"], "R@10"),
        percussion=cell(drums["accuracy"], ""),
        majority=cell(drums["majority"], ""),
        retrieval=retrieval_tables(scores),
        zero_shot=zero_shot_table(scores),
        typed=typed_table(scores, first_version()),
        styles=styles_table(scores, first_version()),
        style_chance=f"{1 / len(CLASSES):.2f}",
    )
