"""Train, export and evaluate the mini CLAP. What is on the disk and of the same inputs is not done again.

python -m recipes.corpus    # first: the corpus
python -m recipes.clap
"""

from recipes.clap.alignment import align, assembled
from recipes.clap.audio_tower import Trainer
from recipes.clap.card import write_card
from recipes.clap.evaluate import evaluate, write_csv
from recipes.clap.export import enter, export
from recipes.clap.features import log_mels
from recipes.clap.text_tower import distill, load
from recipes.common.command_line import parser
from recipes.common.inputs import Code, fingerprint, kept_json, start
from recipes.common.records import of_split, read_records
from recipes.common.registration import publish, write_model_card
from recipes.steps import inputs_of


def main() -> None:
    options = parser("clap", __doc__, "corpus", "mels", "work", "output").parse_args()
    work, output = options.work, options.output
    start(work, inputs_of("clap", options))

    records = read_records(options.corpus)
    mels = log_mels(records, options.corpus, options.mels, options.processes)
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "alignment.csv").is_file():  # the last file of an export
        train, validation = (
            (of_split(records, split), mels[[record["split"] == split for record in records]])
            for split in ("train", "validation")
        )
        audio_tower = Trainer(work, *train, *validation).run()
        if not (work / "text-tower.csv").is_file():
            distill(train[0], validation[0], work)
        model = assembled(audio_tower, load(work / "text-tower")[0])
        align(model, *train, *validation, work)
        export(model, work, made)
    publish(made, output, enter)
    scored = fingerprint(made, options.corpus / "corpus.jsonl", Code("recipes.clap.evaluate"))
    result = kept_json(work / "scores.json", scored, lambda: evaluate(output, records, mels, options.corpus, work))
    write_csv(result, output / "scores.csv")
    write_model_card(output, write_card(result, work))


if __name__ == "__main__":
    main()
