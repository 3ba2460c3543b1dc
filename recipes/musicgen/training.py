"""Train MusicGen's decoder on the codes of the corpus and on captions."""

import json
import math
import time
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import BertTokenizer
from transformers import MusicgenForConditionalGeneration as Musicgen

from recipes.captions import caption
from recipes.common.files import write_rows, write_state
from recipes.corpus.texts import MOODS, NEGATIONS
from recipes.musicgen.delay import delayed
from recipes.musicgen.model import trained_parts
from recipes.prompt_encoder.training import states_of

EPOCHS, BATCH = 6, 16
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 4e-3
WEIGHT_DECAY, WARM_UP = 0.02, 0.03
UNPROMPTED, EMPTY = 0.1, 0.05  # share of clips whose states of the prompt are zero, or those of an empty text
CHECKED = 320  # validation clips of each check
EVERY = 395  # steps between checks: half an epoch


def prompts(records: list[dict], occasion: str) -> list[str]:
    """One caption of each clip in the wording of training, another one on each occasion; some are empty."""
    found = []
    for record in records:
        rng = Random(f"{record['id']}, {occasion}")
        new = caption(record["attributes"], rng, negation=rng.random() < NEGATIONS, mood=rng.random() < MOODS)
        found.append("" if rng.random() < EMPTY else new.text)
    return found


class Trainer:
    """State of a training run, kept on disk at each check, so that it can go on after an interruption.

    Parameters
    ----------
    folder : where the state and the curve are kept
    model : see ``model.new_model``
    tokenizer : of the prompts
    records, codes : of the training clips, in the same order; codes of shape (clips, codebooks, frames)
    validation, validation_codes : the same of the validation clips
    """

    def __init__(
        self,
        folder: Path,
        model: Musicgen,
        tokenizer: BertTokenizer,
        records: list[dict],
        codes: np.ndarray,
        validation: list[dict],
        validation_codes: np.ndarray,
    ):
        self.folder, self.model, self.tokenizer = folder, model, tokenizer
        self.records, self.codes = records, codes
        self.validation, self.validation_codes = validation[:CHECKED], validation_codes[:CHECKED]
        # In bf16, attention as plain matrix products; see ``losses``.
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        matrices, others = [], []
        for name, parameter in trained_parts(model):
            (matrices if parameter.ndim == 2 and ".layers." in name else others).append(parameter)
        self.optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.per_epoch = len(records) // BATCH
        self.steps = EPOCHS * self.per_epoch
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(one, self.rate) for one in self.optimizers]
        self.step, self.curve = 0, []

    def rate(self, step: int) -> float:
        """Warm-up, then half a cosine, down to 2 %."""
        warm = WARM_UP * self.steps
        if step < warm:
            return (step + 1) / warm
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / (self.steps - warm))))

    def state(self) -> dict:
        parts = {f"optimizer {number}": one for number, one in enumerate(self.optimizers)}
        parts |= {f"schedule {number}": one for number, one in enumerate(self.schedules)}
        return parts | {"decoder": self.model.decoder, "projection": self.model.enc_to_dec_proj}

    def run(self) -> Musicgen:
        """Train to the end, from the last check on disk if there is one; the best check is what counts."""
        path = self.folder / "musicgen.pt"
        if path.is_file():
            saved = torch.load(path, weights_only=True)
            for name, part in self.state().items():
                part.load_state_dict(saved[name])
            self.step, self.curve = saved["step"], saved["curve"]
        while self.step < self.steps:
            self.curve.append(self.some_steps() | self.check())
            print(json.dumps(self.curve[-1]), flush=True)
            saved = {name: part.state_dict() for name, part in self.state().items()}
            if self.curve[-1]["validation"] == min(row["validation"] for row in self.curve):
                best = {name: saved[name] for name in ("decoder", "projection")}
                write_state(self.folder / "best.pt", best)
            write_state(path, saved | {"step": self.step, "curve": self.curve})
            write_rows(self.folder / "curve.csv", self.curve)
        best = torch.load(self.folder / "best.pt", weights_only=True)
        self.model.decoder.load_state_dict(best["decoder"])
        self.model.enc_to_dec_proj.load_state_dict(best["projection"])
        return self.model.eval()

    def some_steps(self) -> dict:
        """Train until the next check. What is drawn depends on the step alone, so that a run can be taken up."""
        began, total = time.monotonic(), []
        torch.manual_seed(self.step)
        self.model.decoder.train()
        first, end = self.step, min(self.step + EVERY, self.steps)
        while self.step < end:
            epoch, at = divmod(self.step, self.per_epoch)
            if self.step == first or at == 0:
                order = np.random.default_rng([0, epoch]).permutation(len(self.records))
            rows = np.sort(order[at * BATCH : (at + 1) * BATCH])
            texts = prompts([self.records[row] for row in rows], f"epoch {epoch}")
            loss = self.losses(texts, self.codes[rows], torch.rand(len(rows)) >= UNPROMPTED).mean()
            loss.backward()
            nn.utils.clip_grad_norm_([one for _, one in trained_parts(self.model)], 1.0)
            for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            total.append(loss.item())
            self.step += 1
        return {"step": self.step, "loss": round(float(np.mean(total)), 4), "seconds": round(time.monotonic() - began)}

    def losses(self, texts: list[str], codes: np.ndarray, prompted: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of a token in nats by codebook, shape (codebooks,)."""
        size = self.model.config.decoder.vocab_size
        steps = delayed(torch.from_numpy(np.asarray(codes, np.int64)), size)
        with torch.no_grad():
            states, mask = states_of(self.model.text_encoder, self.tokenizer, texts)
        # The gradient of fused attention is slow on a CPU for so few steps.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            # No prompt is states of zero, as MusicGen of transformers has it for classifier-free guidance.
            states = self.model.enc_to_dec_proj(states) * (mask * prompted[:, None])[..., None]
            logits = self.model.decoder(
                input_ids=steps[..., :-1].flatten(0, 1),
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
            ).logits  # (clips * codebooks, steps, entries)
        targets = steps[..., 1:]
        logits = logits.unflatten(0, targets.shape[:2]).transpose(0, 1).flatten(1, 2)
        return torch.stack([
            F.cross_entropy(one.float(), wanted.flatten(), ignore_index=size)
            for one, wanted in zip(logits, targets.transpose(0, 1), strict=True)
        ])  # fmt: skip

    @torch.inference_mode()
    def check(self) -> dict:
        """Cross-entropy on validation clips: in all, of the first and the last codebook, and without the prompt."""
        self.model.decoder.eval()
        texts = prompts(self.validation, "validation")
        found = {True: [], False: []}
        for at in range(0, len(texts), 32):
            some, codes = texts[at : at + 32], self.validation_codes[at : at + 32]
            for prompted, rows in found.items():
                rows.append(self.losses(some, codes, torch.full((len(some),), prompted)))
        by_codebook, unprompted = (torch.stack(rows).mean(dim=0) for rows in found.values())
        return {
            "validation": round(by_codebook.mean().item(), 4),
            "validation_first": round(by_codebook[0].item(), 4),
            "validation_last": round(by_codebook[-1].item(), 4),
            "validation_unprompted": round(unprompted.mean().item(), 4),
            "validation_unprompted_first": round(unprompted[0].item(), 4),
        }
