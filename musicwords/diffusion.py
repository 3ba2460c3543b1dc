"""Text to music by latent diffusion, as a pipeline of diffusers.

The denoiser is the diffusion transformer (DiT) [1]_ of Stable Audio Open [2]_, in the class that diffusers has for it.
It works on the latents of :class:`musicwords.codec.SpectralCodec`, and two neighboring latents are one token.
It predicts the velocity v [3]_, its noise schedule ends in pure noise [4]_, and prompts are strengthened by
classifier-free guidance [5]_.

No published pipeline fits. ``StableAudioPipeline`` expects an ``AutoencoderOobleck``, whose convolutions on samples
cannot be trained on a CPU in sensible time, and a T5. ``MusicLDMPipeline`` and ``AudioLDMPipeline`` expect a CLAP, a
variational autoencoder of mel spectrograms and a HiFi-GAN to turn these into sound. The arguments here are called as
those of ``StableAudioPipeline``, so that one cell runs both; ``strength``, ``mask`` and ``guidance_rescale`` are new.

>>> from musicwords.diffusion import TextToMusicPipeline
>>> pipeline = TextToMusicPipeline.from_pretrained(folder)  # doctest: +SKIP
>>> audio = pipeline("A slow piece for piano.", num_inference_steps=50).audios[0, 0]  # doctest: +SKIP

References
----------
.. [1] W. Peebles and S. Xie, "Scalable diffusion models with transformers", ICCV 2023. arXiv:2212.09748
.. [2] Z. Evans, J. D. Parker, CJ Carr, Z. Zukowski, J. Taylor and J. Pons, "Stable Audio Open", 2024. arXiv:2407.14358
.. [3] T. Salimans and J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
       arXiv:2202.00512
.. [4] S. Lin, B. Liu, J. Li and X. Yang, "Common diffusion noise schedules and sample steps are flawed", WACV 2024.
       arXiv:2305.08891
.. [5] J. Ho and T. Salimans, "Classifier-free diffusion guidance", 2022. arXiv:2207.12598
.. [6] C. Meng, Y. He, Y. Song, J. Song, J. Wu, J.-Y. Zhu and S. Ermon, "SDEdit: guided image synthesis and editing with
       stochastic differential equations", ICLR 2022. arXiv:2108.01073
.. [7] A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
       arXiv:2201.09865
"""

import inspect
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

import torch
from diffusers import AudioPipelineOutput, DiffusionPipeline, SchedulerMixin, StableAudioDiTModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.pipelines.pipeline_loading_utils import ALL_IMPORTABLE_CLASSES
from diffusers.utils.torch_utils import randn_tensor
from transformers import BertModel, BertTokenizer

from musicwords.codec import SpectralCodec
from musicwords.inputs import MOST_GUIDANCE, check_texts
from musicwords.signal import check_batch

PATCH = 2  # neighboring latents that are one token
LONGEST = 64  # tokens of a text; longer ones are cut
STRENGTH = 0.7  # of initial audio without a mask

# How diffusers saves and loads a component that is neither its own nor of transformers.
ALL_IMPORTABLE_CLASSES[SpectralCodec.__name__] = ["save_pretrained", "from_pretrained"]


