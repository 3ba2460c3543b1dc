"""Train the audio tower to tell the facts of a clip: what its captions can state, each true or not."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import ClapAudioConfig, ClapModel
from transformers.models.clap.modeling_clap import ClapAudioModel

from musicwords.captions.matching import Facts
from recipes.common.training import Trainer as Training
from recipes.common.training import cosine

EMBEDDING = 512
AUDIO = dict(
    num_mel_bins=128,
    spec_size=256,
    patch_size=16,
    patch_stride=[16, 16],
    window_size=8,
    patch_embeds_hidden_size=96,
    depths=[2, 4],
    num_attention_heads=[4, 8],
    hidden_size=192,
    num_classes=2,
    enable_fusion=False,
    drop_path_rate=0.0,
)
EPOCHS, BATCH = 20, 32
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 8e-3
WEIGHT_DECAY, WARM_UP = 0.05, 0.02


def new_tower() -> ClapAudioModel:
    """An untrained audio tower."""
    torch.manual_seed(0)
    tower = ClapAudioModel(ClapAudioConfig(**AUDIO, projection_dim=EMBEDDING))
    # A Swin transformer has no absolute positions. A ramp over the mel bands shows a patch where it is in frequency.
    place = torch.linspace(0, 1, AUDIO["num_mel_bins"])
    with torch.no_grad():
        tower.audio_encoder.batch_norm.bias.copy_(1.5 * (2 * place - 1) + 0.7 * torch.cos(4 * math.pi * place))
    return tower


def augmented(mels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Spectrograms shape (clips, 1, 512, 128): turned in time, colored, masked, a little louder or softer."""
    n, _, frames, bands = mels.shape

    def uniform(low, high, *shape):
        return torch.rand(*shape, generator=generator) * (high - low) + low

    shifts = torch.randint(frames, (n, 1), generator=generator)
    mels = mels.gather(2, ((torch.arange(frames) + shifts) % frames)[:, None, :, None].expand(n, 1, frames, bands))
    color = F.interpolate(uniform(-3, 3, n, 1, 6), size=bands, mode="linear", align_corners=True)
    mels = mels + color[:, :, None, :] + uniform(-1, 1, n, 1, 1, 1)
    for axis, widest, times in ((2, 40, 2), (3, 14, 2)):
        place = torch.arange(mels.shape[axis])[None]
        for _ in range(times):
            width = uniform(0, widest, n, 1)
            first = uniform(0, 1, n, 1) * (mels.shape[axis] - width)
            mask = (place >= first) & (place < first + width)
            mask = mask[:, None, :, None] if axis == 2 else mask[:, None, None, :]
            mels = torch.where(mask, mels.mean(dim=(2, 3), keepdim=True), mels)
    return mels


class Trainer(Training):
    """Trains in epochs.

    Parameters
    ----------
    folder : where the state and the curve are kept
    records, mels : of the training clips, in the same order; mels of shape (clips, 512, 128)
    validation, validation_mels : the same of the validation clips
    """

    name, curve_name = "audio-tower", "audio-tower.csv"

    def __init__(
        self,
        folder: Path,
        records: list[dict],
        mels: np.ndarray,
        validation: list[dict],
        validation_mels: np.ndarray,
    ):
        self.mels, self.validation_mels = mels, validation_mels
        self.tower, self.size = new_tower(), len(records)
        names, *tables = Facts([record["attributes"] for record in records + validation]).targets()
        self.attributes = np.array([name for name, _ in names])
        self.holds, self.known = map(torch.from_numpy, tables)
        self.head = nn.Linear(AUDIO["hidden_size"], len(names))
        share = self.holds[: self.size].mean(0)
        with torch.no_grad():
            self.head.bias.copy_(torch.logit(share.clamp(0.002, 0.998)))
        # Muon for the matrices: in a trial the loss was 28.1 after 150 steps, and 30.7 with AdamW alone.
        matrices = [p for name, p in self.tower.named_parameters() if p.ndim == 2 and "relative_position" not in name]
        chosen = {id(p) for p in matrices}
        others = [p for p in (*self.tower.parameters(), *self.head.parameters()) if id(p) not in chosen]
        optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(
                [
                    {"params": [p for p in others if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
                    {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
                ],
                lr=LEARNING_RATE,
                betas=(0.9, 0.98),
            ),
        ]
        self.steps = EPOCHS * (self.size // BATCH)
        super().__init__(folder, EPOCHS, optimizers)

    def rate(self, step: int) -> float:
        return cosine(step, self.steps, WARM_UP * self.steps)

    def parts(self) -> dict:
        return {"tower": self.tower, "head": self.head}

    def finished(self) -> ClapAudioModel:
        return self.tower.eval()

    def loss(self, pooled: torch.Tensor, rows: np.ndarray | slice) -> torch.Tensor:
        """Binary cross-entropy of the facts of some clips that are known, shape (clips, facts), in nats."""
        return F.binary_cross_entropy_with_logits(
            self.head(pooled), self.holds[rows], self.known[rows], reduction="none"
        )

    def round(self, epoch: int) -> dict:
        """One pass over the clips; returns the mean loss of a clip."""
        rng, generator = np.random.default_rng([0, epoch]), torch.Generator().manual_seed(epoch)
        torch.manual_seed(epoch)
        self.tower.train()
        total = 0.0
        order = rng.permutation(self.size)[: self.size // BATCH * BATCH].reshape(-1, BATCH)
        for rows in order:
            batch = augmented(torch.from_numpy(self.mels[rows].astype(np.float32))[:, None], generator)
            with torch.autocast("cpu", torch.bfloat16):
                pooled = self.tower(input_features=batch).pooler_output
            loss = self.loss(pooled.float(), rows).sum() / BATCH
            self.step_down(loss, [*self.tower.parameters(), *self.head.parameters()], 1.0)
            total += loss.item()
        return {"epoch": epoch + 1, "loss": round(total / len(order), 3)}

    def check(self) -> dict:
        """Loss on the validation clips, in all and by attribute."""
        with torch.inference_mode():
            pooled = pooled_features(self.tower.eval(), self.validation_mels)
            loss = self.loss(pooled, slice(self.size, None)).mean(0).numpy()
        by_attribute = {name: loss[self.attributes == name].sum() for name in sorted(set(self.attributes))}
        found = {"validation": loss.sum()} | {f"validation {name}": value for name, value in by_attribute.items()}
        return {name: round(float(value), 3) for name, value in found.items()}


def pooled_features(tower: nn.Module, mels: np.ndarray, batch: int = 64) -> torch.Tensor:
    """What the audio tower makes of spectrograms, shape (clips, 192)."""
    found = []
    for at in range(0, len(mels), batch):
        inputs = torch.from_numpy(mels[at : at + batch].astype(np.float32))[:, None]
        found.append(tower(input_features=inputs).pooler_output.float())
    return torch.cat(found)


def embed_mels(model: ClapModel, mels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features (clips, 192) and embeddings of unit length (clips, 512) of spectrograms."""
    with torch.inference_mode():
        pooled = pooled_features(model.audio_model, mels)
        return pooled, F.normalize(model.audio_projection(pooled), dim=1)
