"""Draw conclusion_forms.svg: python book/img/conclusion_forms.py

The beginning of one clip as sound, as spectrogram, as notes, as ABC and as MIDI tokens. Notes, letters and tokens come
from the ABC file that the clip was rendered from, and stand where they are written: the clip plays them swung.
"""

import base64
import io
import re
from pathlib import Path
from typing import NamedTuple

CLIP, TITLE, BPM, METER = "hornpipe-flute", "Fisher's Hornpipe", 84, 8  # METER: sixteenths in a bar
TUNE = "c2 | fcAc BdcB | AcAc BdcB | AFAF BGBG | AFAF G2c2 | fcAc BdcB | AcAc BdcB | ABcd efge | f2f2f2"
SIXTEENTH = 60 / BPM / 4
WHOLE, SHOWN = 10.0, 18 * SIXTEENTH  # seconds that are counted, and that are drawn: the upbeat and two bars
PITCHES = dict(zip("FGABcdefg", [65, 67, 69, 70, 72, 74, 76, 77, 79], strict=True))  # in F major, B is B flat
TOKENS_OF = 3  # notes, from the first full bar on, whose tokens are drawn

BLUE, PALE, ORANGE, WARM, INK = "#0072B2", "#e8f2f9", "#D55E00", "#fcefe6", "#222"
WIDTH, LEFT, FONT = 420, 14, 16
RIGHT = WIDTH - LEFT
RATE, BANDS, FRAMES = 32_000, 64, 100  # of the sound; bands and frames a second of the spectrogram


class Note(NamedTuple):
    """A note of the file: letter with length, pitch, and begin and length in sixteenths."""

    letter: str
    pitch: int
    begin: int
    length: int


def notes(tune: str = TUNE) -> list[Note]:
    """Read the notes of a tune without accidentals."""
    found, now = [], 0
    for letter, length in re.findall(r"([A-Ga-g])(\d?)", tune):
        found.append(Note(letter + length, PITCHES[letter], now, int(length or 1)))
        now += found[-1].length
    return found


def upbeat(tune: str = TUNE) -> int:
    """Return the length of what stands before the first bar line, in sixteenths."""
    return sum(note.length for note in notes(tune.split("|")[0]))


def tokens(some: list[Note], first: int) -> list[list[str]]:
    """Return the tokens of each note: a bar if one begins, a place in the bar, a pitch, a length in sixteenths."""
    found = []
    for number, note in enumerate(some):
        bar, place = divmod(note.begin + METER - first, METER)
        begins = number == 0 or bar > (some[number - 1].begin + METER - first) // METER
        found.append([*["Bar"] * begins, f"Place {place + 1}", f"Pitch {note.pitch}", f"Length {note.length}"])
    return found


def counted() -> list[Note]:
    """Return the notes that begin within the clip."""
    return [note for note in notes() if note.begin * SIXTEENTH < WHOLE]


def counts() -> dict[str, int]:
    """Return how many numbers, letters or tokens each form has for the whole clip."""
    heard = counted()
    letters, rest = 0, len(heard)
    for sign in re.findall(r"[A-Ga-g]\d?|\|", TUNE):
        rest -= sign != "|"
        if rest < 0:
            break
        letters += len(sign)
    return {
        "sound": round(WHOLE * RATE),
        "spectrogram": round(WHOLE * FRAMES * BANDS),
        "notes": len(heard),
        "ABC": letters,
        "tokens": sum(map(len, tokens(heard, upbeat()))),
    }


def text(x: float, y: float, words: str, anchor: str = "start", bold: bool = False, fill: str = INK) -> str:
    """Return a line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{anchor}"{weight}>{words}</text>'


def head(y: float, name: str, count: str) -> str:
    """Return the title of a panel, with its count at the right."""
    return text(LEFT, y, name, bold=True) + text(RIGHT, y, count, anchor="end")


def place(sixteenths: float) -> float:
    """Return where a moment lies."""
    return LEFT + sixteenths * SIXTEENTH / SHOWN * (RIGHT - LEFT)


def box(x: float, y: float, width: float, height: float, stroke: str, fill: str) -> str:
    """Return a rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2" stroke="{stroke}" fill="{fill}"/>'
    )


