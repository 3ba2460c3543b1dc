"""Train the probe, generate music for test prompts and judge it. What is on disk is not made again.

python -m recipes.codec && python -m recipes.musicgen && python -m recipes.diffusion    # first: what is judged
python -m recipes.evaluate_generation
"""

import json
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from musicwords.corpus import load_corpus
from musicwords.probe import Probe
from recipes.codec.encode import encoded
from recipes.common.command_line import parser
from recipes.common.files import write_rows, write_text
from recipes.common.inputs import Code, fingerprint, kept_json
from recipes.common.records import read_records
from recipes.evaluate_generation.card import rows, tables
from recipes.evaluate_generation.evaluate import Real, Training, Typed, evaluate
from recipes.evaluate_generation.generators import GENERATORS, PIPELINE, generate_of, produced
from recipes.evaluate_generation.listening import heard, real_audio, resynthesized
from recipes.evaluate_generation.memorization import TokenIndex
from recipes.evaluate_generation.probe_training import train_probe
from recipes.evaluate_generation.prompts import halves, select, typed

JUDGES = [Code(f"recipes.evaluate_generation.{name}") for name in ("evaluate", "adherence", "distances", "diversity")]
SEED = 1
REPEATED, SAMPLES = 40, 4  # prompts that get several clips, and how many each


def main() -> None:
    made = parser("evaluate_generation", __doc__, "corpus", "codec", "checkpoints", "probe", "work")
    made.add_argument("generators", nargs="*", default=GENERATORS, help=f"by default {' and '.join(GENERATORS)}")
    options = made.parse_args()
    work, codec, clap = options.work, options.checkpoints / "codec", options.checkpoints / "clap"
    work.mkdir(parents=True, exist_ok=True)

    records = read_records(options.corpus)
    _, codes = encoded(records, options.corpus, options.codec / "checkpoint", options.codec, options.processes)
    found = train_probe(records, Path(codes.filename), codec, work / "probe", options.probe, options.processes)
    print(json.dumps(found["accuracy"]["test"]), flush=True)

    def listen(audio: Path) -> np.ndarray:
        return heard(audio, codec, clap, audio.with_suffix(".heard"), options.processes)

    by_id = {record["id"]: record for record in records}
    first, second = halves([record for record in records if record["split"] == "test"])
    prompts = select(first)
    described, reference = ([by_id[one.clip] for one in some] for some in (prompts, select(second)))
    audio = real_audio(described, options.corpus, work / "described.npy")
    real = Real(
        prompts,
        listen(audio),
        [record["work"] for record in described],
        listen(resynthesized(audio, codec, work / "resynthesized.npy", options.processes)),
        listen(real_audio(reference, options.corpus, work / "reference.npy")),
        [record["work"] for record in reference],
    )
    sentences = {f"typed, {language}": typed(first, language) for language in ("en", "zh")}
    meant = {
        title: listen(
            resynthesized(
                real_audio([by_id[one.clip] for one in some], options.corpus, work / f"described-{title[-2:]}.npy"),
                codec, work / f"resynthesized-{title[-2:]}.npy", options.processes,
            )
        )
        for title, some in sentences.items()
    }  # fmt: skip
    train = [row for row, record in enumerate(records) if record["split"] == "train"]
    table = load_corpus()["train"].with_format("numpy")
    training = Training([records[row]["id"] for row in train], TokenIndex(codes[train]), table["id"][:],
                        table["audio_embedding"][:].astype(np.float32))  # fmt: skip
    entries = json.loads((codec / "config.json").read_text(encoding="utf-8"))["codebook_size"]
    texts = [prompt.text for prompt in prompts]
    asked = [texts, *([one.text for one in some] for some in sentences.values())]
    judges = fingerprint(codec, clap, options.probe / "probe.safetensors", asked, JUDGES)

    def judge(name: str) -> dict:
        folder = options.checkpoints / name
        made, seconds = produced(generate_of(name), folder, texts, SEED, work / name)
        generated, others = listen(made), []
        for sample in range(1, SAMPLES):
            again = work / f"{name}-sample-{sample}"
            others.append(listen(produced(generate_of(name), folder, texts[:REPEATED], SEED + sample, again)[0]))
        samples = np.stack([generated[:REPEATED], *others], axis=1)
        answered = {}
        for title, some in sentences.items():
            of_typed = work / f"{name}-typed-{title[-2:]}"
            audio, _ = produced(generate_of(name), folder, [one.text for one in some], SEED, of_typed)
            answered[title] = Typed(some, listen(audio), meant[title])
        return evaluate(generated, samples, seconds, real, answered, Probe.load(options.probe), training, entries)

    for name in options.generators:
        of_all = fingerprint(judges, PIPELINE, options.checkpoints / name)
        result = kept_json(work / f"{name}.json", of_all, partial(judge, name))
        write_rows(options.checkpoints / name / "scores.csv", rows(result))
        card = import_module(f"recipes.{name}.card").write_card(options.checkpoints / name, tables(result))
        write_text(options.checkpoints / name / "README.md", card)
        print(name, json.dumps(result["adherence"]["all"]["all"]), flush=True)


if __name__ == "__main__":
    main()
