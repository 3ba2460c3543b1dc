"""The model card of MusicGen, with every number from the run."""

import csv
import math
from pathlib import Path
from string import Template

from transformers import AutoTokenizer
from transformers import MusicgenForConditionalGeneration as Musicgen

import musicwords.codec  # noqa: F401, so that the codec inside is known
from recipes.common.cards import table
from recipes.corpus.plan import SIZES
from recipes.musicgen import training
from recipes.prompt_encoder.card import told

NO_SCORES = "Not measured yet: `recipes/evaluate_generation` does it.\n"
SHOWN = 10  # checks of the curve that stand in the card, at most
CARD = Template("""---
license: mit
library_name: transformers
pipeline_tag: text-to-audio
---
# A small MusicGen

A transformer that writes the tokens of the codec of this book for a text, $seconds seconds of music at $rate kHz. Its
decoder has $layers layers of width $width and $parameters parameters, and writes $books codebooks in the delay pattern.
It was made to be read, run and taken apart in a book. It is no replacement for the published MusicGen.

```python
from transformers import AutoProcessor, MusicgenForConditionalGeneration
import musicwords.codec  # makes transformers know the codec inside

model = MusicgenForConditionalGeneration.from_pretrained(folder).eval()
processor = AutoProcessor.from_pretrained(folder)
inputs = processor(text=["a slow piece for piano"], padding=True, return_tensors="pt")
audio = model.generate(**inputs)[0, 0]  # samples at $rate kHz
```

## Training
- Data: $clips clips of ten seconds, rendered by `recipes/corpus` with two sound fonts from scores of music21's corpus
  and from procedural pieces. No recording.
$texts
- From scratch, the decoder and the projection of text states, for $epochs passes over the clips in batches of $batch
  ($minutes minutes, in bfloat16), with Muon for matrices and AdamW for the rest. The learning rate fell along a cosine
  in the first $first passes, and once more in the others, from $height of its height, where $captions of the
  prompts were captions. Codec and prompt encoder were trained before and stayed as they are. Curve: `curve.csv`.
- Tokens began as the entries of the codebooks, turned to the width of the decoder.
- The prompt encoder is a BERT of width $text_width that tells what a prompt states; it began with word pieces of the
  mini CLAP's text tower. Curve: `prompt-encoder.csv`.
- $unprompted of the clips had no prompt, beside those with an empty one, which makes guidance possible.
- The weights are those of step $best, which had the least loss on validation clips.
- Guidance scale $guidance, top-k $top_k, temperature $temperature. What others do to prompts of validation clips stands
  in `settings.csv` and `finalists.csv`, where that was tried.
- Recipe: `recipes/musicgen`. One seed.

Cross-entropy on $checked validation clips, nats a token, with captions in the wording of training, with sentences as
people type them, and without. A model that knows nothing has $chance.

$curve
## Scores
$scores
## Limits
- It knows the sound of two sound fonts, thirty-odd instruments, and prompts that state what captions of the corpus
  state, in up to $longest tokens of English or Chinese.
- It has learned ten seconds, each clip from its start. What is longer it has never seen.
- Errors add up: a wrong token is the past of all that follow.
- Sound is that of the codec, with its blur of upper partials.

## Sources
- Model, delay pattern, guidance: J. Copet, F. Kreuk, I. Gat, T. Remez, D. Kant, G. Synnaeve, Y. Adi and A. Défossez,
  *Simple and controllable music generation*, NeurIPS 2023, arXiv:2306.05284. The architecture only: no published
  weights were used.
- Guidance: J. Ho and T. Salimans, *Classifier-free diffusion guidance*, 2022, arXiv:2207.12598.

## Licence
MIT; the prompt encoder Apache-2.0, since it began with word pieces of MiniLM. The scores of music21's corpus were used
for training and are not contained in the weights' file.
""")


def write_card(folder: Path, scores: str = NO_SCORES) -> str:
    """The card, from the exported model, the curve beside it, and the tables of its scores in Markdown."""
    model = Musicgen.from_pretrained(folder)
    decoder, codec = model.config.decoder, model.config.audio_encoder
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        checks = list(csv.DictReader(file))
    columns = ("loss", "validation", "validation_first", "validation_last", "validation_typed", "validation_unprompted")
    shown = checks[:: math.ceil(len(checks) / SHOWN)]
    rows = [[row["step"], *(f"{float(row[name]):.3f}" for name in columns)] for row in shown]
    head = ["step", "training", "validation", "first codebook", "last codebook", "typed", "without prompts"]
    return CARD.substitute(
        seconds=f"{model.generation_config.max_new_tokens / codec.frame_rate:.0f}",
        rate=f"{codec.sampling_rate / 1000:g}",
        layers=decoder.num_hidden_layers,
        width=decoder.hidden_size,
        parameters=f"{model.decoder.num_parameters() / 1e6:.1f} million",
        books=decoder.num_codebooks,
        clips=f"{SIZES['train']:,}",
        epochs=training.EPOCHS + training.AGAIN,
        first=training.EPOCHS,
        height=f"{training.HEIGHT:.0%}",
        captions=f"{sum(share for (kind, _), share in training.MORE_CAPTIONS.items() if kind == 'caption'):.0%}",
        batch=training.BATCH,
        minutes=round(sum(float(row["seconds"]) for row in checks) / 60),
        text_width=model.config.text_encoder.hidden_size,
        unprompted=f"{training.UNPROMPTED:.0%}",
        texts=told(),
        best=min(checks, key=lambda row: float(row["validation"]))["step"],
        guidance=model.generation_config.guidance_scale,
        top_k=model.generation_config.top_k,
        temperature=model.generation_config.temperature,
        checked=training.CHECKED,
        chance=f"{math.log(decoder.vocab_size):.2f}",
        curve=table(head, rows),
        scores=scores,
        longest=AutoTokenizer.from_pretrained(folder).model_max_length,
    )
