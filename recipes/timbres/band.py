"""Who plays a clip: for each stem a sound font or recorded notes, drawn, a little out of tune, in a room of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recipes.corpus.render import ROOMS, SECONDS
from recipes.music import soundfont
from recipes.music.scores import Note
from recipes.music.synthesis import reverb
from recipes.timbres import sampler

FONTS = ("FluidR3Mono", "MuseScore General Lite", "GeneralUser GS")
RECORDED = 0.6  # share of the stems that recorded notes play, where there are some
DOUBLED = 0.15  # share of the stems that a second font plays as well
TUNINGS = range(-35, 36, 7)  # cents up or down
KITS = {"drums": "rumpf kit", "power drums": "rumpf kit", "electronic drums": "Audiophob", "808 drums": "Audiophob"}
SECTION = ("violin", "cello")  # play the program "strings", several of each
DESKS = 3


class Band:
    """Plays the stems of one clip; has the methods of ``recipes.corpus.render.FontBand``.

    Parameters
    ----------
    seed : everything is drawn from it
    recordings : the folder of ``sampler.fetch``
    """

    def __init__(self, seed: Sequence[int], recordings: Path):
        self.rng = np.random.default_rng(seed)
        self.recordings = recordings
        self.cents = int(self.rng.choice(TUNINGS))
        self.players: list[str] = []

    def play(self, notes: list[Note], instrument: str) -> np.ndarray:
        recorded = self._recorded(notes, instrument) if self.rng.random() < RECORDED else None
        audio = self._font(notes, instrument) if recorded is None else recorded
        if self.rng.random() < DOUBLED:
            other = self._font(notes, instrument)
            audio = audio / (np.abs(audio).max() + 1e-9) + 0.7 * other / (np.abs(other).max() + 1e-9)
        if instrument == "overdriven guitar" and recorded is not None:
            audio = np.tanh(audio / (audio.std() + 1e-9) * self.rng.uniform(1, 6))
        return audio

    def _font(self, notes: list[Note], instrument: str) -> np.ndarray:
        font = str(self.rng.choice(FONTS))
        self.players.append(font)
        return soundfont.render(notes, instrument, SECONDS, font, self.cents / 100)

    def _recorded(self, notes: list[Note], instrument: str) -> np.ndarray | None:
        if instrument in soundfont.DRUM_KITS:
            kit = KITS.get(instrument)
            if kit is None or not sampler.kit_can_play(kit, notes):
                return None
            self.players.append(kit)
            return sampler.beat(notes, kit, SECONDS)
        if instrument == "strings":
            return self._section(notes)
        able = [one for one in sampler.recordings_of(instrument) if sampler.can_play(self.recordings, one, notes)]
        if not able:
            return None
        package = able[self.rng.integers(len(able))]
        self.players.append(package["name"])
        return sampler.play(notes, instrument, SECONDS, sampler.package_folder(self.recordings, package), self.cents)

    def _section(self, notes: list[Note]) -> np.ndarray | None:
        """A string section: the higher notes for violins, the others for cellos, each a little apart from the next."""
        high = [note for note in notes if note.pitch >= 60]
        parts = list(zip(SECTION, (high, [note for note in notes if note.pitch < 60]), strict=True))
        mix = np.zeros(round(SECONDS * soundfont.SAMPLE_RATE), np.float32)
        for program, part in parts:
            package = sampler.recordings_of(program)[0]
            if not sampler.can_play(self.recordings, package, part):
                return None
            place = sampler.package_folder(self.recordings, package)
            for _ in range(DESKS):
                late = [note._replace(onset=note.onset + float(self.rng.uniform(0, 0.035))) for note in part]
                mix += sampler.play(late, program, SECONDS, place, self.cents + 7 * int(self.rng.integers(-2, 3)))
        self.players.append("section of recorded strings")
        return mix

    def room(self, mix: np.ndarray, kind: str) -> np.ndarray:
        if not ROOMS[kind]:
            return mix
        seconds, wet = ROOMS[kind]
        return reverb(
            mix,
            seconds * self.rng.uniform(0.75, 1.3),
            wet * self.rng.uniform(0.75, 1.25),
            self.rng.uniform(2_500, 7_000),
            int(self.rng.integers(1, 1_000)),
        )
