"""Rewrite the published musicnn checkpoints as safetensors, without TensorFlow.

    python -m recipes.musicnn.convert                  # asks pip for the wheel musicnn 0.1.0 (29 MB)
    python -m recipes.musicnn.convert --wheel PATH     # takes a wheel that is there already

Reads two of the four TensorFlow checkpoints in the wheel and writes the folders `musicnn-mtt` and
`musicnn-msd` under `musicwords/data/checkpoints`, each with `config.json`, `model.safetensors` and a model
card. The card states the difference to the TensorFlow run that `recipes/musicnn/reference.py` stored.

A TensorFlow checkpoint (a "tensor bundle") is two files. `.data-00000-of-00001` holds the bytes of all
tensors, one after the other. `.index` says which tensor is where: a sorted table of names and small protobuf
messages, in the file format of LevelDB. The first functions below read just enough of both.
"""

import argparse
import ast
import hashlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from musicwords.musicnn import Musicnn

WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "musicwords" / "data" / "checkpoints"
REFERENCE = ROOT / "tests" / "data" / "musicnn_reference.npz"
TOLERANCE = 1e-4  # to TensorFlow, in any probability and any dimension of the embedding

TABLE_MAGIC = 0xDB4775248B80FB57
FOOTER_SIZE = 48  # bytes: two block handles, padding, the magic number
DT_FLOAT = 1  # TensorFlow's number for float32


