"""Train, export and evaluate the mini CLAP. What is on the disk and of the same inputs is not done again.

python -m recipes.corpus        # first: the corpus,
python -m recipes.timbres       # more timbres,
python -m recipes.recordings    # and recordings
python -m recipes.clap
"""

from recipes.clap.audio_tower import Trainer
from recipes.clap.card import write_card
from recipes.clap.evaluate import evaluate, write_csv
from recipes.clap.export import enter, export
from recipes.clap.features import log_mels
from recipes.clap.joining import join
from recipes.clap.listening import divided, heard_windows
from recipes.clap.text_tower import Teaching
from recipes.clap.tuning import CYCLES, Tuning
from recipes.common.command_line import parser
from recipes.common.inputs import Code, fingerprint, kept_json, start
from recipes.common.records import of_split, read_records
from recipes.common.registration import publish, write_model_card
from recipes.steps import inputs_of


def main() -> None:
    options = parser("clap", __doc__, "corpus", "timbres", "recordings", "mels", "work", "output").parse_args()
    work, output = options.work, options.output
    start(work, inputs_of("clap", options))

    records, timbres = read_records(options.corpus), read_records(options.timbres)
    mels = log_mels(records, options.corpus, options.mels, options.processes)
    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "alignment.csv").is_file():  # the last file of an export
        played = log_mels(timbres, options.timbres, options.timbres / "mel", options.processes)
        train, validation = (
            (of_split(records, split), mels[[record["split"] == split for record in records]])
            for split in ("train", "validation")
        )
        heard = heard_windows(options.recordings, options.timbres, options.processes)
        if not (work / "text-tower").is_dir():
            Teaching(train[0], validation[0], work).run()
        tower = Trainer(work, *train, *validation).run()
        listening, checked = divided(heard)
        for cycle in range(len(CYCLES)):
            rendered = train[0] + timbres, [train[1], played]
            tower = Tuning(work, cycle, tower, *rendered, listening, *validation, checked).run()
        export(join(tower, train, (timbres, played), heard, validation, work), work, made)
    publish(made, output, enter)
    scored = fingerprint(made, options.corpus / "corpus.jsonl", Code("recipes.clap.evaluate"))
    result = kept_json(
        work / "scores.json", scored, lambda: evaluate(output, records, mels, options.corpus, options.recordings, work)
    )
    write_csv(result, output / "scores.csv")
    write_model_card(output, write_card(result, work))


if __name__ == "__main__":
    main()
