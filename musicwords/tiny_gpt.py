"""A small GPT, its tokenizer, its training and its sampling, for notebooks that go on from where it is built.

Derived in: notebooks/language_models/tiny_gpt.ipynb
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional as F

VOCABULARY = 1024  # pieces, the special token among them
CONTEXT = 48  # positions that a model sees
END = 0  # the number of the special token that stands between texts
IGNORE = -100  # what cross_entropy leaves out
WIDTH, HEADS, LAYERS = 48, 4, 2
BATCH, EPOCHS, RATE = 16, 3, 1e-2


def train_tokenizer(texts: Sequence[str], size: int = VOCABULARY) -> Tokenizer:
    """Return a byte-level BPE tokenizer with ``size`` pieces, the special token ``<end>`` first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<end>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return tokens between two ends, filled up with ``IGNORE``, of shape (texts, CONTEXT + 1)."""
    rows = torch.full((len(texts), CONTEXT + 1), IGNORE)
    for row, encoding in zip(rows, tokenizer.encode_batch(list(texts)), strict=True):
        ids = [END, *encoding.ids, END][: CONTEXT + 1]
        row[: len(ids)] = torch.tensor(ids)
    return rows


class Block(nn.Module):
    """Self-attention and a small network, each normalized before it and added to what came in.

    Parameters
    ----------
    causal : bool
        Whether a position sees only itself and earlier ones.
    """

    def __init__(self, causal: bool = True):
        super().__init__()
        self.causal = causal
        self.norm_1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm_2 = nn.LayerNorm(WIDTH)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.narrow.weight)

    def heads(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return queries, keys and values, each of shape (batch, HEADS, positions, channels)."""
        parts = self.qkv(x).chunk(3, dim=-1)
        return [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts]

    def add(self, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """Add what attention mixed, and what the small network makes of the sum."""
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.norm_2(x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pass on ``x`` of shape (batch, positions, WIDTH)."""
        q, k, v = self.heads(self.norm_1(x))
        return self.add(x, F.scaled_dot_product_attention(q, k, v, is_causal=self.causal))


class GPT(nn.Module):
    """A language model on the pieces of a tokenizer; ``tags`` are for its relatives, which are told something."""

    def __init__(self, causal: bool = True):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([Block(causal) for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors of tokens at their positions, of shape (batch, positions, WIDTH)."""
        return self.token(ids) + self.position.weight[: ids.shape[1]]

    def read_out(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (..., VOCABULARY)."""
        return self.norm(x) @ self.token.weight.T

    def states(self, ids: torch.Tensor, tags: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the blocks make of the tokens, of shape (batch, positions, WIDTH)."""
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, ids: torch.Tensor, tags: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits at each position, of shape (batch, positions, VOCABULARY)."""
        return self.read_out(self.states(ids, tags))

    def last(self, ids: torch.Tensor, tags: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits of the next token only, of shape (batch, VOCABULARY)."""
        return self.read_out(self.states(ids, tags)[:, -1])


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def batches(rows: torch.Tensor, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield the numbers of rows of about the same length, all once."""
    found = []
    for pool in torch.randperm(len(rows), generator=generator).split(512):
        length = (rows[pool] != IGNORE).sum(dim=1)
        found += pool[length.argsort(stable=True)].split(BATCH)
    for k in torch.randperm(len(found), generator=generator):
        yield found[k]


def loss_of(model: nn.Module, rows: torch.Tensor, tags: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean cross-entropy of the next token, in nats."""
    rows = rows[:, : (rows != IGNORE).sum(dim=1).max()]
    logits = model(rows[:, :-1].clamp(min=0), tags).flatten(0, 1)
    return F.cross_entropy(logits, rows[:, 1:].flatten(), ignore_index=IGNORE)


@torch.no_grad()
def bits_of(model: nn.Module, rows: torch.Tensor, tags: torch.Tensor | None = None) -> float:
    """Return the mean bits a token over all rows."""
    return loss_of(model, rows, tags).item() / np.log(2)


def fit(
    model: nn.Module,
    rows: torch.Tensor,
    tags: torch.Tensor | None = None,
    loss: Callable[..., torch.Tensor] = loss_of,
    epochs: int = EPOCHS,
) -> list[float]:
    """Train a model, and return the loss of each step in bits a token.

    Parameters
    ----------
    model : nn.Module
        Is changed.
    rows : torch.Tensor of shape (texts, CONTEXT + 1)
        From ``encode``.
    tags : torch.Tensor of shape (texts, tags), optional
        What the model is told of each text.
    loss : callable
        Takes the model, some rows and their tags, and returns nats.
    epochs : int
        How often to go through all rows.
    """
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    steps = epochs * len(list(batches(rows, generator)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    seen = []
    for _ in range(epochs):
        for chosen in batches(rows, generator):
            value = loss(model, rows[chosen], None if tags is None else tags[chosen])
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            seen.append(value.item() / np.log(2))
    return seen


def narrow(logits: torch.Tensor, top_k: int | None = None, top_p: float | None = None) -> torch.Tensor:
    """Set the logits of tokens that must not be drawn to minus infinity; shape (batch, VOCABULARY)."""
    if top_k:
        limit = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < limit, -torch.inf)
    if top_p:
        value, order = logits.sort(descending=True)
        before = value.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
        before[:, 0] = 0  # the share of all that are more probable
        value = value.masked_fill(before >= top_p, -torch.inf)
        logits = torch.empty_like(logits).scatter(1, order, value)
    return logits


@torch.no_grad()
def write(
    last: Callable[..., torch.Tensor],
    tokenizer: Tokenizer,
    count: int,
    beginning: str = "",
    tags: torch.Tensor | None = None,
    temperature: float = 1.0,
    **kept,
) -> list[str]:
    """Draw texts token by token; a second call with the same arguments draws the same.

    Parameters
    ----------
    last : callable
        Takes ids (batch, positions) and tags, and returns the logits of the next token, as ``GPT.last``.
    tokenizer : Tokenizer
        That the model was trained with.
    count : int
        How many texts.
    beginning : str
        Of all texts.
    tags : torch.Tensor of shape (count, tags), optional
        What each text is told.
    temperature : float
        Divides the logits.
    **kept
        ``top_k`` or ``top_p`` of ``narrow``.
    """
    generator = torch.Generator().manual_seed(0)
    start = [END, *tokenizer.encode(beginning).ids] if beginning else [END]
    ids = torch.tensor([start]).repeat(count, 1)
    texts, alive = [""] * count, torch.arange(count)
    while len(alive):
        logits = last(ids, None if tags is None else tags[alive]) / temperature
        chance = narrow(logits, **kept).softmax(dim=-1)
        new = chance.multinomial(1, generator=generator)
        ids = torch.cat([ids, new], dim=1)
        ended = (new[:, 0] == END) | (ids.shape[1] == CONTEXT)
        done = tokenizer.decode_batch(ids[ended].tolist())
        for row, text in zip(alive[ended].tolist(), done, strict=True):
            texts[row] = text.strip()
        ids, alive = ids[~ended], alive[~ended]
    return texts
