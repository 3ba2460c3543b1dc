"""Ten seconds of some test recordings, for readers to hear: to ``musicwords/data/recordings``.

    python -m recipes.recordings.excerpts

Of each track the middle one of its test windows is taken, whatever it sounds like. The tracks are those whose licence
lets a book pass them on and whose style or instrument is documented, three at most of one artist or style.
"""

import json
from pathlib import Path

import numpy as np

from recipes.common.command_line import BUILD, ROOT
from recipes.common.files import write_bytes, write_text
from recipes.music.clips import SAMPLE_RATE, master
from recipes.recordings.windows import SECONDS, Track, cut, load, tracks

OUTPUT = ROOT / "musicwords" / "data" / "recordings"
NAMES = {  # artist and title -> name of the excerpt
    ("Obsidian Shell", "Ezer Év"): "metal-ezer-ev",
    ("Obsidian Shell", "Elveszett Lelkek"): "metal-elveszett-lelkek",
    ("Muldjord", "Chaos God"): "metal-chaos-god",
    (
        "Czech National Symphony Orchestra (Edvard Grieg)",
        "Peer Gynt Suite No. 1, Op. 46 - I. Morning",
    ): "orchestra-morning",
    ("John Michel", "Bach/Gounod: Ave Maria"): "cello-ave-maria",
    ("Alexander Blu", "Electricity"): "electronic-electricity",
    ("Askyel", "Terminal"): "electronic-terminal",
    ("Eric Matyas", "Techno Caper"): "electronic-techno-caper",
    ("Stephen M. Cameron and Marty Kiel", "Lucky 13"): "rock-lucky-13",
    ("Klaus Halfmann (Hasi50)", "The beauty of the flat lands"): "folk-flat-lands",
    ("Ozone0ne and Krobonil", "Scottish bagpipes"): "folk-bagpipes",
    ("Manolo Camp", "medieval"): "folk-medieval",
}
FACTS = ("style", "vocals", "instruments", "label_source", "label_level")  # as far as they are documented


def excerpt(track: Track, name: str) -> tuple[bytes, dict]:
    """The file of an excerpt, and its line of ``metadata.jsonl``."""
    start = np.median(cut(load(track, BUILD / "recordings" / "unpacked"), track.use))
    audio = load(track, BUILD / "recordings" / "unpacked", SAMPLE_RATE)
    first = round(start * SAMPLE_RATE)
    package, _, path = track.path.partition("/")
    facts = track.facts
    return master(audio[first : first + SECONDS * SAMPLE_RATE]), {
        "file_name": f"{name}.ogg",
        "name": name,
        "title": facts["title"],
        "creator": facts["artist"],
        "source": f"Debian package {package}: {path}",
        "licence": facts["licence"].replace("CC-BY-SA-3.0", "CC BY-SA 3.0"),
        "changes": f"{SECONDS} s from {start:.1f} s on, in mono, faded, at the loudness of the clips",
        **{key: facts.get(key) for key in FACTS},
    }


def main(output: Path = OUTPUT) -> None:
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for track in tracks("test"):
        if name := NAMES.get((track.facts["artist"], track.facts["title"])):
            data, row = excerpt(track, name)
            write_bytes(output / row["file_name"], data)
            rows.append(row)
            print(name, len(data))
    rows.sort(key=lambda row: row["name"])
    write_text(output / "metadata.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


if __name__ == "__main__":
    main()
