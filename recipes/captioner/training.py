"""Train the mapping network and GPT-2 together, both from scratch.

Beside the next token, the mean of the prefix has to tell the facts of the clip: captions state few of them at a time.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

from musicwords.captioner import Captioner, PrefixMapping
from musicwords.captions import judge
from musicwords.captions.matching import Facts
from recipes.captioner.texts import CONTEXT, Example, draw
from recipes.common.batching import by_length
from recipes.common.training import Trainer as Training
from recipes.common.training import cosine

LAYERS, HEADS, WIDTH = 4, 4, 256
PREFIX, HIDDEN = 8, 512
DROPOUT = 0.1  # in GPT-2
UNHEARD = 0.1  # share of examples without audio
NOISE = 0.2  # added to what is heard, in standard deviations
CAPTIONS, QUESTIONS = 1, 1  # of each clip in an epoch
EPOCHS, BATCH = 5, 64
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1e-3, 0.05, 0.05
ANSWER_WEIGHT = 3.0  # of a token of an answer; a token of a caption has 1, and captions have many more
FACTS_WEIGHT = 0.02  # of the error in the facts (nats a clip), beside that of a token
DESCRIBED = 200  # validation clips whose generated captions are judged after each epoch


def new_model(tokenizer: GPT2Tokenizer) -> GPT2LMHeadModel:
    """An untrained GPT-2 for the vocabulary of the tokenizer."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=LAYERS,
            n_head=HEADS,
            embd_pdrop=DROPOUT,
            resid_pdrop=DROPOUT,
            attn_pdrop=0.0,
            activation_function="gelu_pytorch_tanh",  # the one of GPT-2, computed in one step
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


class Trainer(Training):
    """Trains in epochs.

    Parameters
    ----------
    folder : where the state and the curve are kept
    tokenizer : see ``texts``
    records, embeddings : of the training clips, in the same order; embeddings as ``audio_vectors`` gives them
    validation, validation_embeddings : the same of the validation clips
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: GPT2Tokenizer,
        records: list[dict],
        embeddings: np.ndarray,
        validation: list[dict],
        validation_embeddings: np.ndarray,
    ):
        self.tokenizer = tokenizer
        self.records, self.embeddings = records, torch.from_numpy(embeddings)
        self.validation, self.validation_embeddings = validation, torch.from_numpy(validation_embeddings)
        torch.manual_seed(0)
        self.model = new_model(tokenizer)
        self.model.set_attn_implementation("eager")  # the fastest for short texts on a CPU
        vectors, size = embeddings.shape[1:]
        self.mapping = PrefixMapping(size, vectors, PREFIX, WIDTH, HIDDEN)
        self.mapping.mean.copy_(torch.from_numpy(embeddings.mean(axis=0, dtype=np.float64)))
        self.mapping.std.copy_(torch.from_numpy(embeddings.std(axis=0, dtype=np.float64)).clamp(min=1e-3))
        names, *tables = Facts([record["attributes"] for record in records]).targets()
        self.holds, self.known = map(torch.from_numpy, tables)
        self.facts = nn.Linear(WIDTH, len(names))
        with torch.no_grad():
            self.facts.bias.copy_(torch.logit(self.holds.mean(0).clamp(0.002, 0.998)))
        self.captioner = Captioner(self.model, tokenizer, self.mapping)
        self.trained = [p for part in self.parts().values() for p in part.parameters()]
        decay, plain = [p for p in self.trained if p.ndim > 1], [p for p in self.trained if p.ndim <= 1]
        self.steps = EPOCHS * ((CAPTIONS + QUESTIONS) * len(records) // BATCH)
        optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=LEARNING_RATE
        )
        super().__init__(folder, EPOCHS, [optimizer])

    name = "captioner"

    def rate(self, step: int) -> float:
        return cosine(step, self.steps, WARM_UP * self.steps)

    def parts(self) -> dict:
        return {"model": self.model, "mapping": self.mapping, "facts": self.facts}

    def finished(self) -> Captioner:
        self.model.eval(), self.mapping.eval()
        return self.captioner

    def round(self, epoch: int) -> dict:
        """One pass over the clips, each with other texts than before."""
        rng = np.random.default_rng([0, epoch])
        torch.manual_seed(epoch)
        self.model.train()
        examples = draw(self.records, f"epoch {epoch}", CAPTIONS, QUESTIONS)
        total, tokens, told, clips = 0.0, 0, 0.0, 0
        for picked in by_length([len(one.prompt) + len(one.text) for one in examples], BATCH, rng):
            batch = [examples[number] for number in picked]
            rows = [one.clip for one in batch]
            embeddings = self.embeddings[rows].float()
            embeddings = embeddings + NOISE * self.mapping.std * torch.randn_like(embeddings)
            heard = torch.rand(len(batch)) >= UNHEARD
            with torch.autocast("cpu", torch.bfloat16):
                prefix = self.mapping(embeddings, heard)
                found = self.likelihoods(batch, prefix)
            error = F.binary_cross_entropy_with_logits(
                self.facts(prefix.float().mean(dim=1)), self.holds[rows], self.known[rows], reduction="none"
            ).sum(1)[heard]
            weights = torch.cat([torch.full_like(row, ANSWER_WEIGHT if one.answers else 1.0)
                                 for row, one in zip(found, batch, strict=True)])  # fmt: skip
            found = torch.cat(found)
            loss = -(weights * found).sum() / weights.sum() + FACTS_WEIGHT * error.mean()
            self.step_down(loss, self.trained, 1.0)
            total, tokens = total - found.sum().item(), tokens + len(found)
            told, clips = told + error.sum().item(), clips + len(error)
        return {"epoch": epoch + 1, "train_loss": round(total / tokens, 4), "train_facts": round(told / clips, 3)}

    def likelihoods(self, batch: list[Example], prefix: torch.Tensor) -> tuple[torch.Tensor, ...]:
        prompts, texts = [one.prompt for one in batch], [one.text for one in batch]
        return self.captioner.log_likelihoods(prefix, prompts, texts)

    @torch.inference_mode()
    def check(self) -> dict:
        """Loss by token on validation clips, with and without their audio, and how many statements are true."""
        self.model.eval()
        examples = sorted(draw(self.validation, "validation", CAPTIONS, QUESTIONS), key=lambda one: len(one.prompt))
        found = {}
        for name, heard in (("validation_loss", True), ("validation_loss_without_audio", False)):
            rows = []
            for at in range(0, len(examples), BATCH):
                batch = examples[at : at + BATCH]
                embeddings = self.validation_embeddings[[one.clip for one in batch]].float()
                rows += self.likelihoods(batch, self.mapping(embeddings, torch.full((len(batch),), heard)))
            for kind, answers in (("captions", False), ("answers", True)):
                some = torch.cat([row for row, one in zip(rows, examples, strict=True) if one.answers == answers])
                found[f"{name}_{kind}"] = round(-some.mean().item(), 4)
        texts = self.captioner.captions(self.validation_embeddings[:DESCRIBED])
        described = zip(texts, self.validation, strict=False)
        true = [one.true for text, record in described for one in judge(text, record["attributes"])]
        found["validation_precision"] = round(float(np.mean(true)), 4) if true else None
        return found
