"""Make the sounds of the listening test in the page: python book/data/listening.py FOLDER

What is made stands in ``listening.yml``. The folder gets MP3 files and ``made.json``, which says on which page each is
heard and what it is. The build of the book calls this in the mini tier, and keeps the folder: see
``book/_ext/listening.py``. It takes about half a minute on one core.
"""

import argparse
import json
from pathlib import Path

import librosa
import numpy as np
import torch
import yaml
from generated import GENERATORS, SECONDS, TITLES
from scipy.signal import butter, sosfiltfilt
from transformers import AutoModel
from transformers.utils.logging import set_verbosity_error

import musicwords.codec  # noqa: F401 (AutoModel then knows our codec)
from musicwords import checkpoint
from musicwords.clips import load_audio, load_clips
from musicwords.listen import Sound, mp3

RECIPE = Path(__file__).with_suffix(".yml")
RATE = 32_000
PEAK = 0.9  # of full scale, of the loudest sound of a page
ANCHORS = {"anchor70": 7000, "anchor35": 3500}  # Hz that a low-pass filter leaves, by the names of webMUSHRA


def through_codec(audio: np.ndarray, codebooks: list[int]) -> dict[str, tuple[np.ndarray, str]]:
    """Return the sound from so many codebooks of the codec, as in listening_tests.ipynb.

    Parameters
    ----------
    audio : np.ndarray, shape (samples,), at ``RATE``
    codebooks : list of int

    Returns
    -------
    dict of str to tuple
        By the name of the system, the sound at ``RATE`` and what it is in words.
    """
    codec = AutoModel.from_pretrained(**checkpoint("codec")).eval()
    rate, widths, found = codec.config.sampling_rate, codec.config.target_bandwidths, {}
    sound = torch.from_numpy(librosa.resample(audio, orig_sr=RATE, target_sr=rate))[None, None]
    with torch.inference_mode():
        codes = codec.encode(sound, bandwidth=widths[-1]).audio_codes  # (1, 1, codebooks, frames)
        for count in codebooks:
            decoded = codec.decode(codes[:, :, :count], [None]).audio_values[0, 0].numpy()
            books = f"{count} codebook{'s' * (count > 1)}"
            kilobits = widths[-1] * count / codes.shape[2]
            made = librosa.resample(decoded, orig_sr=rate, target_sr=RATE)[: len(audio)]
            found[f"mini codec, {books}"] = made, f"codec, mini checkpoint: {books}, {kilobits:.3g} kbit/s"
    return found


def rated(clip: dict, codebooks: list[int]) -> dict[str, tuple[np.ndarray, str]]:
    """Return all versions of a clip, at one level: the clip itself, the anchors, and those from the codec."""
    reference = load_audio(clip["audio"]["path"], RATE)
    sounds = {"reference": (reference, "the reference itself")}
    for name, hertz in ANCHORS.items():
        low = sosfiltfilt(butter(8, hertz, fs=RATE, output="sos"), reference)
        sounds[name] = low, f"anchor: nothing above {hertz / 1000:g} kHz"
    sounds |= through_codec(reference, codebooks)
    gain = min(1, PEAK / max(np.abs(sound).max() for sound, _ in sounds.values()))
    return {name: (gain * sound, label) for name, (sound, label) in sounds.items()}


def generated(prompt: str, seed: int) -> dict[str, tuple[np.ndarray, str]]:
    """Return what each generator makes of a prompt, equally loud: the louder of two would be preferred."""
    sounds = {}
    for kind, make in GENERATORS.items():
        made, rate = make([prompt], seed)
        sound = librosa.resample(made[0], orig_sr=rate, target_sr=RATE)[: SECONDS * RATE]
        name = TITLES[kind].split(",")[0]
        sounds[f"mini {name}"] = sound, f"{name}, mini checkpoint, seed {seed}, the first of one: “{prompt}”"
    power = {name: np.sqrt(np.mean(sound**2)) for name, (sound, _) in sounds.items()}
    level = min(PEAK * power[name] / np.abs(sound).max() for name, (sound, _) in sounds.items())
    return {name: (level / power[name] * sound, label) for name, (sound, label) in sounds.items()}


def write(folder: Path, item: str, sounds: dict[str, tuple[np.ndarray, str]]) -> list[dict]:
    """Write the sounds of an item, and return what each is."""
    stimuli = []
    for place, (system, (sound, label)) in enumerate(sounds.items(), start=1):
        file = f"{item}-{place}.mp3"
        (folder / file).write_bytes(mp3(Sound(sound, RATE, label)))
        stimuli.append({"system": system, "label": label, "file": file})
    return stimuli


def main() -> None:
    """Write the sounds, and last of all ``made.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    set_verbosity_error()
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    clips = {clip["name"]: clip for clip in load_clips()}
    ratings, votes = [], []  # blocks of pages: a listener gets the blocks in any order, and the pages of one in theirs
    for name in recipe["clips"]:
        stimuli = write(folder, name, rated(clips[name], recipe["codebooks"]))
        ratings.append([{"asks": "mushra", "item": name, "title": clips[name]["title"], "prompt": "",
                         "reference": stimuli[0]["file"], "stimuli": stimuli}])  # fmt: skip
    for name, prompt in recipe["sentences"].items():
        stimuli = write(folder, name, generated(prompt, recipe["seed"]))
        votes.append([{"asks": asks, "item": f"{name}, {asks}", "prompt": prompt if asks == "fit" else "",
                       "stimuli": stimuli} for asks in ("sound", "fit")])  # fmt: skip
    made = {"test": recipe["test"], "groups": [ratings, votes]}
    text = json.dumps(made, ensure_ascii=False, indent=1)
    (folder / "made.json").write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
