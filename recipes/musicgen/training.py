"""Train MusicGen's decoder on the codes of the corpus and on captions."""

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import BertTokenizer
from transformers import MusicgenForConditionalGeneration as Musicgen

from recipes.common.training import Trainer as Training
from recipes.common.training import cosine
from recipes.musicgen.delay import delayed
from recipes.musicgen.model import trained_parts
from recipes.prompt_encoder.prompts import SHARES, Prompts, to_check_on
from recipes.prompt_encoder.training import states_of

EPOCHS, BATCH = 6, 16
# Epochs after these, with more captions, which state more; the learning rate falls once more from this share of it.
AGAIN, HEIGHT = 2, 0.5
MORE_CAPTIONS = {
    ("caption", "en"): 0.68,
    ("typed", "en"): 0.1,
    ("caption", "zh"): 0.12,
    ("typed", "zh"): 0.05,
    ("", ""): 0.05,
}
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 4e-3
WEIGHT_DECAY, WARM_UP = 0.02, 0.03
UNPROMPTED = 0.1  # share of clips whose states of the prompt are zero, beside those whose text is empty
CHECKED = 320  # validation clips of each check
EVERY = 395  # steps between checks: half an epoch


class Trainer(Training):
    """Trains in rounds of ``EVERY`` steps; the best round is what counts.

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
        self.model, self.tokenizer = model, tokenizer
        self.prompts, self.codes = Prompts(records), codes
        self.checked, self.validation_codes = to_check_on(validation[:CHECKED]), validation_codes[:CHECKED]
        # In bf16, attention as plain matrix products; see ``losses``.
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        matrices, others = [], []
        for name, parameter in trained_parts(model):
            (matrices if parameter.ndim == 2 and ".layers." in name else others).append(parameter)
        optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.per_epoch = len(records) // BATCH
        self.first, self.steps = EPOCHS * self.per_epoch, (EPOCHS + AGAIN) * self.per_epoch
        super().__init__(folder, math.ceil(self.steps / EVERY), optimizers)

    name, best = "musicgen", "validation"

    def rate(self, step: int) -> float:
        if step < self.first:
            return cosine(step, self.first, WARM_UP * self.first, 0.02)
        return HEIGHT * cosine(step - self.first, self.steps - self.first, WARM_UP * self.first, 0.02)

    def parts(self) -> dict:
        return {"decoder": self.model.decoder, "projection": self.model.enc_to_dec_proj}

    def finished(self) -> Musicgen:
        self.load_best()
        return self.model.eval()

    def round(self, number: int) -> dict:
        """Train until the next check. What is drawn depends on the step alone, so that a run can be taken up."""
        total, first = [], number * EVERY
        torch.manual_seed(first)
        self.model.decoder.train()
        end = min(first + EVERY, self.steps)
        for step in range(first, end):
            epoch, at = divmod(step, self.per_epoch)
            if step == first or at == 0:
                order = np.random.default_rng([0, epoch]).permutation(len(self.codes))
            rows = np.sort(order[at * BATCH : (at + 1) * BATCH])
            texts = self.prompts.drawn(rows, f"epoch {epoch}", SHARES if step < self.first else MORE_CAPTIONS)
            loss = self.losses(texts, self.codes[rows], torch.rand(len(rows)) >= UNPROMPTED).mean()
            self.step_down(loss, [one for _, one in trained_parts(self.model)], 1.0)
            total.append(loss.item())
        return {"step": end, "loss": round(float(np.mean(total)), 4)}

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
        """Cross-entropy on validation clips: in all and of the first and the last codebook.

        With a caption in the wording of training, with what people type, and without a prompt.
        """
        self.model.decoder.eval()
        kinds = {"": ("caption", True), "_typed": ("typed", True), "_unprompted": ("caption", False)}
        found = {}
        for kind, (source, prompted) in kinds.items():
            texts, rows = self.checked[source], []
            for at in range(0, len(texts), 32):
                some, codes = texts[at : at + 32], self.validation_codes[at : at + 32]
                rows.append(self.losses(some, codes, torch.full((len(some),), prompted)))
            by_codebook = torch.stack(rows).mean(dim=0)
            for part, value in (("", by_codebook.mean()), ("_first", by_codebook[0]), ("_last", by_codebook[-1])):
                found[f"validation{kind}{part}"] = round(value.item(), 4)
        return found
