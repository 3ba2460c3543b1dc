"""Train the denoiser on the latents of the corpus and on captions."""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from musicwords.diffusion import TextToMusicPipeline, text_states, velocity
from recipes.common.files import write_rows, write_state
from recipes.corpus.texts import captions_of
from recipes.musicgen.training import prompts

EPOCHS, BATCH = 16, 32
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 4e-3
WEIGHT_DECAY, WARM_UP = 0.01, 0.03
UNPROMPTED = 0.1  # share of clips without a prompt, beside those whose prompt is empty
SHIFT = 2.0  # how far levels of noise lean to the strong ones, where the prompt counts; as in Stable Diffusion 3
DECAY = 0.998  # of the moving average of the weights
CHECKED = 320  # validation clips of each check


class Trainer:
    """State of a training run, kept on disk after each epoch, so that it can go on after an interruption.

    Parameters
    ----------
    folder : where the state and the curve are kept
    pipeline : see ``model.new_pipeline``
    records, latents : of the training clips, in the same order; latents of shape (clips, frames, channels), as the
        codec gives them
    validation, validation_latents : the same of the validation clips
    """

    def __init__(
        self,
        folder: Path,
        pipeline: TextToMusicPipeline,
        records: list[dict],
        latents: np.ndarray,
        validation: list[dict],
        validation_latents: np.ndarray,
    ):
        self.folder, self.pipeline, self.transformer = folder, pipeline, pipeline.transformer
        self.records, self.latents = records, latents
        self.validation, self.validation_latents = validation[:CHECKED], validation_latents[:CHECKED]
        # In bf16, attention as plain matrix products; see ``loss``.
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        matrices, others = [], []
        for name, parameter in self.transformer.named_parameters():
            if parameter.requires_grad:
                (matrices if parameter.ndim == 2 and "transformer_blocks" in name else others).append(parameter)
        self.optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.average = EMAModel(self.transformer.parameters(), decay=DECAY, foreach=True)
        self.per_epoch = len(records) // BATCH
        self.steps = EPOCHS * self.per_epoch
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(one, self.rate) for one in self.optimizers]
        self.curve: list[dict] = []

    def rate(self, step: int) -> float:
        """Warm-up, then half a cosine, down to 1 %."""
        warm = WARM_UP * self.steps
        if step < warm:
            return (step + 1) / warm
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm) / (self.steps - warm))))

    def state(self) -> dict:
        parts = {f"optimizer {number}": one for number, one in enumerate(self.optimizers)}
        parts |= {f"schedule {number}": one for number, one in enumerate(self.schedules)}
        return parts | {"transformer": self.transformer, "average": self.average}

    def run(self, epochs: int | None = None) -> TextToMusicPipeline:
        """Train to the end, or for so many epochs at most, from the last epoch on disk if there is one.

        The pipeline that is returned has the averaged weights of the epoch with the least loss on validation clips.
        """
        path = self.folder / "diffusion.pt"
        if path.is_file():
            saved = torch.load(path, weights_only=True)
            for name, part in self.state().items():
                part.load_state_dict(saved[name])
            self.curve = saved["curve"]
        end = EPOCHS if epochs is None else min(EPOCHS, len(self.curve) + epochs)
        for epoch in range(len(self.curve), end):
            self.curve.append({"epoch": epoch + 1} | self.epoch(epoch) | self.check())
            print(json.dumps(self.curve[-1]), flush=True)
            if self.curve[-1]["validation"] == min(row["validation"] for row in self.curve):
                self.with_average(lambda: write_state(self.folder / "best.pt", self.transformer.state_dict()))
            saved = {name: part.state_dict() for name, part in self.state().items()}
            write_state(path, saved | {"curve": self.curve})
            write_rows(self.folder / "curve.csv", self.curve)
        self.transformer.load_state_dict(torch.load(self.folder / "best.pt", weights_only=True))
        self.transformer.eval()
        return self.pipeline

    def with_average(self, function):
        """Call a function while the denoiser has the averaged weights."""
        parameters = list(self.transformer.parameters())
        self.average.store(parameters)
        self.average.copy_to(parameters)
        found = function()
        self.average.restore(parameters)
        return found

    def epoch(self, epoch: int) -> dict:
        """One pass over the clips, each with another caption than before."""
        began, total = time.monotonic(), 0.0
        self.transformer.train()
        order = np.random.default_rng([0, epoch]).permutation(len(self.records))
        trained = [one for one in self.transformer.parameters() if one.requires_grad]
        for at in range(self.per_epoch):
            generator = torch.Generator().manual_seed(epoch * self.per_epoch + at)
            rows = np.sort(order[at * BATCH : (at + 1) * BATCH])
            texts = prompts([self.records[row] for row in rows], f"epoch {epoch}")
            dropped = torch.rand(BATCH, generator=generator) < UNPROMPTED
            texts = ["" if drop else text for text, drop in zip(texts, dropped, strict=True)]
            # Levels of noise spread evenly over the batch: the loss varies less from step to step.
            levels = (torch.randperm(BATCH, generator=generator) + torch.rand(1, generator=generator)) / BATCH
            levels = SHIFT * levels / (1 + (SHIFT - 1) * levels)
            loss = self.loss(texts, self.latents[rows], levels, generator).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            self.average.step(self.transformer.parameters())
            total += loss.item()
        return {"loss": round(total / self.per_epoch, 4), "seconds": round(time.monotonic() - began)}

    def loss(
        self, texts: list[str], latents: np.ndarray, levels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Squared error of the velocity of each clip, shape (clips,).

        A denoiser that takes standardized latents for independent numbers has an error of 1.

        Parameters
        ----------
        texts : prompts; an empty one is no condition
        latents : shape (clips, frames, channels)
        levels : shape (clips,), how much noise each gets, from 0 to 1
        generator : what noise is drawn from
        """
        mean, std = self.pipeline.statistics()
        clean = (torch.from_numpy(np.asarray(latents, np.float32)).transpose(1, 2) - mean) / std
        noise = torch.randn(clean.shape, generator=generator)
        scheduler = self.pipeline.scheduler
        count = scheduler.config.num_train_timesteps
        timesteps = (levels * count).long().clamp(max=count - 1)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        wanted = scheduler.get_velocity(clean, noise, timesteps)
        with torch.no_grad():
            states, summary = text_states(self.pipeline.tokenizer, self.pipeline.text_encoder, texts)
        # The gradient of fused attention is slow on a CPU for so few tokens: a step takes a quarter less time without.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            found = velocity(self.transformer, noisy, timesteps / count, states, summary)
        return ((found.float() - wanted) ** 2).mean(dim=(1, 2))

    def check(self) -> dict:
        """Error on validation clips with averaged weights: with prompts in either wording, and without."""
        texts = {
            "validation": prompts(self.validation, "validation"),
            "validation_new_wording": [captions_of(record, 1)[0].text for record in self.validation],
            "validation_unprompted": [""] * len(self.validation),
        }
        with torch.inference_mode():
            return self.with_average(lambda: {name: self.validation_error(some) for name, some in texts.items()})

    def validation_error(self, texts: list[str]) -> float:
        """Mean over the validation clips; noise and its levels are always the same."""
        self.transformer.eval()
        generator = torch.Generator().manual_seed(0)
        levels = (torch.randperm(len(texts), generator=generator) + 0.5) / len(texts)
        errors = [
            self.loss(
                texts[at : at + BATCH], self.validation_latents[at : at + BATCH], levels[at : at + BATCH], generator
            )
            for at in range(0, len(texts), BATCH)
        ]
        return round(torch.cat(errors).mean().item(), 4)
