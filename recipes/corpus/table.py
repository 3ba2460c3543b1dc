"""The corpus as one file: attributes, a caption and two embeddings of each clip, without the audio.

    python -m recipes.corpus.table              # writes musicwords/data/corpus.parquet; run again to go on

Embeddings are of musicnn (MagnaTagATune, mean over its patches of 3 s) and of MiniLM.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from musicwords.captions import Caption
from recipes.common.command_line import ROOT, parser
from recipes.common.files import write_bytes
from recipes.common.parallel import in_chunks
from recipes.common.records import read_records
from recipes.corpus.plan import EMBEDDED
from recipes.corpus.texts import captions_of

TABLE = ROOT / "musicwords" / "data" / "corpus.parquet"
EMBEDDING = 200  # dimensions of musicnn's embedding


@cache
def tagger():
    import torch  # in the workers only: they are spawned

    from musicwords.checkpoints import checkpoint
    from musicwords.musicnn import Musicnn

    torch.set_num_threads(1)
    return Musicnn.from_pretrained(**checkpoint("musicnn-mtt")).eval()


def tag(paths: list[Path]) -> np.ndarray:
    """What musicnn says of some clips, shape (clips, 200 + 50), float16."""
    import torch

    from musicwords.musicnn import log_mel_patches

    rows = []
    with torch.inference_mode():
        for path in paths:
            tagging = tagger()(log_mel_patches(soundfile.read(path, dtype="float32")[0]))
            rows.append(np.concatenate([tagging.embedding.mean(0).numpy(), tagging.probabilities.mean(0).numpy()]))
    return np.asarray(rows, np.float16)


def tagged(records: list[dict], folder: Path, processes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """musicnn's embeddings (records, 200) and probabilities of tags (records, 50), means over patches, float16.

    What has been computed stays in ``folder``.
    """
    both = in_chunks(
        tag, [folder / record["file_name"] for record in records], folder / "musicnn", processes, "musicnn"
    )
    return both[:, :EMBEDDING], both[:, EMBEDDING:]


def embedded(records: list[dict]) -> list[dict]:
    """The records that come with the book: all but the later part of the training clips."""
    train = [record for record in records if record["split"] == "train"]
    return train[:EMBEDDED] + [record for record in records if record["split"] != "train"]


def table(records: list[dict], captions: list[Caption], audio: np.ndarray, text: np.ndarray) -> pa.Table:
    """One row a clip. What a caption states is kept as JSON; embeddings are float16."""
    columns = {name: [record[name] for record in records]
               for name in ("id", "split", "source_family", "collection", "work", "soundfont")}  # fmt: skip
    for name in records[0]["attributes"]:
        columns[name] = [record["attributes"][name] for record in records]
    columns["tempo_bpm"] = pa.array(columns["tempo_bpm"], pa.float32())
    columns["caption"] = [caption.text for caption in captions]
    columns["stated"] = [json.dumps(caption.mentioned) for caption in captions]
    for name, values in (("audio_embedding", audio), ("text_embedding", text)):
        flat = pa.array(values.astype(np.float16).ravel())
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pa.table(columns)


def main() -> None:
    made = parser("corpus.table", __doc__, "corpus")
    made.add_argument("--output", type=Path, default=TABLE, help="the table")
    options = made.parse_args()
    records = embedded(read_records(options.corpus))
    audio, _ = tagged(records, options.corpus, options.processes)

    from sentence_transformers import SentenceTransformer

    from musicwords.checkpoints import checkpoint

    captions = [captions_of(record, 1)[0] for record in records]
    encoder = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    text = encoder.encode([caption.text for caption in captions], batch_size=128, show_progress_bar=True)
    sink = pa.BufferOutputStream()
    pq.write_table(table(records, captions, audio, text), sink, compression="zstd", compression_level=19)
    write_bytes(options.output, sink.getvalue().to_pybytes())
    print(f"{options.output}: {len(records)} clips, {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
