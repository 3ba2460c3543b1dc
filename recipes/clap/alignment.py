"""Train both projections on the frozen towers, so that sounds and sentences that fit each other lie together.

Sounds are rendered clips, of which all facts are known, and windows of recordings, of which only those facts are known
that musicnn is sure of.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import ClapConfig, ClapModel
from transformers.models.clap.modeling_clap import ClapAudioModel, ClapTextModel

from musicwords.captions.matching import comparison
from musicwords.matching import fact_table
from recipes.clap.audio_tower import EMBEDDING, augmented, pooled_features
from recipes.clap.sentences import Sentence
from recipes.clap.text_tower import encode, load
from recipes.clap.typed import Judge
from recipes.common.files import write_array, write_rows

CAPTIONS = 6  # of each clip
ROUNDS, STEPS = 40, 50
BATCHES = (256, 160, 64)  # sounds of a batch: clips of the corpus, with other timbres, windows of recordings
OTHERS = 640  # captions of other clips, compared with each batch
TYPED = 320  # other sentences of a batch
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.05, 0.1
DROPOUT = 0.1  # of the inputs of both projections


def assembled(audio: ClapAudioModel, text: ClapTextModel) -> ClapModel:
    """A CLAP of two trained towers; the projections are untrained."""
    parts = {"audio_config": audio.config.to_dict(), "text_config": text.config.to_dict()}
    for config in parts.values():
        config.pop("_name_or_path", None)  # the folder that a tower was read from
    torch.manual_seed(0)
    model = ClapModel(ClapConfig(**parts, projection_dim=EMBEDDING))
    model.audio_model.load_state_dict(audio.state_dict())
    model.text_model.load_state_dict(text.state_dict())
    return model.eval()


def several_positives(
    logits: torch.Tensor, true: torch.Tensor, open_: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """InfoNCE by rows with several positives: the weighted mean of their log-probabilities.

    Pairs of which it is open whether they match are left out; so are rows without a positive.

    Parameters
    ----------
    logits : shape (rows, columns)
    true, open_ : bool, of the same shape
    weights : shape (columns,); only their ratios count, and by default all columns weigh the same
    """
    log_probability = logits.masked_fill(open_, -torch.inf).log_softmax(1).masked_fill(~true, 0)
    weights = true.float() if weights is None else weights * true
    some = true.any(1)
    return -((weights * log_probability).sum(1)[some] / weights.sum(1)[some]).mean()


def rarity(said: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Inverse of the share of clips that a caption is true of, were its facts independent; shape (captions,).

    Of the captions that are true of a clip, most say one common fact ("with drums"). If all weighed the same, a clip
    would come to lie closest to those. By this weight it lies closest to the captions that say the most about it.

    Parameters
    ----------
    said : of captions, shape (captions, facts); holds : of clips, shape (clips, facts)
    """
    return (said @ -holds.mean(0).clamp(min=1 / len(holds)).log()).exp()


def standardize_input(projection: nn.Module, inputs: torch.Tensor) -> None:
    """Set the first layer of an untrained projection so that its inputs act as if standardized."""
    mean, std = inputs.mean(0), inputs.std(0) + 1e-3
    with torch.no_grad():
        projection.linear1.weight.div_(std)
        projection.linear1.bias.copy_(-projection.linear1.weight @ mean)


@dataclass
class Sounds:
    """What the audio tower makes of sounds, and what is true of them.

    Attributes
    ----------
    pooled : list of shape (sounds, 192)
        Of the sounds as they are, and of augmented copies: one of them is drawn each time.
    holds, blank : shape (sounds, 2 * facts)
        Which facts are true, or left open; in the second half, which facts are not.
    """

    pooled: list[torch.Tensor]
    holds: torch.Tensor
    blank: torch.Tensor


