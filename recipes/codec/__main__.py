"""Train, export and evaluate the codec. What is on the disk and of the same inputs is not done again.

python -m recipes.corpus    # first: the corpus
python -m recipes.codec
"""

from recipes.codec.audio import samples
from recipes.codec.card import write_card
from recipes.codec.encode import encoded, latent_statistics
from recipes.codec.evaluate import evaluate, write_csv
from recipes.codec.export import enter, export
from recipes.codec.training import Settings, Trainer
from recipes.common.command_line import parser
from recipes.common.inputs import Code, fingerprint, kept_json, start
from recipes.common.records import of_split, read_records
from recipes.common.registration import publish, write_model_card
from recipes.steps import inputs_of


def main() -> None:
    options = parser("codec", __doc__, "corpus", "work", "output").parse_args()
    work, output = options.work, options.output
    start(work, inputs_of("codec", options))

    records = read_records(options.corpus)
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        train, validation = (of_split(records, split) for split in ("train", "validation"))
        clips = samples([*train, *validation], options.corpus, work, options.processes)
        model = Trainer(work, clips[: len(train)], clips[len(train) :], Settings()).run()
        model.config.latents_mean, model.config.latents_std = latent_statistics(model, clips[: len(train)])
        export(model, work / "curve.csv", made)
    publish(made, output, enter)
    encoded(records, options.corpus, made, work, options.processes)
    scored = fingerprint(made, options.corpus / "corpus.jsonl", Code("recipes.codec.evaluate"))
    result = kept_json(work / "scores.json", scored, lambda: evaluate(made, records, options.corpus, work))
    write_csv(result, output / "scores.csv")
    write_model_card(output, write_card(result, output / "curve.csv"))


if __name__ == "__main__":
    main()
