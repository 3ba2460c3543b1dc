"""Train and export MusicGen. What is on the disk and of the same inputs is not done again.

python -m recipes.prompt_encoder    # first, and before it recipes.corpus, recipes.clap and recipes.codec
python -m recipes.musicgen
python -m recipes.evaluate_generation    # then: scores, and a card with them
"""

from transformers import BertTokenizer

from recipes.codec.encode import encoded, to_train_on
from recipes.common.command_line import parser
from recipes.common.inputs import start
from recipes.common.records import read_records
from recipes.common.registration import publish, write_model_card
from recipes.musicgen.card import write_card
from recipes.musicgen.export import enter, export
from recipes.musicgen.model import new_model
from recipes.musicgen.training import Trainer
from recipes.steps import inputs_of


def main() -> None:
    options = parser("musicgen", __doc__, "corpus", "codec", "prompt_encoder", "work", "output").parse_args()
    work, output = options.work, options.output
    codec, prompt_encoder = options.codec / "checkpoint", options.prompt_encoder / "checkpoint"
    start(work, inputs_of("musicgen", options))

    made = work / "checkpoint"  # what is in the output may be of another run
    if not (made / "curve.csv").is_file():  # the last file of an export
        records = read_records(options.corpus)
        _, codes = encoded(records, options.corpus, codec, options.codec)
        tokenizer = BertTokenizer.from_pretrained(prompt_encoder)
        model = Trainer(work, new_model(codec, prompt_encoder), tokenizer, *to_train_on(records, codes)).run()
        curves = {"prompt-encoder.csv": options.prompt_encoder / "curve.csv", "curve.csv": work / "curve.csv"}
        export(model, prompt_encoder, curves, made)
    publish(made, output, enter)
    write_model_card(output, write_card(output))


if __name__ == "__main__":
    main()
