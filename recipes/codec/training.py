"""Train the codec: both networks by gradient, the codebooks by moving averages."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from vector_quantize_pytorch import ResidualVQ

from musicwords.codec import SpectralCodec, SpectralCodecConfig
from recipes.codec.audio import SAMPLE_RATE, as_float
from recipes.codec.losses import PILOT_SCALES, spectral_losses
from recipes.common.training import Trainer as Training

SILENT_BIAS = -2.0  # of the decoder's log magnitudes before training
DEAD = 0.2  # frames of a batch, on average; an entry with fewer is put elsewhere
DECAY = 0.99  # of the moving averages of the codebooks
GAIN_DB = (-6.0, 3.0)  # each crop is made louder or softer by so much


@dataclass(frozen=True)
class Settings:
    """What a run is; the defaults are those of the shipped codec."""

    steps: int = 4000
    batch: int = 24
    seconds: float = 1.0  # of each crop
    learning_rate: float = 1e-3  # of AdamW, for vectors
    muon_learning_rate: float = 3e-3  # for matrices; 0 for AdamW everywhere
    weight_decay: float = 1e-4
    warm_up: int = 60
    unquantized: int = 300  # first steps, without codebooks
    all_codebooks: float = 0.5  # share of steps with all of them; the other steps use a random number
    commitment: float = 0.25
    every: int = 250  # steps between checks
    seed: int = 0


class Trainer(Training):
    """Trains in rounds of ``settings.every`` steps.

    Parameters
    ----------
    folder : where the state and the curve are kept
    clips : samples of the training clips, shape (clips, samples), int16
    validation : the same of the validation clips
    settings : of the run
    config : of the codec
    """

    def __init__(
        self,
        folder: Path,
        clips: np.ndarray,
        validation: np.ndarray,
        settings: Settings,
        config: SpectralCodecConfig | None = None,
    ):
        self.clips, self.settings = clips, settings
        length = 3 * SAMPLE_RATE
        self.validation = torch.from_numpy(as_float(np.asarray(validation[:, SAMPLE_RATE : SAMPLE_RATE + length])))
        torch.manual_seed(settings.seed)
        self.model = SpectralCodec(config or SpectralCodecConfig())
        with torch.no_grad():
            self.model.decoder.output.bias[: self.model.decoder.window // 2 + 1] = SILENT_BIAS
        config = self.model.config
        self.codebooks = ResidualVQ(
            dim=config.hidden_size,
            num_quantizers=config.num_quantizers,
            codebook_size=config.codebook_size,
            decay=DECAY,
            kmeans_init=True,
            kmeans_iters=10,
            threshold_ema_dead_code=DEAD,
            rotation_trick=False,
        )
        matrices, others = [], []
        for name, parameter in self.model.named_parameters():
            chosen = parameter.ndim == 2 and not name.endswith("kernel") and settings.muon_learning_rate
            (matrices if chosen else others).append(parameter)
        optimizers = [
            torch.optim.AdamW(others, settings.learning_rate, (0.8, 0.99), weight_decay=settings.weight_decay)
        ]
        if matrices:
            optimizers.append(
                torch.optim.Muon(
                    matrices,
                    lr=settings.muon_learning_rate,
                    weight_decay=settings.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        self.step = 0
        super().__init__(folder, math.ceil(settings.steps / settings.every), optimizers)

    name = "codec"

    def rate(self, step: int) -> float:
        """Warm-up, then the rest of half a cosine that began with the training, down to 3 %."""
        settings = self.settings
        if step < settings.warm_up:
            return (step + 1) / settings.warm_up
        return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(step / settings.steps, 1)))

    def parts(self) -> dict:
        return {"model": self.model, "codebooks": self.codebooks}

    def round(self, number: int) -> dict:
        """Train until the next check. What is drawn depends on the step alone, so that a run can be taken up."""
        settings, means = self.settings, []
        self.step = number * settings.every
        torch.manual_seed(settings.seed * 1_000_003 + self.step)
        drawn, rng = (np.random.default_rng([settings.seed, self.step, number]) for number in range(2))
        self.model.train()
        self.codebooks.train()
        end = min(self.step + settings.every, settings.steps)
        reader = ThreadPoolExecutor(1)  # reads the next batch from the disk while this one is learned
        coming = reader.submit(self.crops, drawn)
        while self.step < end:
            audio, coming = coming.result(), reader.submit(self.crops, drawn)
            with torch.autocast("cpu", torch.bfloat16):
                latents = self.model.encoder(audio[:, None])
            quantized, commitment = self.quantized(latents, rng)
            with torch.autocast("cpu", torch.bfloat16):
                made = self.model.decoder(quantized)[:, 0]
            distance, convergence = spectral_losses(made, audio)
            loss = distance + 0.5 * convergence + (made - audio).abs().mean() + settings.commitment * commitment
            self.step_down(loss, self.model.parameters(), 2.0)
            means.append([distance.item(), convergence.item(), commitment.item()])
            self.step += 1
        reader.shutdown()
        distance, convergence, commitment = np.mean(means, axis=0).tolist()
        return {
            "step": self.step,
            "log_mel": round(distance, 4),
            "convergence": round(convergence, 4),
            "commitment": round(commitment, 4),
        }

    def crops(self, rng: np.random.Generator) -> torch.Tensor:
        """A batch of crops of random clips, shape (batch, samples)."""
        settings, length = self.settings, round(self.settings.seconds * SAMPLE_RATE)
        clips = rng.integers(len(self.clips), size=settings.batch)
        starts = rng.integers(self.clips.shape[1] - length + 1, size=settings.batch)
        audio = as_float(np.stack([self.clips[clip, at : at + length] for clip, at in zip(clips, starts, strict=True)]))
        gains = 10 ** (rng.uniform(*GAIN_DB, size=(settings.batch, 1)) / 20)
        return torch.from_numpy(audio * gains.astype(np.float32))

    def quantized(self, latents: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents through the codebooks, with the gradient passed straight through, and the commitment loss."""
        if self.step < self.settings.unquantized:
            return latents, torch.zeros(())
        frames = latents.transpose(1, 2)
        _, _, losses, codes = self.codebooks(frames, return_all_codes=True)
        count = len(codes)
        if rng.random() >= self.settings.all_codebooks:
            count = int(rng.integers(1, len(codes) + 1))
        found = codes[:count].sum(dim=0)
        return (frames + (found - frames).detach()).transpose(1, 2), losses.sum()

    @torch.inference_mode()
    def check(self) -> dict:
        """Log-mel distance on validation clips by number of codebooks (the pilot's scales), and their perplexity."""
        self.model.eval()
        self.codebooks.eval()
        count = self.codebooks.num_quantizers
        totals, indices = [0.0] * count, []
        if self.step < self.settings.unquantized:
            return {f"validation_{used}": None for used in range(1, count + 1)} | {
                f"perplexity_{used}": None for used in range(1, count + 1)
            }
        batches = self.validation.split(32)
        for audio in batches:
            frames = self.model.encoder(audio[:, None]).transpose(1, 2)
            _, found, _, codes = self.codebooks(frames, return_all_codes=True)
            indices.append(found.reshape(-1, count))
            for used in range(count):
                made = self.model.decoder(codes[: used + 1].sum(dim=0).transpose(1, 2))[:, 0]
                totals[used] += spectral_losses(made, audio, PILOT_SCALES)[0].item() * len(audio)
        row = {f"validation_{used + 1}": round(total / len(self.validation), 4) for used, total in enumerate(totals)}
        found = torch.cat(indices)
        return row | {f"perplexity_{used + 1}": round(perplexity(found[:, used])) for used in range(count)}

    def finished(self) -> SpectralCodec:
        """The codec with the codebooks of the moving averages in its own quantizer."""
        with torch.no_grad():
            for own, trained in zip(self.model.quantizer.layers, self.codebooks.layers, strict=True):
                own.codebook.embed.copy_(trained.codebook)
        return self.model.eval()


def perplexity(indices: torch.Tensor) -> float:
    """How many entries of a codebook are used, were they used evenly: e to the entropy."""
    share = torch.bincount(indices.flatten()).double() / indices.numel()
    return float(torch.exp(torch.special.entr(share).sum()))
