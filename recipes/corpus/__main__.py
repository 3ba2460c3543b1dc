"""Render the corpus that the mini checkpoints are trained on.

    python -m recipes.corpus                    # all of it, to build/corpus; run again to go on after an interruption
    python -m recipes.corpus --share 0.01       # a part: the same clips, fewer of each split
    python -m recipes.corpus --report           # only describe what is there

Writes ``clips/*.flac`` (16 kHz mono, 10 s) and ``corpus.jsonl``, a line a clip. After a change to the code that
renders, or to a sound font, all clips are made again.
"""

import json
import sys
from pathlib import Path

from recipes.common import command_line
from recipes.common.command_line import BUILD
from recipes.common.files import write_text
from recipes.common.inputs import start
from recipes.corpus import recordings, render
from recipes.corpus.build import clip_path, parsed_works, render_missing
from recipes.corpus.plan import TRAINED_FONTS, UNHEARD_FONT, plan_all
from recipes.corpus.report import report
from recipes.corpus.splits import assign
from recipes.steps import inputs_of


def main() -> int:
    parser = command_line.parser("corpus", __doc__)
    parser.add_argument("--output", type=Path, default=BUILD / "corpus", help="folder (default: build/corpus)")
    parser.add_argument("--share", type=float, default=1.0, help="of the clips of each split (default: 1, all)")
    parser.add_argument("--report", action="store_true", help="describe the corpus in the folder, render nothing")
    options = parser.parse_args()
    listing = options.output / "corpus.jsonl"

    if not options.report:
        render.register_unheard_font()
        start(options.output, inputs_of("corpus", options))
        for font in (*TRAINED_FONTS, UNHEARD_FONT):
            render.check_font(font)
        scores = parsed_works(options.output, options.processes)
        tasks = [*plan_all(scores, assign(scores), options.share), *recordings.TAGS]
        made = render_missing(tasks, options.output, options.processes)
        records = [render.read_record(clip_path(task, options.output)) for task in tasks]
        write_text(listing, "".join(json.dumps(record) + "\n" for record in records))
        print(f"{made} clips rendered, {len(records) - made} were there")
    elif not listing.is_file():
        parser.error(f"there is no {listing}: render first")

    records = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    print(report(records, options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
