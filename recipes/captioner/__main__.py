"""Train, export and evaluate the captioner. What is on the disk and of the same inputs is not done again.

python -m recipes.corpus && python -m recipes.clap    # first: the corpus and the CLAP
python -m recipes.captioner
"""

from recipes.captioner.card import write_card
from recipes.captioner.evaluate import evaluate, write_floor
from recipes.captioner.export import enter, export
from recipes.captioner.features import pooled_features
from recipes.captioner.texts import corpus_tokenizer
from recipes.captioner.training import Trainer
from recipes.common.command_line import parser
from recipes.common.inputs import Code, fingerprint, kept_json, start
from recipes.common.records import of_split, read_records
from recipes.common.registration import publish, write_model_card
from recipes.steps import inputs_of


def main() -> None:
    options = parser("captioner", __doc__, "corpus", "clap", "mels", "floor", "work", "output").parse_args()
    work, output = options.work, options.output
    start(work, inputs_of("captioner", options))

    records = read_records(options.corpus)
    embeddings = pooled_features(records, options.corpus, options.clap, options.mels, work, options.processes)
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        train, validation = (
            (of_split(records, split), embeddings[[record["split"] == split for record in records]])
            for split in ("train", "validation")
        )
        tokenizer = corpus_tokenizer(train[0], work / "tokenizer")
        captioner = Trainer(work, tokenizer, *train, *validation).run()
        export(captioner, work / "curve.csv", made)
    publish(made, output, enter)

    def scores() -> dict:
        write_floor(records, embeddings, options.floor)
        return evaluate(output, records, embeddings)

    scored = fingerprint(made, options.corpus / "corpus.jsonl", Code("recipes.captioner.evaluate"))
    write_model_card(output, write_card(kept_json(work / "scores.json", scored, scores), output / "curve.csv"))


if __name__ == "__main__":
    main()