def text_states(
    tokenizer: BertTokenizer, text_encoder: BertModel, texts: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """States of texts, as the denoiser is conditioned on them.

    States of places after the end of a text are zero, and so are all states of an empty text: that is no condition.

    Parameters
    ----------
    texts : sequence of str
        What is beyond ``LONGEST`` tokens is left out.

    Returns
    -------
    states : torch.Tensor, shape (texts, LONGEST, width)
        One for each token; the denoiser attends to them.
    mean : torch.Tensor, shape (texts, 1, width)
        Mean over the tokens of each text.
    """
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    mask = tokens["attention_mask"].to(text_encoder.device)
    states = text_encoder(tokens["input_ids"].to(text_encoder.device), attention_mask=mask).last_hidden_state
    said = torch.tensor([[[bool(text.strip())]] for text in texts], device=states.device)
    states = states * mask[:, :, None] * said
    mean = states.sum(dim=1, keepdim=True) / mask.sum(dim=1)[:, None, None]
    return torch.nn.functional.pad(states, (0, 0, 0, LONGEST - states.shape[1])), mean


def velocity(
    transformer: StableAudioDiTModel,
    latents: torch.Tensor,
    level: torch.Tensor,
    states: torch.Tensor,
    mean: torch.Tensor,
) -> torch.Tensor:
    """What the denoiser predicts of noisy latents: the velocity v.

    Parameters
    ----------
    latents : torch.Tensor, shape (batch, channels, frames)
        Standardized latents with noise; ``frames`` is a multiple of ``PATCH``.
    level : torch.Tensor, shape (batch,)
        How noisy they are: the timestep divided by the number of timesteps of training, 0 to 1.
    states, mean : torch.Tensor
        See ``text_states``.

    Returns
    -------
    torch.Tensor, shape (batch, channels, frames)
    """
    _, channels, frames = latents.shape
    # (batch, channels, frames) -> (batch, PATCH * channels, tokens)
    patches = latents.unflatten(2, (-1, PATCH)).permute(0, 3, 1, 2).flatten(1, 2)
    rotary = get_1d_rotary_pos_embed(
        transformer.config.attention_head_dim // 2,
        torch.arange(frames // PATCH + 1, device=latents.device),  # one token more: level and mean
        use_real=True,
        repeat_interleave_real=False,
    )
    found = transformer(
        patches,
        level,
        encoder_hidden_states=states,
        global_hidden_states=mean,
        rotary_embedding=rotary,
        return_dict=False,
    )[0]
    return found.unflatten(1, (PATCH, channels)).permute(0, 2, 3, 1).flatten(2)


def guided(unconditional: torch.Tensor, conditional: torch.Tensor, scale: float, rescale: float) -> torch.Tensor:
    """Classifier-free guidance [5]_, partly brought back to the standard deviation of the conditional one [4]_."""
    found = unconditional + scale * (conditional - unconditional)
    dims = tuple(range(1, found.ndim))
    ratio = conditional.std(dim=dims, keepdim=True) / found.std(dim=dims, keepdim=True).clamp(min=1e-6)
    return found * (1 + rescale * (ratio - 1))


class TextToMusicPipeline(DiffusionPipeline):
    """Generate ten seconds of music, or less, from a text.

    Parameters
    ----------
    tokenizer, text_encoder : BertTokenizer, BertModel
        Read the prompt.
    transformer : StableAudioDiTModel
        The denoiser. ``in_channels`` is ``PATCH`` times the channels of the codec; ``sample_size`` is the number of
        tokens of a clip.
    codec : SpectralCodec
        From audio to latents and back. Its configuration has ``latents_mean`` and ``latents_std``.
    scheduler : SchedulerMixin
        ``DDIMScheduler`` or any other one that knows v-prediction, made from the configuration of the first, such as
        ``DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)``.
    """

    model_cpu_offload_seq = "text_encoder->transformer->codec"

    def __init__(
        self,
        tokenizer: BertTokenizer,
        text_encoder: BertModel,
        transformer: StableAudioDiTModel,
        codec: SpectralCodec,
        scheduler: SchedulerMixin,
    ):
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer, text_encoder=text_encoder, transformer=transformer, codec=codec, scheduler=scheduler
        )

    @property
    def frames(self) -> int:
        """Latents of a whole clip."""
        return PATCH * self.transformer.config.sample_size

    @property
    def samples(self) -> int:
        """Samples of a whole clip."""
        return self.frames * self.codec.config.hop_length

    def statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the codec's latents, each of shape (channels, 1)."""
        found = self.codec.config.latents_mean, self.codec.config.latents_std
        if None in found:
            raise ValueError(
                "The configuration of the codec lacks latents_mean and latents_std, which are expected to hold one "
                "number for each channel: take them from latents of training clips."
            )
        mean, std = (torch.tensor(one, device=self.codec.device)[:, None] for one in found)
        return mean, std

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Standardized latents, shape (batch, channels, frames), of audio, shape (batch, 1, samples)."""
        mean, std = self.statistics()
        return (self.codec.encoder(audio.to(self.codec.device, self.codec.dtype)) - mean) / std

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Audio, shape (batch, 1, samples), of standardized latents, shape (batch, channels, frames)."""
        mean, std = self.statistics()
        return self.codec.decoder((latents * std + mean).to(self.codec.dtype))

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        audio_end_in_s: float = 10.0,
        num_inference_steps: int = 25,
        guidance_scale: float = 4.0,
        guidance_rescale: float = 0.7,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int = 1,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        initial_audio_waveforms: torch.Tensor | None = None,
        initial_audio_sampling_rate: int | None = None,
        strength: float | None = None,
        mask: torch.Tensor | None = None,
        output_type: str = "pt",
    ) -> AudioPipelineOutput:
        """Generate audio.

        Parameters
        ----------
        prompt : str or sequence of str
            What to generate. An empty or blank text is no condition. Others are looked at by
            ``musicwords.inputs.check_texts``: what is cut after 64 tokens, and unknown words, are warned of.
        audio_end_in_s : float
            Length in seconds, from one sample to a whole clip, 10. A whole clip is generated and then cut.
        num_inference_steps : int
            At least 1.
        guidance_scale : float
            How much to move from what the denoiser says without the prompt to what it says with it. 0 ignores the
            prompt, 1 is no guidance, and more follows the prompt more closely, at the cost of variety. At most 100.
        guidance_rescale : float
            0 to 1: how far guided velocities are brought back to the standard deviation that they have without
            guidance.
        negative_prompt : str or sequence of str, optional
            What to move away from, instead of no condition; one for all prompts or one for each. Without effect if
            ``guidance_scale`` is 1.
        num_waveforms_per_prompt : int
            How many clips to generate for each prompt; those of one prompt follow each other.
        eta : float
            0 to 1: noise that ``DDIMScheduler`` adds again in each step. Other schedulers ignore it.
        generator : torch.Generator or list of them, optional
            What noise is drawn from. A list has one for each clip, which then does not depend on the other clips.
        latents : torch.Tensor, shape (clips, channels, frames), optional
            Noise to start from, instead of drawing it; finite.
        initial_audio_waveforms : torch.Tensor, shape (clips, 1, samples) or (clips, samples), optional
            Audio to change: one mono clip for all, or one for each. What it lacks to a whole clip is silence. The first
            axis counts clips, never channels: with two prompts, audio of shape (2, samples) is two clips.
        initial_audio_sampling_rate : int, optional
            Of that audio, in Hz; must be that of the codec.
        strength : float, optional
            Above 0 and at most 1: how far the initial audio is noised before it is denoised, as in SDEdit [6]_. 1 keeps
            nothing of it, outside of the mask. By default 0.7, and 1 with a mask. Only with initial audio.
        mask : torch.Tensor of bool, shape (samples,) or (frames,) of a whole clip, optional
            True where audio is to be made anew, somewhere at least. The rest stays that of the initial audio: after
            each step its latents are put back, noised as far as the others are. That is RePaint [7]_ without its
            resampling. A latent of which any sample is to be made anew is made anew. Only with initial audio.
        output_type : str
            "pt" for a tensor, "np" for an array, "latent" for standardized latents, shape (clips, channels, frames).

        Returns
        -------
        AudioPipelineOutput
            ``audios`` has shape (clips, 1, samples), float32, mostly within -1 and 1, at the codec's sampling rate.

        Raises
        ------
        ValueError
            If an argument is outside of what is said above, of another type, or NaN; if a text is none that the
            tokenizer knows; or if the scheduler does not take what the denoiser predicts for the velocity v.

        Warns
        -----
        UserWarning
            If a text is cut, or holds unknown words.
        """
        check_scheduler(self.scheduler)
        rate = self.codec.config.sampling_rate
        check_numbers(
            audio_end_in_s, num_inference_steps, guidance_scale, guidance_rescale, num_waveforms_per_prompt, eta,
            strength, output_type, shortest=1 / rate, longest=self.samples / rate,
        )  # fmt: skip
        prompts, negative = self.check_prompts(prompt, negative_prompt, num_waveforms_per_prompt)
        known = self.known_latents(initial_audio_waveforms, initial_audio_sampling_rate, len(prompts))
        anew = self.frame_mask(mask, known)
        if strength is not None and known is None:
            raise ValueError("strength is given without initial_audio_waveforms; audio to change is expected there.")
        if strength is None:
            strength = STRENGTH if mask is None else 1.0

        device = self._execution_device
        states, mean = text_states(self.tokenizer, self.text_encoder, prompts)
        against = text_states(self.tokenizer, self.text_encoder, negative)

        self.scheduler.set_timesteps(num_inference_steps, device=device)
        noise = self.noise(latents, len(prompts), states.dtype, generator)
        if known is None:
            timesteps, latents = self.scheduler.timesteps, noise * self.scheduler.init_noise_sigma
        else:
            first = self.scheduler.order * (num_inference_steps - max(1, round(num_inference_steps * strength)))
            timesteps = self.scheduler.timesteps[first:]
            if hasattr(self.scheduler, "set_begin_index"):
                self.scheduler.set_begin_index(first)
            known = known.to(noise)
            latents = self.scheduler.add_noise(known, noise, timesteps[:1])

        accepted = inspect.signature(self.scheduler.step).parameters
        extra = {name: value for name, value in (("eta", eta), ("generator", generator)) if name in accepted}
        for number, timestep in enumerate(self.progress_bar(timesteps)):
            inputs = self.scheduler.scale_model_input(latents, timestep)
            level = (timestep / self.scheduler.config.num_train_timesteps).to(states.dtype).expand(len(prompts))
            found = velocity(self.transformer, inputs, level, states, mean)
            if guidance_scale != 1:
                found = guided(
                    velocity(self.transformer, inputs, level, *against), found, guidance_scale, guidance_rescale
                )
            latents = self.scheduler.step(found, timestep, latents, **extra).prev_sample
            if anew is not None:
                later = timesteps[number + 1 : number + 2]
                kept = self.scheduler.add_noise(known, noise, later) if len(later) else known
                latents = torch.where(anew, latents, kept)

        if output_type == "latent":
            audio = latents
        else:
            audio = self.decode(latents)[:, :, : round(audio_end_in_s * self.codec.config.sampling_rate)]
        self.maybe_free_model_hooks()
        return AudioPipelineOutput(audios=audio.cpu().float().numpy() if output_type == "np" else audio)

    def check_prompts(
        self, prompt: str | Sequence[str], negative: str | Sequence[str] | None, count: int
    ) -> tuple[list[str], list[str]]:
        """One prompt and one negative prompt for each clip."""
        negative = "" if negative is None else negative
        prompts, negatives = (
            [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
            for given in (prompt, negative)
        )
        for name, given, texts in (("prompt", prompt, prompts), ("negative_prompt", negative, negatives)):
            if not texts or not all(isinstance(text, str) for text in texts):
                raise ValueError(
                    f"{name} is {given!r}; a text or a list of at least one text is expected. "
                    'For music without a condition, give the empty text "".'
                )
        if isinstance(negative, str):
            negatives *= len(prompts)
        if len(negatives) != len(prompts):
            raise ValueError(
                f"There are {len(negatives)} negative prompts and {len(prompts)} prompts; "
                "give one negative prompt for all, or one for each prompt."
            )
        if said := [text for text in dict.fromkeys(prompts + negatives) if text.strip()]:
            check_texts(said, self)
        prompts, negatives = ([text for text in texts for _ in range(count)] for texts in (prompts, negatives))
        return prompts, negatives

    def known_latents(self, audio: torch.Tensor | None, rate: int | None, clips: int) -> torch.Tensor | None:
        """Standardized latents of the initial audio, filled up with silence to a whole clip."""
        if audio is None:
            return None
        expected = self.codec.config.sampling_rate
        if rate != expected:
            raise ValueError(
                f"initial_audio_sampling_rate is {rate!r}; this pipeline expects {expected} Hz. "
                f"Resample first: librosa.resample(audio, orig_sr={rate or 'rate'}, target_sr={expected})."
            )
        audio = tensor_of(audio, "initial_audio_waveforms").to(torch.float32)
        shape = tuple(audio.shape)
        if audio.ndim == 2:
            audio = audio[:, None]
        if audio.ndim != 3 or audio.shape[1] != 1 or audio.shape[0] not in (1, clips):
            raise ValueError(
                f"initial_audio_waveforms has shape {shape}; (1 or {clips}, 1, samples) or (1 or {clips}, samples) is "
                "expected, since the first axis counts clips. Average the channels of stereo first: "
                "audio.mean(dim=-2, keepdim=True). One mono clip of shape (samples,) is given as audio[None]."
            )
        if not 0 < audio.shape[2] <= self.samples:
            raise ValueError(
                f"initial_audio_waveforms has {audio.shape[2]} samples; 1 to {self.samples} are expected, "
                f"at most {self.samples / expected:g} s. Cut it: audio[..., :{self.samples}]."
            )
        check_batch(audio, "initial_audio_waveforms")
        audio = torch.nn.functional.pad(audio, (0, self.samples - audio.shape[2]))
        return self.encode(audio).expand(clips, -1, -1)

    def frame_mask(self, mask: torch.Tensor | None, known: torch.Tensor | None) -> torch.Tensor | None:
        """Which latents are made anew, shape (frames,), bool."""
        if mask is None:
            return None
        if known is None:
            raise ValueError(
                "mask is given without initial_audio_waveforms; the audio outside of the mask is expected there."
            )
        mask = tensor_of(mask, "mask")
        if mask.ndim != 1 or len(mask) not in (self.samples, self.frames):
            raise ValueError(
                f"mask has shape {tuple(mask.shape)}; ({self.samples},) samples or ({self.frames},) latents of a whole "
                "clip are expected, also where the initial audio is shorter: True is what to make anew."
            )
        if not (mask.any() and ((mask == 0) | (mask == 1)).all()):
            raise ValueError(
                f"mask has values from {mask.min().item()} to {mask.max().item()}; True or 1 is expected where audio "
                "is to be made anew, at least once, and False or 0 elsewhere. Look at how the mask was made."
            )
        mask = mask.to(known.device, torch.bool)
        return mask if len(mask) == self.frames else mask.view(self.frames, -1).any(dim=1)

    def noise(
        self,
        latents: torch.Tensor | None,
        clips: int,
        dtype: torch.dtype,
        generator: torch.Generator | list[torch.Generator] | None,
    ) -> torch.Tensor:
        """The noise that was given, or other noise, shape (clips, channels, frames)."""
        shape = (clips, self.transformer.config.in_channels // PATCH, self.frames)
        generators = generator if isinstance(generator, list) else [generator]
        if generator is not None and not all(isinstance(one, torch.Generator) for one in generators):
            raise ValueError(
                f"generator is {generator!r}; a torch.Generator, or a list with one for each clip, is expected: "
                "torch.Generator().manual_seed(0)."
            )
        if isinstance(generator, list) and len(generator) != clips:
            raise ValueError(f"There are {len(generator)} generators and {clips} clips; give one generator for each.")
        if latents is None:
            return randn_tensor(shape, generator, self._execution_device, dtype)
        latents = tensor_of(latents, "latents")
        if tuple(latents.shape) != shape:
            raise ValueError(
                f"latents has shape {tuple(latents.shape)}; noise of shape {shape} is expected: torch.randn{shape}."
            )
        if bad := (~latents.isfinite()).sum().item():
            raise ValueError(
                f"latents has {bad} numbers that are NaN or infinite; finite noise is expected: torch.randn{shape}."
            )
        return latents.to(self._execution_device, dtype)


def tensor_of(values: torch.Tensor, who: str) -> torch.Tensor:
    """Return a tensor, also of an array or of a list, or raise a ValueError."""
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{who} is a {type(values).__name__}; a tensor or an array of numbers is expected.") from error


def check_scheduler(scheduler: SchedulerMixin) -> None:
    """Raise a ValueError for a scheduler that takes the velocity for something else, such as for the noise."""
    name = type(scheduler).__name__
    known = "prediction_type" in inspect.signature(type(scheduler)).parameters
    kind = scheduler.config.prediction_type if known else None
    if kind != "v_prediction":
        raise ValueError(
            f"The scheduler is a {name} with the prediction_type {kind!r}; 'v_prediction' is expected, since this "
            "denoiser predicts the velocity. Make it from the configuration of the scheduler that came with the "
            f"checkpoint: pipeline.scheduler = {name if known else 'DDIMScheduler'}.from_config("
            "pipeline.scheduler.config). If that one is replaced already, load the pipeline again first."
        )


def check_numbers(
    seconds: float,
    steps: int,
    guidance: float,
    rescale: float,
    count: int,
    eta: float,
    strength: float | None,
    output_type: str,
    shortest: float,
    longest: float,
) -> None:
    """Raise a ValueError for a number that the pipeline cannot work with."""
    whole = {"num_inference_steps": steps, "num_waveforms_per_prompt": count}
    numbers = {"audio_end_in_s": seconds, "guidance_scale": guidance, "guidance_rescale": rescale, "eta": eta}
    numbers |= whole if strength is None else whole | {"strength": strength}
    for name, value in numbers.items():
        if not isinstance(value, Integral if name in whole else Real):
            raise ValueError(f"{name} is {value!r}; a {'whole ' if name in whole else ''}number is expected.")
    for name, value, fits, expected in (
        ("audio_end_in_s", seconds, shortest <= seconds <= longest, f"seconds from {shortest:g} to {longest:g} are"),
        ("num_inference_steps", steps, steps >= 1, "at least 1 is"),
        ("guidance_scale", guidance, 0 <= guidance <= MOST_GUIDANCE, f"a number from 0 to {MOST_GUIDANCE:g} is"),
        ("guidance_rescale", rescale, 0 <= rescale <= 1, "a number from 0 to 1 is"),
        ("num_waveforms_per_prompt", count, count >= 1, "at least 1 is"),
        ("eta", eta, 0 <= eta <= 1, "a number from 0 to 1 is"),
        ("strength", strength, strength is None or 0 < strength <= 1, "a number above 0 and at most 1 is"),
        ("output_type", output_type, output_type in ("pt", "np", "latent"), '"pt", "np" or "latent" is'),
    ):
        if not fits:
            raise ValueError(f"{name} is {value!r}; {expected} expected.")
