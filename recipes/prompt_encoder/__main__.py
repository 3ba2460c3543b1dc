"""Train the prompt encoder, if it is not there or of other inputs.

python -m recipes.corpus && python -m recipes.clap    # first: the corpus and the CLAP
python -m recipes.prompt_encoder
"""

from recipes.common.command_line import parser
from recipes.common.inputs import start
from recipes.common.records import of_split, read_records
from recipes.prompt_encoder.training import PromptEncoder
from recipes.steps import inputs_of


def main() -> None:
    options = parser("prompt_encoder", __doc__, "corpus", "clap", "work").parse_args()
    start(options.work, inputs_of("prompt_encoder", options))
    if not (options.work / "checkpoint").is_dir():
        PromptEncoder(of_split(read_records(options.corpus), "train"), options.clap, options.work).run()


if __name__ == "__main__":
    main()
