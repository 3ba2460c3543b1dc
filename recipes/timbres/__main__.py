"""Play music of the training works again, with more timbres than the corpus has, to train the audio tower on.

    python -m recipes.corpus     # first: it reads the scores
    python -m recipes.timbres    # 18,000 clips, to build/timbres; run again to go on after an interruption

Each clip is one that the corpus could have had: the same works, but another excerpt, key and instruments. Each stem is
played by one of three sound fonts or by recorded notes, the mix is put into a room of its own and through filters,
noise and codecs. Its facts stay what was played.
"""

import json
import sys
from functools import partial

from recipes.common import command_line
from recipes.common.files import write_text
from recipes.common.inputs import start
from recipes.common.parallel import in_parallel
from recipes.corpus import render
from recipes.steps import inputs_of
from recipes.timbres import sampler
from recipes.timbres.build import make, plans


def main() -> int:
    parser = command_line.parser("timbres", __doc__, "corpus", "work")
    options = parser.parse_args()
    output = options.work
    start(output, inputs_of("timbres", options))
    sampler.fetch(output / "recorded")
    (output / "clips").mkdir(exist_ok=True)
    tasks = plans(options.corpus, options.processes)
    todo = [plan for plan in tasks if not (output / "clips" / f"{plan.id}.flac").is_file()]
    if todo:
        in_parallel(partial(make, corpus=options.corpus, output=output), todo, options.processes, "clips")
    records = [render.read_record(output / "clips" / f"{plan.id}.flac") for plan in tasks]
    write_text(output / "corpus.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    print(f"{len(todo)} clips rendered, {len(tasks) - len(todo)} were there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
