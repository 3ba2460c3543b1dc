"""Train, export and evaluate the captioner. What is on the disk and of the same inputs is not done again.

python -m recipes.corpus && python -m recipes.timbres && python -m recipes.clap    # first: clips and the CLAP
python -m recipes.captioner
"""

import numpy as np

from recipes.captioner.card import write_card
from recipes.captioner.evaluate import evaluate, write_csv, write_floor, write_texts
from recipes.captioner.export import enter, export
from recipes.captioner.features import heard
from recipes.captioner.texts import corpus_tokenizer
from recipes.captioner.training import Trainer
from recipes.common.command_line import ROOT, parser
from recipes.common.inputs import Code, fingerprint, kept_json, start
from recipes.common.records import of_split, read_records
from recipes.common.registration import publish, write_model_card
from recipes.steps import inputs_of

TEXTS = ROOT / "musicwords" / "data" / "benchmarks" / "captions.parquet"


def main() -> None:
    options = parser("captioner", __doc__, "corpus", "timbres", "clap", "mels", "floor", "work", "output").parse_args()
    work, output = options.work, options.output
    start(work, inputs_of("captioner", options))

    records, timbres = read_records(options.corpus), read_records(options.timbres)
    embeddings, played = (
        heard(some, folder, options.clap, mels, work / f"{name}.npy", options.processes)
        for name, some, folder, mels in (
            ("corpus", records, options.corpus, options.mels),
            ("timbres", timbres, options.timbres, options.timbres / "mel"),
        )
    )
    known = of_split(records, "train") + timbres
    known_embeddings = np.concatenate([embeddings[[record["split"] == "train" for record in records]], played])
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        validation = embeddings[[record["split"] == "validation" for record in records]]
        tokenizer = corpus_tokenizer(of_split(records, "train"), work / "tokenizer")
        captioner = Trainer(work, tokenizer, known, known_embeddings, of_split(records, "validation"), validation).run()
        export(captioner, work / "curve.csv", made)
    publish(made, output, enter)

    def scores() -> dict:
        write_floor(records, embeddings, options.floor)
        return evaluate(output, records, embeddings, known, known_embeddings)

    scored = fingerprint(made, options.corpus / "corpus.jsonl", Code("recipes.captioner.evaluate"))
    found = kept_json(work / "scores.json", scored, scores)
    write_csv(found, output / "scores.csv")
    write_texts(found, TEXTS)
    write_model_card(output, write_card(found, output / "curve.csv"))


if __name__ == "__main__":
    main()
