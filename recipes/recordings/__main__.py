"""Cut the recordings of ``tracks.toml`` into windows, and let musicnn tag them.

    python -m recipes.recordings    # to build/recordings; run again to go on after an interruption

Only spectrograms, tags and embeddings are kept; audio stays where its package put it.
"""

from functools import partial

from recipes.common.command_line import parser
from recipes.common.inputs import start
from recipes.common.parallel import in_parallel
from recipes.recordings.windows import listen, tracks, window_file
from recipes.steps import inputs_of


def main() -> None:
    options = parser("recordings", __doc__, "work").parse_args()
    start(options.work, inputs_of("recordings", options))
    every = tracks("train") + tracks("test")
    todo = [track for track in every if not window_file(track, options.work).is_file()]
    if todo:
        in_parallel(partial(listen, folder=options.work), todo, options.processes, "recordings")
    print(f"{len(todo)} recordings cut, {len(every) - len(todo)} were there")


if __name__ == "__main__":
    main()
