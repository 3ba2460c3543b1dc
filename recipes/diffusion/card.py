"""The model card of the diffusion pipeline, with every number from the run."""

import csv
import inspect
from pathlib import Path
from string import Template

from musicwords.diffusion import LONGEST, PATCH, TextToMusicPipeline
from recipes.common.cards import table
from recipes.corpus.plan import SIZES
from recipes.diffusion import training
from recipes.prompt_encoder.card import told

NO_SCORES = "Not measured yet: `recipes/evaluate_generation` does it.\n"
CARD = Template("""---
license: mit
library_name: diffusers
pipeline_tag: text-to-audio
---
# Text to music by latent diffusion

It generates ten seconds of music at $rate kHz from a text. Its denoiser is the diffusion transformer of Stable Audio
Open, of $layers blocks of width $width with $parameters parameters, on the latents of the codec of this book. It was
made to be read, run and taken apart in a book.

```python
from diffusers import DPMSolverMultistepScheduler
from musicwords.diffusion import TextToMusicPipeline

pipeline = TextToMusicPipeline.from_pretrained(folder)
audio = pipeline("A slow piece for piano.", negative_prompt="drums").audios[0, 0]  # samples at $rate kHz

pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)  # another solver
```

It also changes audio (`initial_audio_waveforms`, `strength`) and fills gaps in it (`mask`).

## Training
- Data: $clips clips of ten seconds, rendered by `recipes/corpus` with two sound fonts from scores of music21's corpus
  and from procedural pieces. No recording.
$texts
- From scratch, the denoiser alone, for $epochs epochs of $steps steps of $batch clips ($minutes minutes, in bfloat16).
  Codec and prompt encoder were trained before and stayed as they are. Curve: `curve.csv`.
- It predicts the velocity v. The noise schedule is a cosine that ends in pure noise. $unprompted of the clips had no
  prompt beside those with an empty one, which makes guidance possible.
- The weights are a moving average over the steps (decay $decay), of epoch $best, which had the least error on
  validation clips.
- Guidance scale $guidance and $inference steps are what the pipeline does if it is not told otherwise. What others do
  to prompts of validation clips stands in `settings.csv`, where that was tried.
- Recipe: `recipes/diffusion`. One seed.

Squared error of the velocity on $checked validation clips, with captions in the wording of training, with sentences as
people type them, with captions in a wording that training never had, and without. It is 1 for a denoiser that takes
latents for independent numbers. Training draws strong noise more often (shift $shift), where prompts matter: its own
error is over another mix of levels.

$curve
## Scores
$scores
## Limits
- It knows the sound of two sound fonts, thirty-odd instruments, and prompts that state what captions of the corpus
  state, in up to $longest tokens of English or Chinese.
- It always makes ten seconds; shorter audio is cut from them.
- $patch latents are one token, which is $token ms: rhythm finer than that is left to what is inside a token.
- Sound is that of the codec, with its blur of upper partials.

## Sources
- Denoiser: Z. Evans, J. D. Parker, CJ Carr, Z. Zukowski, J. Taylor and J. Pons, *Stable Audio Open*, 2024,
  arXiv:2407.14358; W. Peebles and S. Xie, *Scalable diffusion models with transformers*, ICCV 2023, arXiv:2212.09748.
  The architecture only: no published weights were used.
- Velocity: T. Salimans and J. Ho, *Progressive distillation for fast sampling of diffusion models*, ICLR 2022,
  arXiv:2202.00512.
- Noise schedule and rescaled guidance: S. Lin, B. Liu, J. Li and X. Yang, *Common diffusion noise schedules and sample
  steps are flawed*, WACV 2024, arXiv:2305.08891.
- Guidance: J. Ho and T. Salimans, *Classifier-free diffusion guidance*, 2022, arXiv:2207.12598.

## Licence
MIT; the prompt encoder Apache-2.0, since it learned from the text tower of the mini CLAP. The scores of music21's
corpus were used for training and are not contained in the weights' files.
""")


def write_card(folder: Path, scores: str = NO_SCORES) -> str:
    """The card, from the exported pipeline, the curve beside it, and the tables of its scores in Markdown."""
    pipeline = TextToMusicPipeline.from_pretrained(folder)
    transformer, codec = pipeline.transformer, pipeline.codec.config
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    best = min(epochs, key=lambda row: float(row["validation"]))
    rows = [
        [row["epoch"], f"{float(row['loss']):.3f}", f"{float(row['validation']):.3f}",
         *(f"{float(row[f'validation_{kind}']):.3f}" for kind in ("typed", "new_wording", "unprompted"))]
        for row in epochs
    ]  # fmt: skip
    defaults = inspect.signature(TextToMusicPipeline.__call__).parameters
    return CARD.substitute(
        guidance=defaults["guidance_scale"].default,
        inference=defaults["num_inference_steps"].default,
        rate=f"{codec.sampling_rate / 1000:g}",
        layers=transformer.config.num_layers,
        width=transformer.inner_dim,
        parameters=f"{transformer.num_parameters() / 1e6:.1f} million",
        clips=f"{SIZES['train']:,}",
        epochs=len(epochs),
        steps=SIZES["train"] // training.BATCH,
        batch=training.BATCH,
        minutes=round(sum(float(row["seconds"]) for row in epochs) / 60),
        texts=told(),
        unprompted=f"{training.UNPROMPTED:.0%}",
        decay=training.DECAY,
        shift=training.SHIFT,
        best=best["epoch"],
        checked=training.CHECKED,
        scores=scores,
        curve=table(["epoch", "training", "validation", "typed", "new wording", "without prompts"], rows),
        longest=LONGEST,
        patch=PATCH,
        token=f"{1000 * PATCH * codec.hop_length / codec.sampling_rate:.0f}",
    )
