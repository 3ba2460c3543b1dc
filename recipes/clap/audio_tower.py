"""Train the audio tower and both projections on top of the frozen text tower."""

import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertTokenizer, ClapAudioConfig, ClapConfig, ClapModel
from transformers.models.clap.modeling_clap import ClapTextModel

from clap.features import Texts
from clap.text_tower import encode

EMBEDDING = 256
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
CAPTIONS = 6  # of each clip
EPOCHS, BATCH = 16, 32
ALONE = 1  # epochs at the start in which the audio tower learns facts only, without the captions
OTHERS = 448  # captions of other clips, compared with each batch
QUEUE = 1024  # clips of the batches before, compared with the captions of this one
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 8e-3
WEIGHT_DECAY, WARM_UP = 0.05, 0.02
FACT_WEIGHT = 0.2


def new_model(text_tower: Path) -> ClapModel:
    """An untrained CLAP around the distilled text tower."""
    tower = ClapTextModel.from_pretrained(text_tower, dtype=torch.float32)
    text = tower.config.to_dict() | {"projection_dim": EMBEDDING}
    audio = ClapAudioConfig(**AUDIO, projection_dim=EMBEDDING)
    config = ClapConfig(text_config=text, audio_config=audio.to_dict(), projection_dim=EMBEDDING)
    torch.manual_seed(0)
    model = ClapModel(config)
    model.text_model.load_state_dict(tower.state_dict())
    # A Swin transformer has no positions. Where a patch is in frequency, it can see from a ramp over the mel bands.
    place = torch.linspace(0, 1, AUDIO["num_mel_bins"])
    with torch.no_grad():
        model.audio_model.audio_encoder.batch_norm.bias.copy_(
            1.5 * (2 * place - 1) + 0.7 * torch.cos(4 * math.pi * place)
        )
    return model


def standardize_input(projection: nn.Module, inputs: torch.Tensor) -> None:
    """Set the first layer of an untrained projection so that its inputs act as if standardized.

    Else the embeddings of all clips begin almost equal, and the contrastive loss hardly moves.
    """
    mean, std = inputs.mean(0), inputs.std(0) + 1e-3
    with torch.no_grad():
        projection.linear1.weight.div_(std)
        projection.linear1.bias.copy_(-projection.linear1.weight @ mean)


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


