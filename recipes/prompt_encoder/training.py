"""Train a small BERT that tells what a prompt states, and lies near the CLAP's text tower for other English.

It starts from the word pieces of that tower, projected to fewer dimensions, so that words which are alike begin alike.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import BertConfig, BertModel, BertTokenizer, ClapModel

from recipes.clap.features import Texts
from recipes.clap.text_tower import LONGEST, chosen_definitions, distance, encode, recognized
from recipes.common.batching import by_length
from recipes.common.files import write_array, write_rows

WIDTH, LAYERS, HEADS, HIDDEN_UNITS = 192, 3, 6, 576
CAPTIONS = 4  # of each training clip
DEFINITIONS = 20_000  # of WordNet; those about music or sound come first
EPOCHS, BATCH, LEARNING_RATE = 2, 64, 1e-3
FACTS_WEIGHT = 0.05  # of the error in the facts of a caption (nats), beside the distance to the teacher


def start(teacher: nn.Module) -> BertModel:
    """An untrained BERT whose word pieces are those of the teacher on their ``WIDTH`` main axes."""
    config = BertConfig(
        vocab_size=teacher.config.vocab_size,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=HIDDEN_UNITS,
        max_position_embeddings=LONGEST,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = BertModel(config)
    pieces = teacher.embeddings.word_embeddings.weight.detach().float()
    centered = pieces - pieces.mean(dim=0)
    _, _, axes = torch.linalg.svd(centered, full_matrices=False)
    reduced = centered @ axes[:WIDTH].T
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.copy_(reduced / reduced.std() * 0.05)
    return model


def pooled(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens that are there: states (texts, tokens, width) and mask (texts, tokens) to (texts, width)."""
    return (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def states_of(model: BertModel, tokenizer: BertTokenizer, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each token of each text, shape (texts, tokens, width), and which tokens are there, shape (texts, tokens)."""
    inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return model(**inputs).last_hidden_state, inputs["attention_mask"]


def summaries(model: BertModel, tokenizer: BertTokenizer, texts: list[str], batch: int = 256) -> torch.Tensor:
    """Pooled states of texts, shape (texts, width)."""
    found = []
    with torch.inference_mode():
        for at in range(0, len(texts), batch):
            found.append(pooled(*states_of(model, tokenizer, texts[at : at + batch])))
    return torch.cat(found)


def train(records: list[dict], validation: list[dict], clap: Path, folder: Path) -> None:
    """Train the encoder and write it with its tokenizer and its curve.

    Parameters
    ----------
    records : of the training clips, whose captions are in the wording of training
    validation : of the validation clips, whose captions are in a wording of their own, to measure on
    clap : folder of the CLAP whose text tower is the teacher
    folder : where "checkpoint" is written
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = Texts(records + validation, CAPTIONS)
    spoken = [caption.text for caption in clips.captions]
    of_train = int((clips.clip < len(records)).sum())
    glosses, held_out = chosen_definitions()
    texts = spoken[:of_train] + glosses[:DEFINITIONS]
    teacher = ClapModel.from_pretrained(clap, dtype=torch.float32).eval().text_model
    tokenizer = BertTokenizer.from_pretrained(clap)
    path = folder / "targets.npy"
    if not path.is_file():
        write_array(path, encode(teacher, tokenizer, texts + held_out).numpy().astype(np.float16))
    targets = torch.from_numpy(np.load(path).astype(np.float32))
    # A number of beats a minute is read and not understood: its tempo class is a fact.
    said = torch.from_numpy(clips.said[:, [name != "tempo_bpm" for name, _ in clips.names]].astype(np.float32))

    model = start(teacher)
    to_teacher, to_facts = nn.Linear(WIDTH, targets.shape[1]), nn.Linear(WIDTH, said.shape[1])
    with torch.no_grad():
        to_facts.bias.copy_(torch.logit(said[:of_train].mean(0).clamp(0.002, 0.998)))
    numbers = tokenizer(texts, truncation=True)["input_ids"]
    trained = [*model.parameters(), *to_teacher.parameters(), *to_facts.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.01)
    steps = EPOCHS * (len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    curve, progress = [], tqdm(total=steps, desc="prompt encoder", mininterval=5)
    for epoch in range(EPOCHS):
        model.train()
        total = []
        for rows in by_length([len(ids) for ids in numbers], BATCH, rng):
            inputs = tokenizer.pad({"input_ids": [numbers[i] for i in rows]}, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                states = model(**inputs).last_hidden_state.float()
            summary = pooled(states, inputs["attention_mask"])
            error = distance(to_teacher(summary), targets[rows])
            captions = rows < of_train
            if captions.any():
                logits = to_facts(summary[captions])
                facts = F.binary_cross_entropy_with_logits(logits, said[rows[captions]], reduction="none").sum(1)
                error = error + FACTS_WEIGHT * facts.sum() / BATCH
            error.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total.append(error.item())
            progress.update()
        model.eval()
        with torch.inference_mode():
            near = F.cosine_similarity(to_teacher(summaries(model, tokenizer, held_out)), targets[len(texts) :]).mean()
            found = recognized(to_facts(summaries(model, tokenizer, spoken[of_train:])), said[of_train:])
        row = {"epoch": epoch + 1, "loss": round(float(np.mean(total)), 4), "held_out_cosine": round(near.item(), 4)}
        curve.append(row | found)
        print(json.dumps(curve[-1]), flush=True)
    model.save_pretrained(folder / "checkpoint")
    # A new tokenizer: one that has been used keeps its last cut-off.
    BertTokenizer.from_pretrained(clap, model_max_length=LONGEST).save_pretrained(folder / "checkpoint")
    write_rows(folder / "curve.csv", curve)