# --- The checkpoint format ---


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read an integer stored seven bits a byte, lowest first; return it and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def block_entries(table: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (key, value) pairs of the block that a handle (offset and size as varints) points to."""
    offset, position = read_varint(handle, 0)
    size, _ = read_varint(handle, position)
    if table[offset + size] != 0:
        raise ValueError(f"The block at byte {offset} is compressed; only plain blocks can be read here.")
    block = table[offset : offset + size]
    n_restarts = struct.unpack("<I", block[-4:])[0]  # the block ends in restart points: only for random access
    end = size - 4 - 4 * n_restarts
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(block, position)  # a key repeats the first bytes of the key before it
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def table_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield all (key, value) pairs of a table: its footer leads to an index block, that to data blocks."""
    footer = table[-FOOTER_SIZE:]
    if struct.unpack("<Q", footer[-8:])[0] != TABLE_MAGIC:
        raise ValueError("The index file does not end in the magic number of a TensorFlow table.")
    _, position = read_varint(footer, 0)  # the first handle is that of the meta block, unused here
    _, position = read_varint(footer, position)
    for _, handle in block_entries(table, footer[position:]):
        yield from block_entries(table, handle)


def protobuf_fields(message: bytes) -> dict[int, list]:
    """Parse a protobuf message into its values by field number: integers, or bytes for everything else."""
    fields: dict[int, list] = {}
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = read_varint(message, position)
        else:
            if wire_type == 2:
                size, position = read_varint(message, position)
            else:
                size = {1: 8, 5: 4}[wire_type]
            value = message[position : position + size]
            position += size
        fields.setdefault(number, []).append(value)
    return fields


def read_tensors(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Read all tensors of a checkpoint, by name."""
    tensors = {}
    for key, value in table_entries(index):
        if not key:  # the header of the bundle
            continue
        entry = protobuf_fields(value)  # BundleEntryProto: 1 dtype, 2 shape, 4 offset, 5 size
        if entry[1] != [DT_FLOAT]:
            raise ValueError(f"{key.decode()} has TensorFlow type {entry[1]}; float32 was expected.")
        # TensorShapeProto: 2 dim, of which 1 is the size. Protobuf leaves out empty messages and zeros.
        dimensions = protobuf_fields(entry.get(2, [b""])[0]).get(2, [])
        shape = [protobuf_fields(dimension)[1][0] for dimension in dimensions]
        offset = entry.get(4, [0])[0]
        tensors[key.decode()] = np.frombuffer(data[offset : offset + entry[5][0]], "<f4").reshape(shape)
    return tensors


# --- From TensorFlow's names and layouts to those of musicwords.musicnn ---

# TensorFlow numbers layers of a kind in the order in which the graph made them: conv2d, conv2d_1, ...
CONVOLUTIONS = [
    "front_end.timbral.0.conv",
    "front_end.timbral.1.conv",
    "front_end.temporal.0.conv",
    "front_end.temporal.1.conv",
    "front_end.temporal.2.conv",
    "mid_end.layers.0.conv",
    "mid_end.layers.1.conv",
    "mid_end.layers.2.conv",
]
BATCH_NORMS = [
    "front_end.norm",
    *(name.replace("conv", "norm") for name in CONVOLUTIONS),
    "back_end.pool_norm",
    "back_end.dense_norm",
]
DENSE_LAYERS = ["back_end.dense", "back_end.output"]


def convert_tensors(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Turn TensorFlow's variables into a state dict of `Musicnn`.

    Raises
    ------
    ValueError
        If a variable is left over that is not the optimizer's.
    """
    optimizer = re.compile(r"/Adam(_1)?$|^beta[12]_power$")
    left = {name: tensor for name, tensor in tensors.items() if not optimizer.search(name)}
    state = {}

    def take(kind: str, number: int, variable: str) -> torch.Tensor:
        layer = kind if number == 0 else f"{kind}_{number}"
        return torch.from_numpy(left.pop(f"{layer}/{variable}").copy())

    for number, name in enumerate(CONVOLUTIONS):
        kernel = take("conv2d", number, "kernel").permute(3, 2, 0, 1)  # (filters, 1, frames, width)
        if name.startswith("mid_end"):  # as wide as its input: a convolution over time with `width` channels
            kernel = kernel.squeeze(1).transpose(1, 2)  # (filters, width, frames)
        state[f"{name}.weight"] = kernel.contiguous()
        state[f"{name}.bias"] = take("conv2d", number, "bias")
    for number, name in enumerate(BATCH_NORMS):
        state[f"{name}.weight"] = take("batch_normalization", number, "gamma")
        state[f"{name}.bias"] = take("batch_normalization", number, "beta")
        state[f"{name}.running_mean"] = take("batch_normalization", number, "moving_mean")
        state[f"{name}.running_var"] = take("batch_normalization", number, "moving_variance")
        state[f"{name}.num_batches_tracked"] = torch.tensor(0)  # PyTorch's own, unused here
    for number, name in enumerate(DENSE_LAYERS):
        state[f"{name}.weight"] = take("dense", number, "kernel").T.contiguous()
        state[f"{name}.bias"] = take("dense", number, "bias")
    if left:
        raise ValueError(f"Variables of the checkpoint that no layer took: {sorted(left)}")
    return state


# --- What goes into the folders ---

DATASETS = {
    "mtt": "MagnaTagATune: about 19,000 training clips of 29 s, with tags from the players of a game",
    "msd": "the Million Song Dataset: about 200,000 training songs, with tags from the users of Last.fm",
}
VOCABULARY = {
    "mtt": """\
Several tags mean the same (`vocal`, `vocals`, `voice`, `singing`; `no vocals`, `no vocal`, `no voice`). The
  players used one or the other, so each gets a part of the probability. Jazz, blues, folk and hip-hop have
  no tag.""",
    "msd": """\
Most tags are genres, decades and moods; the only instrument is `guitar`, and classical music has no tag. Some
  tags are opinions (`beautiful`, `catchy`, `sexy`). Two pairs mean the same (`female vocalists`,
  `female vocalist`; `chill`, `chillout`), so each gets a part of the probability.""",
}

CARD = """\
---
license: isc
library_name: musicwords
pipeline_tag: audio-classification
---
# {tagger}: a music auto-tagger with 50 tags

This is the published tagger {tagger} of Jordi Pons and Xavier Serra, rewritten from TensorFlow to PyTorch.
It reads three seconds of audio at 16 kHz as a log-mel patch of 187 frames and 96 bands, and gives a
probability for each tag and an embedding of 200 dimensions. It has {parameters:,} parameters.

```python
from musicwords.musicnn import Musicnn, log_mel_patches

model = Musicnn.from_pretrained(pretrained_model_name_or_path=folder)
probabilities, embedding = model(log_mel_patches(audio))
```

## Source
- Paper: J. Pons and X. Serra, *musicnn: Pre-trained convolutional neural networks for music audio tagging*,
  late-breaking demo, ISMIR 2019, arXiv:1909.06654.
- Weights: the Python package `musicnn` 0.1.0, whose wheel has sha256
  `{sha256}`.
- Training data: {dataset}.

## Scores
On the test set of its training data, as recorded by the authors beside the weights (`experiment.result`):

| ROC-AUC | PR-AUC |
|---|---|
| {roc_auc:.4f} | {pr_auc:.4f} |

This project did not measure them again: it has neither data set. For guessing, ROC-AUC is 0.5.

## Conversion
`recipes/musicnn/convert.py` read every tensor of the checkpoint except the optimizer's. On three patches of a
made-up piece (`recipes/musicnn/reference.py`), the largest difference between the PyTorch and the TensorFlow
model was {probability_difference:.1e} in a probability, and {embedding_difference:.1e} in the embedding,
whose values there reach {embedding_peak:.1f}. `tests/models/test_musicnn.py` holds both under {tolerance:.0e}.

The input differs in two ways from that of 2019. The published code rounds the mel power to float16, which
with numpy 2 overflows on all but quiet audio; `log_mel_patches` keeps float32. On twelve sounds of
sonic-pi-samples this moves no probability by more than 4e-05. And librosa, since 0.9, pads the ends of the
audio with zeros instead of its mirror image; on the same sounds this moves a probability by up to 0.02.

## Limits
- It knows these tags only, and a probability says how its data set used a word, not what the word means.
- {vocabulary}
- It was trained on three seconds at a time: form, development and anything slower are out of its reach.
- The tags name Western music almost only. Other music gets the nearest of them.

## Tags
{tags}

## Licence
ISC:

{licence}
"""


def largest_difference(model: Musicnn, name: str) -> tuple[float, float, float]:
    """Compare with the stored TensorFlow run.

    Returns
    -------
    tuple of float
        The largest difference in a probability, the largest in the embedding, and the peak of the embedding.
    """
    with np.load(REFERENCE) as reference, torch.inference_mode():
        tagging = model.eval()(torch.from_numpy(reference["mel"]))
        probabilities = np.abs(tagging.probabilities.numpy() - reference[f"{name}_probabilities"]).max()
        embedding = np.abs(tagging.embedding.numpy() - reference[f"{name}_embedding"]).max()
        return float(probabilities), float(embedding), float(np.abs(reference[f"{name}_embedding"]).max())


def convert(wheel: zipfile.ZipFile, name: str) -> None:
    """Convert one tagger, "mtt" or "msd", and write its folder."""
    tagger = f"{name.upper()}_musicnn"
    configuration = wheel.read("musicnn/configuration.py").decode()
    labels = ast.literal_eval(re.search(rf"^{name.upper()}_LABELS = (.*)$", configuration, re.MULTILINE)[1])
    tensors = read_tensors(wheel.read(f"musicnn/{tagger}/.index"), wheel.read(f"musicnn/{tagger}/.data-00000-of-00001"))
    model = Musicnn(labels)
    model.load_state_dict(convert_tensors(tensors), strict=True)  # also refuses a tensor of another shape

    probability_difference, embedding_difference, embedding_peak = largest_difference(model, name)
    if max(probability_difference, embedding_difference) > TOLERANCE:
        raise ValueError(
            f"{tagger} differs from TensorFlow by {probability_difference:.1e} (probabilities) and "
            f"{embedding_difference:.1e} (embedding); at most {TOLERANCE:.0e} was expected."
        )
    # The authors' evaluation writes ROC-AUC, then PR-AUC; in one of the two files both lines say only "AUC".
    roc_auc, pr_auc = re.findall(r"AUC: ([\d.]+)", wheel.read(f"musicnn/{tagger}/experiment.result").decode())
    licence = wheel.read("musicnn-0.1.0.dist-info/LICENSE.md").decode().strip()

    folder = CHECKPOINTS / f"musicnn-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    card = CARD.format(
        tagger=tagger,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        sha256=WHEEL_SHA256,
        dataset=DATASETS[name],
        roc_auc=float(roc_auc),
        pr_auc=float(pr_auc),
        probability_difference=probability_difference,
        embedding_difference=embedding_difference,
        embedding_peak=embedding_peak,
        tolerance=TOLERANCE,
        vocabulary=VOCABULARY[name],
        tags=", ".join(labels),
        licence="\n".join(f"> {line}".rstrip() for line in licence.splitlines()),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    model.save_pretrained(folder)  # keeps the card that is there
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable by its owner only
    print(
        f"{folder.relative_to(ROOT)}: {len(labels)} tags, differs from TensorFlow by at most "
        f"{probability_difference:.1e} (probabilities), {embedding_difference:.1e} (embedding)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="musicnn-0.1.0-py3-none-any.whl; by default pip downloads it")
    wheel = parser.parse_args().wheel

    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "musicnn==0.1.0"]
            subprocess.run([*command, "--dest", folder], check=True)
            (wheel,) = Path(folder).glob("*.whl")
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if sha256 != WHEEL_SHA256:
            raise SystemExit(f"{wheel} has sha256 {sha256}; expected {WHEEL_SHA256} (musicnn 0.1.0).")
        with zipfile.ZipFile(wheel) as archive:
            for name in DATASETS:
                convert(archive, name)


if __name__ == "__main__":
    main()