def comparison(said: torch.Tensor, holds: torch.Tensor, blank: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each caption is true of each clip, and whether that is open; both of shape (captions, clips)."""
    count = said.sum(1, keepdim=True)
    met = said @ holds.T
    true = met == count
    return true, (met + said @ blank.T >= count) & ~true


def several_positives(logits: torch.Tensor, true: torch.Tensor, open_: torch.Tensor) -> torch.Tensor:
    """InfoNCE by rows with several positives: the mean of their log-probabilities.

    Pairs of which it is open whether they match are left out; so are rows without a positive.
    """
    logits = logits.masked_fill(open_, -torch.inf)
    log_probability = logits.log_softmax(1).masked_fill(~true, 0)
    count = true.sum(1)
    return -(log_probability.sum(1)[count > 0] / count[count > 0]).mean()


class Trainer:
    """State of a training run, kept on disk after each epoch, so that it can go on after an interruption."""

    def __init__(self, folder: Path, records: list[dict], validation: list[dict]):
        self.folder = folder
        tokenizer = BertTokenizer.from_pretrained(folder / "text-tower")
        self.model = new_model(folder / "text-tower")
        everything = Texts(records + validation, CAPTIONS)
        kept = folder / "captions.npy"
        if not kept.is_file():
            with torch.autocast("cpu", torch.bfloat16):
                np.save(kept, encode(self.model.text_model.eval(), tokenizer, [c.text for c in everything.captions]))
        text = torch.from_numpy(np.load(kept))
        train = everything.clip < len(records)
        self.texts, self.owner = text[train], torch.from_numpy(everything.clip[train])
        # A number of beats a minute is for captions only: as labels of clips there are too many.
        self.labels = torch.tensor([name != "tempo_bpm" for name, _ in everything.facts])
        self.said, self.holds, self.blank = (
            torch.from_numpy(table.astype(np.float32))
            for table in (everything.said, everything.holds, everything.blank)
        )
        first = np.searchsorted(everything.clip, np.arange(len(records), len(records) + len(validation)))
        self.check_texts = text[torch.from_numpy(first)]
        self.check_holds, self.check_blank = self.holds[len(records) :], self.blank[len(records) :]
        self.said = self.said[: train.sum()]
        self.starts = np.searchsorted(everything.clip, np.arange(len(records)))
        self.counts = np.bincount(everything.clip[train], minlength=len(records))
        self.head = nn.Linear(AUDIO["hidden_size"], int(self.labels.sum()))
        share = self.holds[: len(records), self.labels].mean(0)
        with torch.no_grad():
            self.head.bias.copy_(torch.logit(share.clamp(0.002, 0.998)))
        for parameter in self.model.text_model.parameters():
            parameter.requires_grad = False
        trained = [p for p in (*self.model.parameters(), *self.head.parameters()) if p.requires_grad]
        # Muon, for the matrices of the audio tower, learned as much in 150 steps as AdamW alone in 600.
        tower = self.model.audio_model.named_parameters()
        matrices = [p for name, p in tower if p.ndim == 2 and "relative_position" not in name]
        chosen = {id(p) for p in matrices}
        decay = [p for p in trained if p.ndim > 1 and id(p) not in chosen]
        plain = [p for p in trained if p.ndim <= 1]
        self.optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(
                [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}],
                lr=LEARNING_RATE,
                betas=(0.9, 0.98),
            ),
        ]
        self.steps = EPOCHS * (len(records) // BATCH)
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(one, self.rate) for one in self.optimizers]
        self.curve: list[dict] = []
        self.size = len(records)

    def rate(self, step: int) -> float:
        """Warm-up, then half a cosine."""
        warm = WARM_UP * self.steps
        return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (self.steps - warm)))

    def run(self, mels: np.ndarray, check_mels: np.ndarray) -> ClapModel:
        """Train to the end, from the last epoch on disk if there is one."""
        state_path = self.folder / "audio-tower.pt"
        if state_path.is_file():
            state = torch.load(state_path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.head.load_state_dict(state["head"])
            for name in ("optimizers", "schedules"):
                for part, kept in zip(getattr(self, name), state[name], strict=True):
                    part.load_state_dict(kept)
            self.curve = state["curve"]
        for epoch in range(len(self.curve), EPOCHS):
            row = {"epoch": epoch + 1} | self.epoch(epoch, mels) | self.check(check_mels)
            self.curve.append(row)
            print(json.dumps(row), flush=True)
            state = {"model": self.model.state_dict(), "head": self.head.state_dict(), "curve": self.curve}
            state |= {n: [one.state_dict() for one in getattr(self, n)] for n in ("optimizers", "schedules")}
            torch.save(state, state_path.with_suffix(".part"))
            state_path.with_suffix(".part").replace(state_path)
        with (self.folder / "audio-tower.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, self.curve[0])
            writer.writeheader()
            writer.writerows(self.curve)
        return self.model.eval()

    def epoch(self, epoch: int, mels: np.ndarray) -> dict:
        """One pass over the clips; returns mean losses."""
        rng = np.random.default_rng([0, epoch])
        generator = torch.Generator().manual_seed(epoch)
        torch.manual_seed(epoch)
        model, began = self.model.train(), time.monotonic()
        model.text_model.eval()
        order = rng.permutation(self.size)[: self.size // BATCH * BATCH].reshape(-1, BATCH)
        if epoch == ALONE:
            some = np.random.default_rng(0).choice(self.size, min(self.size, 1024), replace=False)
            standardize_input(model.audio_projection, embed_mels(model.eval(), mels[some])[0])
            standardize_input(model.text_projection, self.texts[:: max(1, len(self.texts) // 4096)])
            model.train()
            model.text_model.eval()
        queue, queued = torch.zeros(0, EMBEDDING), torch.zeros(0, dtype=torch.long)
        sums = np.zeros(3)
        for rows in order:
            own = self.starts[rows] + rng.integers(self.counts[rows])
            others = rng.choice(len(self.texts), OTHERS, replace=False)
            picked = torch.from_numpy(np.concatenate([own, others]))
            clips = torch.from_numpy(rows)
            batch = torch.from_numpy(mels[rows].astype(np.float32))[:, None]
            with torch.autocast("cpu", torch.bfloat16):
                pooled = model.audio_model(input_features=augmented(batch, generator)).pooler_output
            pooled = pooled.float()
            audio = F.normalize(model.audio_projection(pooled), dim=1)
            text = F.normalize(model.text_projection(self.texts[picked]), dim=1)
            true, open_ = comparison(self.said[picked], self.holds[clips], self.blank[clips])
            to_text = several_positives(audio @ text.T * model.logit_scale_a.exp(), true.T, open_.T)
            known = torch.cat([clips, queued])
            true, open_ = comparison(self.said[picked[:BATCH]], self.holds[known], self.blank[known])
            similarity = text[:BATCH] @ torch.cat([audio, queue]).T
            to_audio = several_positives(similarity * model.logit_scale_t.exp(), true, open_)
            target, weight = self.holds[clips][:, self.labels], 1 - self.blank[clips][:, self.labels]
            told = F.binary_cross_entropy_with_logits(self.head(pooled), target, weight, reduction="sum") / BATCH
            together = float(epoch >= ALONE)
            (together * (to_text + to_audio) + FACT_WEIGHT * told).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            with torch.no_grad():
                model.logit_scale_a.clamp_(max=math.log(100))
                model.logit_scale_t.clamp_(max=math.log(100))
            queue, queued = torch.cat([audio.detach(), queue])[:QUEUE], torch.cat([clips, queued])[:QUEUE]
            sums += [to_text.item(), to_audio.item(), told.item()]
        means = (sums / len(order)).round(4).tolist()
        names = ("audio_to_text_loss", "text_to_audio_loss", "fact_loss")
        return dict(zip(names, means, strict=True)) | {"seconds": round(time.monotonic() - began)}

    def check(self, mels: np.ndarray) -> dict:
        """Scores on the validation clips, whose captions have the wording of training."""
        pooled, audio = embed_mels(self.model.eval(), mels)
        with torch.inference_mode():
            text = F.normalize(self.model.text_projection(self.check_texts), dim=1)
            rank = (text @ audio.T).argsort(1, descending=True).argsort(1).diagonal() + 1
            told = self.head(pooled)
            known = self.check_blank[:, self.labels] == 0
            right = ((told > 0) == (self.check_holds[:, self.labels] > 0))[known].float().mean()
        return {
            "validation_mrr": round((1 / rank).mean().item(), 4),
            "validation_recall_at_1": round((rank == 1).float().mean().item(), 4),
            "validation_fact_accuracy": round(right.item(), 4),
        }


def embed_mels(model: ClapModel, mels: np.ndarray, batch: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features (clips, 192) and embeddings of unit length (clips, 256) of spectrograms, in float32."""
    pooled = []
    with torch.inference_mode():
        for at in range(0, len(mels), batch):
            inputs = torch.from_numpy(mels[at : at + batch].astype(np.float32))[:, None]
            pooled.append(model.audio_model(input_features=inputs).pooler_output)
        pooled = torch.cat(pooled)
        return pooled, F.normalize(model.audio_projection(pooled), dim=1)
