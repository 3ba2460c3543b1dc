"""The model card of the codec, with every number from the run."""

import csv
from pathlib import Path
from string import Template

from musicwords.codec import SpectralCodecConfig
from recipes.codec.evaluate import HEARD, PROBES
from recipes.codec.losses import SCALES
from recipes.codec.metrics import NAMES
from recipes.codec.training import Settings
from recipes.common.cards import table
from recipes.corpus.plan import SIZES

SETS = {
    "test": "works that training never had",
    "font": "a sound font never trained on",
    "recordings": "real recordings",
}
# What the codec was to reach on the test set with all codebooks.
AIMS = {"log-mel L1": ("at most", 0.30), "chroma r": ("at least", 0.88), "instrument probe": ("at least", 0.70)}
CARD = Template("""---
license: mit
library_name: transformers
pipeline_tag: audio-to-audio
---
# A small codec for music

Audio to $books integers below $entries for each of $rate frames a second, $bandwidth kbit/s, and back to audio.
It is mono, at $sampling_rate Hz. It is an `EncodecModel` of transformers with other networks: they read and write
spectrograms, and the inverse short-time Fourier transform makes the sound, as in Vocos. It has $parameters parameters
and was made to be read, run and taken apart in a book, and to be what small generators of music learn to write. It is
no replacement for the published EnCodec.

```python
from transformers import AutoFeatureExtractor, AutoModel
import musicwords.codec  # makes AutoModel know the class

codec, extractor = AutoModel.from_pretrained(folder).eval(), AutoFeatureExtractor.from_pretrained(folder)
inputs = extractor(audio, sampling_rate=16_000, return_tensors="pt")  # audio: float, mono, 16 kHz
codes = codec.encode(**inputs, bandwidth=$bandwidth).audio_codes  # (1, clips, codebooks, frames)
again = codec.decode(codes, [None]).audio_values  # (clips, 1, samples), a last part frame filled up
latents = codec.encoder(inputs["input_values"])  # (clips, $dimensions, frames), before quantization
```

A smaller bandwidth uses fewer codebooks: it is one of $bandwidths kbit/s. `config.latents_mean` and
`config.latents_std` are those of the latents of training clips.

## Training
- Data: $clips clips of ten seconds, rendered by `recipes/corpus` with two sound fonts from scores of music21's corpus
  and from procedural pieces. No recording.
- From scratch, $steps steps of $batch crops of $seconds s ($minutes minutes on two CPU cores), with Muon for matrices
  and AdamW for the rest. Loss: log-mel distance on $scales scales, spectral convergence, waveform L1, commitment. No
  adversary.
- The first $unquantized steps were without codebooks. These then began with k-means and followed moving averages, and
  entries that were hardly used were put elsewhere. $all_codebooks of the steps used all codebooks, the others a random
  number.
- Curve: `curve.csv`. Log-mel L1 on validation clips at the end: $validation with all codebooks.
- Recipe: `recipes/codec`. One seed. Nothing of the codec was chosen on the sets below. The number of clips that the
  probes learn from was: more of them raised what they tell of the originals of the test set.

## Scores
$aims

Clips are drawn by a fixed seed from each set. Intervals are 95 %, from drawing works with replacement.

- *Log-mel L1*: mean difference of log-mel spectrograms on four scales (natural logarithm). 0 is the same.
- *Chroma r*: correlation of the twelve pitch classes, the mean over frames. 1 where the same notes sound. Of
  drums it says little.
- *Onset r*: correlation over time of the strength of onsets. 1 where the strokes are the same.
- *Instrument probe*, *percussion probe*: accuracy of logistic regressions on mel statistics. They learned from up to
  $heard training clips as they are, never from coded ones: the instrument, $instruments classes, of clips with one
  pitched instrument; percussion, yes or no, of all clips.

*Majority* always gives the most frequent class of training. Griffin-Lim starts from mel bands that are not quantized.
Opus and Vorbis are at the lowest rate that libsndfile offers for 16 kHz, with headers not counted: several times the
rate of the codec. *Not quantized* is the decoder on what the encoder gives.

$scores
Perplexity of each codebook on each set: how many of its $entries entries it uses, were they used evenly.

$perplexity
Speed on one core: $encode seconds of sound are encoded in a second, and $decode are decoded.

## Limits
- It knows the sound of two sound fonts. Compare the rows of the unheard font and of real recordings above.
- Phases are made up: the waveform differs from the original where the spectrum agrees, so that a difference of the two
  signals means nothing.
- Upper partials are blurred and noise is smoothed, the more so with few codebooks. There is nothing above
  $highest Hz.
- Of voices it has heard the choir of two sound fonts: no speech, and no singing with words.

## Sources
- Interface, quantizer, bandwidths: A. Défossez, J. Copet, G. Synnaeve and Y. Adi, *High fidelity neural audio
  compression*, Transactions on Machine Learning Research, 2023, arXiv:2210.13438.
- Residual vector quantization in a neural codec, with a random number of codebooks in training: N. Zeghidour, A. Luebs,
  A. Omran, J. Skoglund and M. Tagliasacchi, *SoundStream: an end-to-end neural audio codec*, IEEE/ACM Transactions on
  Audio, Speech, and Language Processing 30, 2022, arXiv:2107.03312.
- Inverse Fourier transform as the last layer: H. Siuzdak, *Vocos: closing the gap between time-domain and Fourier-based
  neural vocoders for high-quality audio synthesis*, ICLR 2024, arXiv:2306.00814.
- Blocks: Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell and S. Xie, *A ConvNet for the 2020s*, CVPR 2022,
  arXiv:2201.03545.
- Optimizer of the matrices: K. Jordan et al., *Muon: an optimizer for hidden layers in neural networks*, 2024,
  https://kellerjordan.github.io/posts/muon/. PyTorch's implementation.

The architecture and the methods only: no published weights were used.

## Licence
MIT, as the book. The scores of music21's corpus were used for training and are not contained in the weights' file.
""")


