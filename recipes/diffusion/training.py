"""Train the denoiser on the latents of the corpus and on captions."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch.nn.attention import SDPBackend, sdpa_kernel

from musicwords.diffusion import TextToMusicPipeline, text_states, velocity
from recipes.common.training import Trainer as Training
from recipes.common.training import cosine
from recipes.corpus.texts import captions_of
from recipes.prompt_encoder.prompts import Prompts, to_check_on

EPOCHS, BATCH = 16, 32
LEARNING_RATE, MUON_LEARNING_RATE = 1e-3, 4e-3
WEIGHT_DECAY, WARM_UP = 0.01, 0.03
UNPROMPTED = 0.1  # share of clips without a prompt, beside those whose prompt is empty
SHIFT = 2.0  # how far levels of noise lean to the strong ones, where the prompt counts; as in Stable Diffusion 3
DECAY = 0.998  # of the moving average of the weights
CHECKED = 320  # validation clips of each check


class Trainer(Training):
    """Trains in epochs; the averaged weights of the epoch with the least loss on validation clips are what counts.

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
        self.pipeline, self.transformer = pipeline, pipeline.transformer
        self.prompts, self.latents = Prompts(records), latents
        self.validation, self.validation_latents = validation[:CHECKED], validation_latents[:CHECKED]
        self.checked = to_check_on(self.validation)
        # In bf16, attention as plain matrix products; see ``loss``.
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        matrices, others = [], []
        for name, parameter in self.transformer.named_parameters():
            if parameter.requires_grad:
                (matrices if parameter.ndim == 2 and "transformer_blocks" in name else others).append(parameter)
        optimizers = [
            torch.optim.Muon(
                matrices, lr=MUON_LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.average = EMAModel(self.transformer.parameters(), decay=DECAY, foreach=True)
        self.per_epoch = len(records) // BATCH
        self.steps = EPOCHS * self.per_epoch
        super().__init__(folder, EPOCHS, optimizers)

    name, best = "diffusion", "validation"

    def rate(self, step: int) -> float:
        return cosine(step, self.steps, WARM_UP * self.steps, 0.01)

    def parts(self) -> dict:
        return {"transformer": self.transformer, "average": self.average}

    def best_state(self) -> dict:
        return self.with_average(lambda: {"transformer": deepcopy(self.transformer.state_dict())})

    def finished(self) -> TextToMusicPipeline:
        self.load_best()
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

    def round(self, epoch: int) -> dict:
        """One pass over the clips, each with another caption than before."""
        total = 0.0
        self.transformer.train()
        order = np.random.default_rng([0, epoch]).permutation(len(self.latents))
        trained = [one for one in self.transformer.parameters() if one.requires_grad]
        for at in range(self.per_epoch):
            generator = torch.Generator().manual_seed(epoch * self.per_epoch + at)
            rows = np.sort(order[at * BATCH : (at + 1) * BATCH])
            texts = self.prompts.drawn(rows, f"epoch {epoch}")
            dropped = torch.rand(BATCH, generator=generator) < UNPROMPTED
            texts = ["" if drop else text for text, drop in zip(texts, dropped, strict=True)]
            # Levels of noise spread evenly over the batch: the loss varies less from step to step.
            levels = (torch.randperm(BATCH, generator=generator) + torch.rand(1, generator=generator)) / BATCH
            levels = SHIFT * levels / (1 + (SHIFT - 1) * levels)
            loss = self.loss(texts, self.latents[rows], levels, generator).mean()
            self.step_down(loss, trained, 1.0)
            self.average.step(self.transformer.parameters())
            total += loss.item()
        return {"epoch": epoch + 1, "loss": round(total / self.per_epoch, 4)}

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
        """Error on validation clips with averaged weights.

        With captions in the wording of training, with what people type, with captions in a new wording, and without.
        """
        texts = {
            "validation": self.checked["caption"],
            "validation_typed": self.checked["typed"],
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
