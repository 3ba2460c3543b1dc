"""Baselines on frozen embeddings of musicnn and MiniLM: a linear map, the tutorial's heads, better heads."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional as F

from musicwords.captions.matching import comparison
from recipes.clap.alignment import rarity, several_positives


@dataclass
class Pairs:
    """Embeddings of clips (clips, 200) and of captions (captions, 384), and the clip of each caption."""

    audio: np.ndarray
    text: np.ndarray
    clip: np.ndarray
    said: np.ndarray
    holds: np.ndarray
    blank: np.ndarray


def linear(train: Pairs, alpha: float):
    """Ridge regression from a clip's embedding to the mean embedding of its captions."""
    mean, std = train.audio.mean(0), train.audio.std(0) + 1e-6
    targets = np.stack([train.text[train.clip == index].mean(0) for index in range(len(train.audio))])
    model = Ridge(alpha=alpha).fit((train.audio - mean) / std, targets)
    return lambda audio: model.predict((audio - mean) / std), lambda text: text


def tutorial(train: Pairs, seed: int, epochs: int = 10):
    """The heads of the ISMIR 2024 tutorial on our encoders: two layers of width 128 without bias on each side, InfoNCE.

    Batches of 128, AdamW with learning rate 1e-2, ten epochs, one caption a clip. The tutorial itself trained them on
    MusicFM (1,024 numbers a clip) and RoBERTa (768 a text), with 3,000 clips of LP-MusicCaps-MTT: scores of these heads
    say nothing about its model.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)

    def head(size: int) -> nn.Module:
        return nn.Sequential(nn.Linear(size, 128, bias=False), nn.ReLU(), nn.Linear(128, 128, bias=False))

    audio_head, text_head = head(train.audio.shape[1]), head(train.text.shape[1])
    scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
    optimizer = torch.optim.AdamW([*audio_head.parameters(), *text_head.parameters(), scale], lr=1e-2)
    audio, text = torch.from_numpy(train.audio), torch.from_numpy(train.text)
    first = np.searchsorted(train.clip, np.arange(len(audio)))
    for _ in range(epochs):
        for rows in rng.permutation(len(audio))[: len(audio) // 128 * 128].reshape(-1, 128):
            a = F.normalize(audio_head(audio[rows]), dim=1)
            t = F.normalize(text_head(text[first[rows]]), dim=1)
            logits, target = a @ t.T * scale.exp(), torch.arange(len(rows))
            loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return _apply(audio_head), _apply(text_head)


def better(train: Pairs, seed: int, epochs: int = 40):
    """Standardized audio, dropout, several captions a clip, several positives: the loss of the mini CLAP."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    mean, std = train.audio.mean(0), train.audio.std(0) + 1e-6

    def head(size: int) -> nn.Module:
        return nn.Sequential(nn.Dropout(0.2), nn.Linear(size, 512), nn.GELU(), nn.Dropout(0.2), nn.Linear(512, 256))

    audio_head, text_head = head(train.audio.shape[1]), head(train.text.shape[1])
    scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
    parameters = [*audio_head.parameters(), *text_head.parameters(), scale]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05)
    audio, text = torch.from_numpy((train.audio - mean) / std), torch.from_numpy(train.text)
    said, holds, blank = (torch.from_numpy(x.astype(np.float32)) for x in (train.said, train.holds, train.blank))
    weights = rarity(said, holds)
    starts, counts = np.searchsorted(train.clip, np.arange(len(audio))), np.bincount(train.clip)
    per_epoch = max(1, len(audio) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * per_epoch)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(audio)), per_epoch):
            picked = np.concatenate([starts[rows] + rng.integers(counts[rows]) for _ in range(2)])
            a, t = F.normalize(audio_head(audio[rows]), dim=1), F.normalize(text_head(text[picked]), dim=1)
            true, open_ = comparison(said[picked], holds[rows], blank[rows])
            logits = t @ a.T * scale.exp().clamp(max=100)
            loss = several_positives(logits, true, open_)
            loss = loss + several_positives(logits.T, true.T, open_.T, weights[picked])
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    encode = _apply(audio_head.eval())
    return lambda audio: encode((audio - mean) / std), _apply(text_head.eval())


def _apply(head: nn.Module):
    def embed(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return F.normalize(head(torch.from_numpy(np.asarray(rows, np.float32))), dim=1).numpy()

    return embed