def cell(value: list[float] | None) -> str:
    """A value with its interval."""
    return "–" if value is None else "{:.2f} ({:.2f} to {:.2f})".format(*value)


def all_codebooks(scores: dict) -> dict:
    """Scores on the test set with all codebooks."""
    return next(found for name, found in reversed(scores["scores"]["test"].items()) if "codebook" in name)


def aims_text(scores: dict) -> str:
    """What was aimed at, and by how much it was reached or missed."""
    found, lines = all_codebooks(scores), []
    for metric, (side, aim) in AIMS.items():
        value = found[metric][0]
        gain = aim - value if side == "at most" else value - aim
        verdict = f"reached, by {gain:.3f}" if gain >= 0 else f"missed, by {-gain:.3f}"
        lines.append(f"- {metric} {side} {aim:.2f}: {value:.3f}, {verdict}")
    classes = scores["probes"]["instrument probe"]["classes"]
    original = scores["scores"]["test"]["original, 16 bits"]["instrument probe"][0]
    lines.append(
        f"\nThe probe's aim was set for 18 classes. Here it has {classes}, and is right on {original:.3f} of the "
        f"originals,\nof which the codec keeps {found['instrument probe'][0] / original:.0%}."
    )
    return "Aims for the test set with all codebooks, set before the training:\n" + "\n".join(lines)


def score_tables(scores: dict) -> str:
    parts = []
    for name, title in SETS.items():
        size = scores["sets"][name]
        rows = [
            [method, "–" if found["kbit/s"] is None else f"{found['kbit/s']:.3g}"]
            + [cell(found[metric]) for metric in (*NAMES, *PROBES)]
            for method, found in scores["scores"][name].items()
        ]
        rows.append(["majority", *["–"] * 4, *(f"{size[probe]['majority']:.2f}" for probe in PROBES)])
        parts.append(
            f"**{name}** ({title}): {size['clips']} clips of {size['works']} works; the instrument probe is asked of "
            f"{size['instrument probe']['clips']}\n\n" + table(["method", "kbit/s", *NAMES, *PROBES], rows)
        )
    return "\n".join(parts)


def perplexity_table(scores: dict) -> str:
    rows = [[name, *(f"{value:.0f}" for value in values)] for name, values in scores["perplexity"].items()]
    return table(["set", *(str(book) for book in range(1, len(rows[0])))], rows)


def write_card(scores: dict, curve: Path) -> str:
    """The card, from the scores and the curve of the run."""
    with curve.open(encoding="utf-8") as file:
        checks = list(csv.DictReader(file))
    config, settings = SpectralCodecConfig(), Settings()
    return CARD.substitute(
        books=config.num_quantizers,
        entries=config.codebook_size,
        rate=config.frame_rate,
        bandwidth=config.target_bandwidths[-1],
        bandwidths=", ".join(map(str, config.target_bandwidths)),
        sampling_rate=f"{config.sampling_rate:,}",
        dimensions=config.hidden_size,
        parameters=f"{scores['parameters'] / 1e6:.1f} million",
        clips=f"{SIZES['train']:,}",
        steps=f"{int(checks[-1]['step']):,}",
        batch=settings.batch,
        seconds=f"{settings.seconds:g}",
        minutes=round(sum(float(row["seconds"]) for row in checks) / 60),
        unquantized=settings.unquantized,
        scales=len(SCALES),
        all_codebooks=f"{settings.all_codebooks:.0%}",
        highest=f"{config.sampling_rate // 2:,}",
        validation=checks[-1][f"validation_{config.num_quantizers}"],
        aims=aims_text(scores),
        heard=f"{HEARD:,}",
        instruments=scores["probes"]["instrument probe"]["classes"],
        scores=score_tables(scores),
        perplexity=perplexity_table(scores),
        encode=f"{scores['speed']['encode']:.0f}",
        decode=f"{scores['speed']['decode']:.0f}",
    )