def waveform(sound, top: float, height: float) -> str:
    """Return the outline of the sound: highest and lowest sample of each pixel."""
    import numpy as np

    columns = np.array_split(sound[: round(SHOWN * RATE)], RIGHT - LEFT)
    scale = height / 2 / max(np.abs(column).max() for column in columns)
    lines = [
        f"M{LEFT + k + 0.5} {top + height / 2 - column.max() * scale:.1f}V{top + height / 2 - column.min() * scale:.1f}"
        for k, column in enumerate(columns)
    ]
    return f'<path d="{"".join(lines)}" stroke="{BLUE}" stroke-width="1"/>'


def spectrogram(sound, top: float, height: float) -> str:
    """Return the mel spectrogram as a small picture, white where it is 60 dB below the loudest place."""
    import librosa
    import numpy as np
    from PIL import Image

    mel = librosa.feature.melspectrogram(
        y=sound, sr=RATE, n_fft=2048, hop_length=RATE // FRAMES, n_mels=BANDS, fmin=200, fmax=8000
    )
    level = np.clip(librosa.power_to_db(mel, ref=np.max) / 60 + 1, 0, 1)[::-1, : round(SHOWN * FRAMES)]
    dark = np.array([int(BLUE[k : k + 2], 16) for k in (1, 3, 5)])
    colors = 255 - level[..., None] * (255 - dark)
    file = io.BytesIO()
    Image.fromarray(colors.round().astype(np.uint8)).quantize(32).save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<image x="{LEFT}" y="{top:g}" width="{RIGHT - LEFT}" height="{height:g}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{data}"/>'
    )


def draw() -> str:
    """Return the picture."""
    from musicwords.clips import load_audio, load_clips

    path = next(clip["audio"]["path"] for clip in load_clips() if clip["name"] == CLIP)
    sound, number, first = load_audio(path, RATE), counts(), upbeat()
    shown = [note for note in notes() if note.begin * SIXTEENTH < SHOWN - 0.01]
    parts = [
        head(26, "Sound", f"{number['sound']:,} numbers"),
        waveform(sound, 36, 54),
        head(120, "Spectrogram", f"{number['spectrogram']:,} numbers"),
        spectrogram(sound, 130, 96),
        head(256, "Notes", f"{number['notes']} notes"),
    ]
    top, high = 268, 5.5
    for note in shown:
        x, y = place(note.begin), top + (77 - note.pitch) * high
        parts.append(box(x, y, place(note.begin + note.length) - x - 2, high, ORANGE, ORANGE))
    foot = top + 13 * high
    parts.append(head(foot + 28, "ABC", f"{number['ABC']} letters and signs"))
    for note in shown:
        parts.append(text(place(note.begin) + 2, foot + 54, note.letter, fill=INK))
    for bar in (first, first + METER):
        x = place(bar) - 1
        parts.append(f'<path d="M{x:.1f} {top - 4}V{foot + 60:g}" stroke="#888" stroke-width="1"/>')
    foot += 92
    parts.append(head(foot, "MIDI tokens", f"{number['tokens']} tokens"))
    full = [note for note in shown if note.begin >= first]
    for row, some in enumerate(tokens(full, first)[:TOKENS_OF]):
        y = foot + 12 + row * 32
        widths = {"Bar": 48, "Place": 74, "Pitch": 84, "Length": 84}
        x = LEFT
        for name, wide in widths.items():
            word = next((one for one in some if one.startswith(name)), None)
            if word:
                parts += [box(x, y, wide, 26, ORANGE, WARM), text(x + wide / 2, y + 18.5, word, "middle")]
            x += wide + 6
        parts.append(text(RIGHT, y + 18.5, f"is {full[row].letter}", "end"))
    height = foot + 12 + TOKENS_OF * 32 + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif" '
            f'font-size="{FONT}">',
            f'<rect width="{WIDTH}" height="{height:g}" rx="10" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def main() -> None:
    """Write the figure beside this file."""
    Path(__file__).with_name("conclusion_forms.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
