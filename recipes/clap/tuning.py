"""Go on with the audio tower: on more timbres, and on recordings, where musicnn's tags stand in for facts.

The tower of ``audio_tower`` has heard two sound fonts. Here it learns the same facts from clips that many timbres play,
and beside them what two taggers, trained on recordings, say of recordings: each tag's probability, and the layer before
the tags. Batches hold both. The learning rate falls in several cycles, and each begins with new optimizers.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers.models.clap.modeling_clap import ClapAudioModel

from musicwords.captions.matching import Facts
from recipes.clap.audio_tower import AUDIO, augmented, pooled_features
from recipes.clap.listening import TAGS, Heard
from recipes.common.training import Trainer, cosine

STEPS = 250  # of a round
CLIPS, WINDOWS = 22, 10  # of a batch: rendered, and tagged by musicnn
WEIGHT_DECAY = 0.05
TAGS_WEIGHT, LAYER_WEIGHT = 0.7, 10.0  # of the errors in the tags and in the layer before them, beside the facts
MIXED = 0.5  # share of the batches whose windows are mixed by pairs (mixup)
LEVELS = (-14.0, 3.0)  # dB that a window becomes louder
NAME = "audio-tuning"


class Cycle(NamedTuple):
    """A fall of the learning rates, from a warm-up on."""

    rounds: int
    rate: float  # of AdamW
    muon_rate: float
    warm_up: float  # share of the steps
    seed: int


# The first one was too fast: the validation loss rose from 12.7 to 22 nats, and came back to 12.7.
CYCLES = (Cycle(26, 5e-4, 4e-3, 0.03, 0), Cycle(10, 3e-4, 1.5e-3, 0.01, 0), Cycle(24, 3e-4, 1.5e-3, 0.01, 1000))


class Tuning(Trainer):
    """Trains one cycle, in rounds of ``STEPS`` batches.

    Parameters
    ----------
    folder : where the states and the curves are kept
    number : of the cycle; what an earlier one ended with lies in the folder
    tower : what the first cycle begins with; it changes
    records, mels : of the rendered training clips, in the same order
    heard : windows with tags, most of them of recordings
    validation, validation_mels : of the validation clips
    held_out : windows of recordings by artists that ``heard`` lacks, to measure on
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        tower: ClapAudioModel,
        records: list[dict],
        mels: list[np.ndarray],
        heard: Heard,
        validation: list[dict],
        validation_mels: np.ndarray,
        held_out: Heard,
    ):
        torch.manual_seed(0)
        self.cycle, self.name = CYCLES[number], f"{NAME}-{number + 1}"
        self.curve_name = f"{self.name}.csv"
        self.tower, self.mels, self.heard = tower, mels, heard
        self.validation_mels, self.held_out = validation_mels, held_out
        self.size = len(records)
        self.starts = np.cumsum([0, *map(len, mels)])
        self.names, *tables = Facts([record["attributes"] for record in records + validation]).targets()
        self.attributes = np.array([name for name, _ in self.names])
        self.holds, self.known = map(torch.from_numpy, tables)
        self.heads = nn.ModuleDict(
            {
                "facts": nn.Linear(AUDIO["hidden_size"], len(self.names)),
                "tags": nn.Linear(AUDIO["hidden_size"], TAGS),
                "layer": nn.Linear(AUDIO["hidden_size"], heard.layer.shape[1]),
            }
        )
        with torch.no_grad():
            for name, share in (("facts", self.holds.mean(0)), ("tags", torch.from_numpy(heard.tags.mean(0)))):
                self.heads[name].bias.copy_(torch.logit(share.clamp(0.002, 0.998)))
        if number:
            state = torch.load(folder / f"{NAME}-{number}.pt", weights_only=True)
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
        matrices = [p for name, p in tower.named_parameters() if p.ndim == 2 and "relative_position" not in name]
        chosen = {id(p) for p in matrices}
        others = [p for p in (*tower.parameters(), *self.heads.parameters()) if id(p) not in chosen]
        optimizers = [
            torch.optim.Muon(
                matrices, lr=self.cycle.muon_rate, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(
                [
                    {"params": [p for p in others if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
                    {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
                ],
                lr=self.cycle.rate,
                betas=(0.9, 0.98),
            ),
        ]
        super().__init__(folder, self.cycle.rounds, optimizers)

    def rate(self, step: int) -> float:
        steps = self.cycle.rounds * STEPS
        return cosine(step, steps, self.cycle.warm_up * steps)

    def parts(self) -> dict:
        return {"tower": self.tower, "heads": self.heads}

    def finished(self) -> ClapAudioModel:
        return self.tower.eval()

    def spectrograms(self, rows: np.ndarray) -> np.ndarray:
        """Of rendered clips, which lie in several arrays."""
        part = np.searchsorted(self.starts, rows, side="right") - 1
        return np.stack([self.mels[p][row - self.starts[p]] for p, row in zip(part, rows, strict=True)])

    def facts_error(self, logits: torch.Tensor, rows) -> torch.Tensor:
        """Binary cross-entropy of the facts of some clips that are known, shape (clips, facts), in nats."""
        return F.binary_cross_entropy_with_logits(logits, self.holds[rows], self.known[rows], reduction="none")

    def tags_errors(self, pooled: torch.Tensor, tags: torch.Tensor, layer: torch.Tensor) -> tuple:
        """Cross-entropy of a window's tags in nats, above the least possible one; mean square error of the layer."""
        logits, tags = self.heads["tags"](pooled), tags.clamp(1e-4, 1 - 1e-4)
        least = F.binary_cross_entropy(tags, tags, reduction="none").sum(1)
        error = F.binary_cross_entropy_with_logits(logits, tags, reduction="none").sum(1) - least
        return error.mean(), F.mse_loss(self.heads["layer"](pooled), layer)

    def windows(self, rng: np.random.Generator, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Spectrograms of some windows, changed, with their tags and layers."""
        picked = rng.choice(len(self.heard.mels), WINDOWS, replace=False)
        found = augmented(torch.from_numpy(self.heard.mels[picked].astype(np.float32))[:, None], generator)
        found = found + torch.from_numpy(rng.uniform(*LEVELS, WINDOWS).astype(np.float32))[:, None, None, None]
        tags, layer = (torch.from_numpy(x[picked]) for x in (self.heard.tags, self.heard.layer))
        if rng.random() < MIXED:
            share = float(rng.beta(0.5, 0.5))
            found, tags, layer = (share * x + (1 - share) * x.flip(0) for x in (found, tags, layer))
        return found, tags, layer

    def round(self, number: int) -> dict:
        seed = self.cycle.seed + number
        rng, generator = np.random.default_rng([1, seed]), torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.tower.train()
        sums = dict.fromkeys(("facts", "tags", "layer"), 0.0)
        for _ in range(STEPS):
            rows = rng.choice(self.size, CLIPS, replace=False)
            sounds = [augmented(torch.from_numpy(self.spectrograms(rows).astype(np.float32))[:, None], generator)]
            if WINDOWS:
                windows, tags, layer = self.windows(rng, generator)
                sounds.append(windows)
            with torch.autocast("cpu", torch.bfloat16):
                pooled = self.tower(input_features=torch.cat(sounds)).pooler_output
            pooled = pooled.float()
            facts = self.facts_error(self.heads["facts"](pooled[:CLIPS]), rows).sum(1).mean()
            error = far = torch.zeros(())
            if WINDOWS:
                error, far = self.tags_errors(pooled[CLIPS:], tags, layer)
            loss = facts + TAGS_WEIGHT * error + LAYER_WEIGHT * far
            self.step_down(loss, [*self.tower.parameters(), *self.heads.parameters()], 2.0)
            for name, value in (("facts", facts), ("tags", error), ("layer", far)):
                sums[name] += value.item()
        return {"round": number + 1} | {name: round(total / STEPS, 3) for name, total in sums.items()}

    def check(self) -> dict:
        """Facts of the validation clips; tags of recordings by other artists, and how they correlate by tag."""
        with torch.inference_mode():
            pooled = pooled_features(self.tower.eval(), self.validation_mels)
            error = self.facts_error(self.heads["facts"](pooled), slice(self.size, None)).mean(0).numpy()
            windows = pooled_features(self.tower, self.held_out.mels)
            tags, layer = self.tags_errors(
                windows, *(torch.from_numpy(x) for x in (self.held_out.tags, self.held_out.layer))
            )
            logits = self.heads["tags"](windows).numpy()
        truth = np.log(self.held_out.tags + 1e-6)
        along = np.mean([np.corrcoef(logits[:, i], truth[:, i])[0, 1] for i in range(TAGS)])
        by_attribute = {name: error[self.attributes == name].sum() for name in sorted(set(self.attributes))}
        found = {"validation": error.sum(), "held-out tags": tags, "held-out layer": layer, "tag correlation": along}
        found |= {f"validation {name}": value for name, value in by_attribute.items()}
        return {name: round(float(value), 3) for name, value in found.items()}


def whole_curve(folder: Path) -> list[dict]:
    """The curves of all cycles, one after the other, as text; ``cycle`` says which."""
    found = []
    for number in range(len(CYCLES)):
        with (folder / f"{NAME}-{number + 1}.csv").open() as file:
            found += [{"cycle": number + 1} | row for row in csv.DictReader(file)]
    return found
