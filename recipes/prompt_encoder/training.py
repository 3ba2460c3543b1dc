"""Train a small BERT that tells what a prompt states, and lies near the CLAP's text tower for other texts.

It starts from the word pieces of that tower, projected to fewer dimensions, so that words which are alike begin alike.
"""

from pathlib import Path
from random import Random

import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, BertTokenizer, ClapModel

from recipes.clap.lessons import Lessons
from recipes.clap.sentences import natural
from recipes.clap.text_tower import LONGEST, chosen_definitions, distance, encode
from recipes.common.training import Trainer, cosine

WIDTH, LAYERS, HEADS, HIDDEN_UNITS = 192, 3, 6, 576
# Share of each kind of text in a batch.
SHARES = {"natural en": 0.25, "natural zh": 0.15, "grammar en": 0.25, "grammar zh": 0.1, "concepts": 0.05,
          "definitions": 0.2}  # fmt: skip
ROUNDS, STEPS, BATCH = 12, 250, 64
LEARNING_RATE, WARM_UP = 1e-3, 0.06
FACTS_WEIGHT = 0.05  # of the error in the facts (nats a text), beside the distance to the teacher


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


class PromptEncoder(Trainer):
    """Trains the encoder in rounds of ``STEPS`` batches.

    Parameters
    ----------
    records : of the training clips, whose captions are in the wording of training
    clap : folder of the CLAP whose text tower is the teacher
    folder : where "checkpoint" is written
    """

    name = "prompt-encoder"

    def __init__(self, records: list[dict], clap: Path, folder: Path):
        self.lessons = Lessons(records)
        self.glosses, self.held_out = chosen_definitions()
        self.teacher = ClapModel.from_pretrained(clap, dtype=torch.float32).eval().text_model
        self.tokenizer, self.clap = BertTokenizer.from_pretrained(clap), clap
        self.model = start(self.teacher)
        self.to_teacher = nn.Linear(WIDTH, self.teacher.config.hidden_size)
        self.to_facts = nn.Linear(WIDTH, 2 * len(self.lessons.names))
        with torch.no_grad():
            self.to_facts.bias.fill_(-4.0)
        self.checks = {language: natural("validation", language) for language in ("en", "zh")}
        self.trained = [*self.model.parameters(), *self.to_teacher.parameters(), *self.to_facts.parameters()]
        super().__init__(folder, ROUNDS, [torch.optim.AdamW(self.trained, lr=LEARNING_RATE, weight_decay=0.01)])

    def rate(self, step: int) -> float:
        return cosine(step, ROUNDS * STEPS, WARM_UP * ROUNDS * STEPS)

    def parts(self) -> dict:
        return {"model": self.model, "to teacher": self.to_teacher, "to facts": self.to_facts}

    def round(self, number: int) -> dict:
        rng = Random(number)
        torch.manual_seed(number)
        self.model.train()
        sums = {"distance": 0.0, "facts": 0.0}
        for _ in range(STEPS):
            kinds = rng.choices(list(SHARES), list(SHARES.values()), k=BATCH)
            spoken = [self.lessons.drawn(kind, rng) for kind in kinds if kind in self.lessons.pools]
            texts = [one.text for one in spoken] + rng.choices(self.glosses, k=BATCH - len(spoken))
            inputs = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                with torch.no_grad():
                    targets = self.teacher(**inputs).pooler_output.float()
                states = self.model(**inputs).last_hidden_state.float()
            summary = pooled(states, inputs["attention_mask"])
            far = distance(self.to_teacher(summary), targets)
            facts = F.binary_cross_entropy_with_logits(
                self.to_facts(summary[: len(spoken)]), self.lessons.table(spoken), reduction="none"
            ).sum(1)
            self.step_down(far + FACTS_WEIGHT * facts.sum() / BATCH, self.trained, 1.0)
            sums["distance"] += far.item()
            sums["facts"] += facts.mean().item()
        return {"round": number + 1} | {name: round(total / STEPS, 4) for name, total in sums.items()}

    @torch.inference_mode()
    def check(self) -> dict:
        """Likeness to the teacher on definitions, and facts told in sentences as people type them."""
        self.model.eval()
        near = F.cosine_similarity(
            self.to_teacher(summaries(self.model, self.tokenizer, self.held_out)),
            encode(self.teacher, self.tokenizer, self.held_out),
        )
        found = {"held_out_cosine": round(near.mean().item(), 4)}
        for language, some in self.checks.items():
            logits = self.to_facts(summaries(self.model, self.tokenizer, [one.text for one in some]))
            found |= {
                f"{name}_{language}": value for name, value in recognized(logits, self.lessons.table(some)).items()
            }
        return found

    def finished(self) -> BertModel:
        self.model.save_pretrained(self.folder / "checkpoint")
        # A new tokenizer: one that has been used keeps its last cut-off.
        BertTokenizer.from_pretrained(self.clap, model_max_length=LONGEST).save_pretrained(self.folder / "checkpoint")
        return self.model.eval()


def recognized(logits: torch.Tensor, said: torch.Tensor) -> dict:
    """Recall and precision of facts that are held more likely than not."""
    guess, said = logits > 0, said > 0
    right = (guess & said).sum().item()
    return {
        "recall_of_facts": round(right / said.sum().item(), 4),
        "precision_of_facts": round(right / max(1, guess.sum().item()), 4),
    }
