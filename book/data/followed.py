"""Write followed.json, the way of four clips through the book: python book/data/followed.py

A clip is described by the captioner, found by the mini CLAP, and its caption is the prompt for both generators, as in
the notebooks. What they made is read by the probe, by CLAP and by the captioner again. It takes about two minutes on
one core. book/img/conclusion_one_clip.py draws the way of the first clip, and the directive ``followed`` tells of all.
"""

import json
from pathlib import Path

import numpy as np
import torch
from generated import by_diffusion, by_musicgen
from torch.nn import functional as F
from transformers import ClapModel, ClapProcessor
from transformers.utils.logging import set_verbosity_error

from musicwords import checkpoint
from musicwords.captioner import Captioner, audio_vectors
from musicwords.captions import judge, tempo_class
from musicwords.checkpoints import REGISTRY
from musicwords.clips import load_audio, load_clips
from musicwords.matching import ATTRIBUTES
from musicwords.probe import Probe

TARGET = Path(__file__).with_name("followed.json")
MADE_OF = ("captioner", "clap", "musicgen", "diffusion")  # checkpoints; the probe is small, and checked by its file
RATE, SEEDS, STEPS = 16_000, 5, 15  # of sound; draws of each generator; steps of diffusion
STATED = {  # by the caption, and the probe has a word for it
    "jig-fiddle": {"family": "strings", "tempo_class": "fast"},
    "rock": {"percussion": True, "tempo_class": "fast"},
    "piano-nocturne": {"family": "keyboard", "tempo_class": "slow"},
    "chorale-choir": {"family": "voice", "tempo_class": "slow"},
}


def hashes() -> dict:
    """The weights that the result is made of, by the registry; another hash means that it has to be made again."""
    return {name: REGISTRY[name]["mini"]["sha256"] for name in MADE_OF}


class Listener:
    """CLAP and the captioner on top of it, which hear 16 kHz."""

    def __init__(self):
        self.clap = ClapModel.from_pretrained(**checkpoint("clap")).eval()
        self.processor = ClapProcessor.from_pretrained(**checkpoint("clap"))
        self.captioner = Captioner.from_pretrained(**checkpoint("captioner"))

    @torch.inference_mode()
    def hear(self, sounds: list[np.ndarray]) -> tuple[torch.Tensor, list[str]]:
        """Vectors to compare with texts, and captions."""
        inputs = self.processor.feature_extractor(sounds, sampling_rate=RATE, return_tensors="pt")
        heard = self.clap.audio_model(**inputs)
        joint = F.normalize(self.clap.audio_projection(heard.pooler_output), dim=1)
        return joint, self.captioner.captions(audio_vectors(heard.last_hidden_state))

    @torch.inference_mode()
    def read(self, texts: list[str]) -> torch.Tensor:
        inputs = self.processor(text=texts, padding=True, truncation=True, return_tensors="pt")
        return self.clap.get_text_features(**inputs).pooler_output


def record_of(clip: dict) -> dict:
    """What is known of a clip, in the words of the grammar, as in captioning.ipynb."""
    given, known = clip["attributes"], {"work": clip["name"]}
    for name in ("instruments", "percussion", "mode", "meter", "tempo_bpm"):
        known[name] = given[name]
    known["tempo_class"] = known["tempo_bpm"] and tempo_class(known["tempo_bpm"])
    return dict.fromkeys(ATTRIBUTES) | known


def known(given: dict) -> str:
    """What is known of a clip, as a line of the figure."""
    names, beats = ", ".join(given["instruments"]), given["tempo_bpm"]
    return f"{names}; {given['meter']}, {beats:g} BPM, {given['key']} {given['mode']}"


def truth(text: str, record: dict) -> list[int]:
    """How many statements of a caption are true, and how many it has."""
    said = [statement.true for statement in judge(text, record)]
    return [sum(said), len(said)]


def place(scores: torch.Tensor, own: int) -> int:
    """The place of one clip in a ranking; of equal scores the worst place."""
    return int((scores >= scores[own]).sum())


def follow(name: str, clips: list[dict], ears: Listener, probe: Probe) -> dict:
    """What becomes of one of ``clips``."""
    own = next(k for k, clip in enumerate(clips) if clip["name"] == name)
    clip, record = clips[own], record_of(clips[own])
    prompt = clip["captions"]["sentence"]
    joint, captions = ears.hear([load_audio(one["audio"]["path"], RATE) for one in clips])
    said = captions[own]
    scores = joint @ ears.read([prompt, said]).T  # (clips, texts)
    reverse = ears.read([one["captions"]["sentence"] for one in clips])
    found = {
        "clip": name,
        "title": clip["title"],
        "known": known(clip["attributes"]),
        "prompt": prompt,
        "stated": STATED[name],
        "clips": len(clips),
        "caption": said,
        "caption_true": truth(said, record),
        "places": {"by the sentence": place(scores[:, 0], own), "by the captioner": place(scores[:, 1], own)},
        "first": clips[int(scores[:, 0].argmax())]["title"],
        "similarity": round(float(scores[own, 0]), 2),
        "others": round(float(np.delete(scores[:, 0].numpy(), own).mean()), 2),
        "made": {},
    }
    sounds = {
        "the clip": load_audio(clip["audio"]["path"], RATE)[None],
        "MusicGen": by_musicgen([prompt] * SEEDS, seed=0)[0],
        "diffusion": by_diffusion([prompt] * SEEDS, seed=0, num_inference_steps=STEPS)[0],
    }
    for source, some in sounds.items():
        heard, again = ears.hear(list(some))
        answers = [probe(sound) for sound in some]
        back = heard @ reverse.T  # (sounds, captions of all clips)
        found["made"][source] = {
            "probe": {k: [bool(one[k] == v) for one in answers] for k, v in STATED[name].items()},
            "answers": answers,
            "similarity": [round(float(x), 2) for x in heard @ ears.read([prompt])[0]],
            "place of the prompt": [place(row, own) for row in back],
            "captions": again,
            "true": [truth(text, record) for text in again],
        }
    return found


def main() -> None:
    """Write the file."""
    set_verbosity_error()
    clips, ears, probe = list(load_clips()), Listener(), Probe.load()
    made = {"weights": hashes(), "followed": [follow(name, clips, ears, probe) for name in STATED]}
    text = json.dumps(made, ensure_ascii=False, indent=1, default=lambda x: x.item())
    TARGET.write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
