"""Train both projections on the frozen towers, so that clips and captions that fit each other lie together."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import ClapConfig, ClapModel
from transformers.models.clap.modeling_clap import ClapAudioModel, ClapTextModel

from recipes.captions.matching import comparison
from recipes.clap.audio_tower import EMBEDDING, augmented, pooled_features
from recipes.clap.features import Texts
from recipes.clap.text_tower import encode, load
from recipes.common.files import write_array, write_rows

CAPTIONS = 6  # of each clip
COPIES = 3  # of each clip, each augmented in another way, and the clip as it is
EPOCHS, BATCH = 30, 256
OTHERS = 768  # captions of other clips, compared with each batch
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


def listened(model: ClapModel, mels: np.ndarray, path: Path) -> torch.Tensor:
    """Pooled features of the clips and of augmented copies, shape (1 + COPIES, clips, 192); kept at ``path``."""
    if not path.is_file():
        generator, copies = torch.Generator().manual_seed(0), []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for copy in range(1 + COPIES):
                parts = []
                for at in range(0, len(mels), 256):
                    batch = torch.from_numpy(mels[at : at + 256].astype(np.float32))[:, None]
                    batch = augmented(batch, generator) if copy else batch
                    parts.append(pooled_features(model.audio_model, batch[:, 0].numpy()))
                copies.append(torch.cat(parts))
        write_array(path, torch.stack(copies).numpy())
    return torch.from_numpy(np.load(path))


def read(model: ClapModel, texts: list[str], folder: Path, name: str) -> torch.Tensor:
    """Pooled features of texts, shape (texts, 384); kept in ``folder``."""
    path = folder / f"captions-{name}.npy"
    if not path.is_file():
        _, tokenizer = load(folder / "text-tower")
        write_array(path, encode(model.text_model, tokenizer, texts).numpy())
    return torch.from_numpy(np.load(path))


def align(
    model: ClapModel,
    records: list[dict],
    mels: np.ndarray,
    validation: list[dict],
    check_mels: np.ndarray,
    folder: Path,
) -> ClapModel:
    """Train the projections of ``model`` in place; the towers stay as they are.

    Parameters
    ----------
    records, mels : of the training clips, in the same order
    validation, check_mels : of the validation clips, whose captions are in a wording of their own
    folder : where features and the curve are kept
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    texts = Texts(records, CAPTIONS)
    said, holds, blank = (torch.from_numpy(x.astype(np.float32)) for x in (texts.said, texts.holds, texts.blank))
    weights = rarity(said, holds)
    words = read(model, [caption.text for caption in texts.captions], folder, "train")
    sounds = listened(model.eval(), mels, folder / "pooled.npy")
    check_texts = read(model, [c.text for c in Texts(validation, 1).captions], folder, "validation")
    with torch.inference_mode():
        check_sounds = pooled_features(model.audio_model, check_mels)
    check_sounds = check_sounds.clone()

    standardize_input(model.audio_projection, sounds[0])
    standardize_input(model.text_projection, words[:: max(1, len(words) // 10_000)])
    scales = [model.logit_scale_a, model.logit_scale_t]
    projections = [*model.audio_projection.parameters(), *model.text_projection.parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": projections, "weight_decay": WEIGHT_DECAY}, {"params": scales, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
        betas=(0.9, 0.98),
    )
    size = len(records)
    per_epoch = max(1, size // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=EPOCHS * per_epoch, pct_start=WARM_UP
    )
    starts, counts = np.searchsorted(texts.clip, np.arange(size)), np.bincount(texts.clip, minlength=size)
    curve = []
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for rows in np.array_split(rng.permutation(size), per_epoch):
            own = starts[rows] + rng.integers(counts[rows])
            picked = np.concatenate([own, rng.integers(len(words), size=OTHERS)])
            heard = sounds[torch.from_numpy(rng.integers(len(sounds), size=len(rows))), torch.from_numpy(rows)]
            audio = F.normalize(model.audio_projection(F.dropout(heard, DROPOUT)), dim=1)
            text = F.normalize(model.text_projection(F.dropout(words[picked], DROPOUT)), dim=1)
            true, open_ = comparison(said[picked], holds[rows], blank[rows])
            near, own = text @ audio.T, slice(len(rows))
            loss = several_positives(near[own] * model.logit_scale_t.exp(), true[own], open_[own])
            loss = loss + several_positives(near.T * model.logit_scale_a.exp(), true.T, open_.T, weights[picked])
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            with torch.no_grad():
                for scale in scales:
                    scale.clamp_(max=math.log(100))
            total += loss.item()
        curve.append(
            {"epoch": epoch + 1, "loss": round(total / per_epoch, 4)} | check(model, check_texts, check_sounds)
        )
    write_rows(folder / "alignment.csv", curve)
    print(curve[-1], flush=True)
    return model.eval()


def check(model: ClapModel, texts: torch.Tensor, sounds: torch.Tensor) -> dict:
    """Both directions on the validation clips, one caption a clip."""
    model.eval()
    with torch.inference_mode():
        text = F.normalize(model.text_projection(texts), dim=1)
        audio = F.normalize(model.audio_projection(sounds), dim=1)
        near = text @ audio.T
    found = {}
    for way, rows in (("text_to_audio", near), ("audio_to_text", near.T)):
        rank = rows.argsort(1, descending=True).argsort(1).diagonal() + 1
        found[f"validation_mrr_{way}"] = round((1 / rank).mean().item(), 4)
        found[f"validation_recall_at_1_{way}"] = round((rank == 1).float().mean().item(), 4)
    return found