def both_ways(holds: np.ndarray, blank: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Facts, and beside them their contraries, as ``Sounds`` has them."""
    contrary = ~(holds | blank)
    found = np.hstack([holds, contrary]), np.hstack([blank, blank])
    return tuple(torch.from_numpy(table.astype(np.float32)) for table in found)


def table(sentences: Sequence[Sentence], names: Sequence) -> torch.Tensor:
    """What sentences state and deny, shape (sentences, 2 * facts)."""
    parts = [fact_table([getattr(one, part) for one in sentences], names) for part in ("said", "denied")]
    return torch.from_numpy(np.hstack(parts))


def listened(
    model: ClapModel, mels: np.ndarray, copies: int, path: Path, levels: tuple[float, float] = (0.0, 0.0)
) -> list[torch.Tensor]:
    """Pooled features of sounds and of augmented copies; kept at ``path``.

    Parameters
    ----------
    copies : how many, beside the sounds as they are
    levels : dB by which a copy is made louder, drawn between them
    """
    if not path.is_file():
        generator, found = torch.Generator().manual_seed(0), []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for copy in range(1 + copies):
                parts = []
                for at in range(0, len(mels), 256):
                    batch = torch.from_numpy(mels[at : at + 256].astype(np.float32))[:, None]
                    if copy:
                        louder = torch.rand(len(batch), 1, 1, 1, generator=generator)
                        batch = augmented(batch, generator) + levels[0] + (levels[1] - levels[0]) * louder
                    parts.append(pooled_features(model.audio_model, batch[:, 0].numpy()))
                found.append(torch.cat(parts))
        write_array(path, torch.stack(found).numpy())
    return list(torch.from_numpy(np.load(path)))


def read(model: ClapModel, sentences: Sequence[Sentence], folder: Path, name: str) -> torch.Tensor:
    """Pooled features of sentences, shape (sentences, 384); kept in ``folder``."""
    path = folder / f"sentences-{name}.npy"
    if not path.is_file():
        _, tokenizer = load(folder / "text-tower")
        write_array(path, encode(model.text_model, tokenizer, [one.text for one in sentences]).numpy())
    return torch.from_numpy(np.load(path))


class Alignment:
    """Trains the projections of a model in place; the towers stay as they are.

    Parameters
    ----------
    model : with trained towers
    sounds : groups of sounds, from each of which a part of a batch is drawn
    captions : pooled features of captions, what they say, shape (captions, 2 * facts), and the number of the clip in
        the first group that each was written for, in ascending order
    typed : pooled features of other sentences, and what they say
    """

    def __init__(self, model: ClapModel, sounds: list[Sounds], captions: tuple, typed: tuple):
        torch.manual_seed(0)
        self.model, self.sounds, self.captions, self.typed = model, sounds, captions, typed
        self.rng = np.random.default_rng(0)
        words, said, clip = captions
        self.starts = np.searchsorted(clip, np.arange(clip[-1] + 1))
        self.counts = np.bincount(clip)
        self.weights = rarity(said, sounds[0].holds)
        self.typed_weights = rarity(typed[1], sounds[0].holds)
        standardize_input(model.audio_projection, torch.cat([group.pooled[0] for group in sounds]))
        standardize_input(model.text_projection, torch.cat([words[:: max(1, len(words) // 5_000)], typed[0]]))
        self.scales = [model.logit_scale_a, model.logit_scale_t]
        projections = [*model.audio_projection.parameters(), *model.text_projection.parameters()]
        self.optimizer = torch.optim.AdamW(
            [{"params": projections, "weight_decay": WEIGHT_DECAY}, {"params": self.scales, "weight_decay": 0.0}],
            lr=LEARNING_RATE,
            betas=(0.9, 0.98),
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, LEARNING_RATE, total_steps=ROUNDS * STEPS, pct_start=WARM_UP
        )

    def step(self) -> float:
        """One batch: clips with a caption each, other sounds, captions of other clips, and typed sentences."""
        model, rng = self.model, self.rng
        words, said, _ = self.captions
        rows = [rng.choice(len(group.holds), min(size, len(group.holds)), replace=False)
                for group, size in zip(self.sounds, BATCHES, strict=True)]  # fmt: skip
        heard = torch.cat(
            [group.pooled[rng.integers(len(group.pooled))][row] for group, row in zip(self.sounds, rows, strict=True)]
        )
        holds, blank = (torch.cat([getattr(group, name)[row] for group, row in zip(self.sounds, rows, strict=True)])
                        for name in ("holds", "blank"))  # fmt: skip
        clips = rows[0][rows[0] < len(self.counts)]
        own = self.starts[clips] + rng.integers(self.counts[clips])
        others = rng.integers(len(words), size=OTHERS)
        typed = rng.integers(len(self.typed[0]), size=TYPED)
        texts = torch.cat([words[own], words[others], self.typed[0][typed]])
        stated = torch.cat([said[own], said[others], self.typed[1][typed]])
        weights = torch.cat([self.weights[own], self.weights[others], self.typed_weights[typed]])
        audio = F.normalize(model.audio_projection(F.dropout(heard, DROPOUT)), dim=1)
        text = F.normalize(model.text_projection(F.dropout(texts, DROPOUT)), dim=1)
        true, open_ = comparison(stated, holds, blank)
        near = text @ audio.T
        asking = np.r_[: len(own), len(own) + OTHERS : len(texts)]  # captions of clips of the batch, and typed ones
        loss = several_positives(near[asking] * model.logit_scale_t.exp(), true[asking], open_[asking])
        loss = loss + several_positives(near.T * model.logit_scale_a.exp(), true.T, open_.T, weights)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for scale in self.scales:
                scale.clamp_(max=math.log(100))
        return loss.item()

    def run(self, check: Callable[[], dict], folder: Path) -> ClapModel:
        """Train to the end; ``check`` gives columns of the curve, which is written to ``folder``."""
        curve = []
        for number in range(ROUNDS):
            self.model.train()
            total = sum(self.step() for _ in range(STEPS))
            self.model.eval()
            with torch.inference_mode():
                curve.append({"round": number + 1, "loss": round(total / STEPS, 4)} | check())
        write_rows(folder / "alignment.csv", curve)
        print(curve[-1], flush=True)
        return self.model


def ranks(model: ClapModel, texts: torch.Tensor, sounds: torch.Tensor) -> dict:
    """Both directions on clips, one caption a clip, from pooled features."""
    text = F.normalize(model.text_projection(texts), dim=1)
    audio = F.normalize(model.audio_projection(sounds), dim=1)
    near = text @ audio.T
    found = {}
    for way, rows in (("text_to_audio", near), ("audio_to_text", near.T)):
        rank = rows.argsort(1, descending=True).argsort(1).diagonal() + 1
        found[f"validation_mrr_{way}"] = round((1 / rank).mean().item(), 4)
        found[f"validation_recall_at_1_{way}"] = round((rank == 1).float().mean().item(), 4)
    return found


def searches(model: ClapModel, judge: Judge, texts: torch.Tensor, sounds: torch.Tensor, language: str) -> dict:
    """How often a typed sentence finds a clip that it is true of, from pooled features."""
    text = F.normalize(model.text_projection(texts), dim=1)
    audio = F.normalize(model.audio_projection(sounds), dim=1)
    return {f"validation_fits_{language}": round(judge.scores((text @ audio.T).numpy())["fits"], 4)}
