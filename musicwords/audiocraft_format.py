"""MusicGen between two libraries: from transformers to a folder of audiocraft [1]_, and into audiocraft.

audiocraft keeps a MusicGen in two files, ``state_dict.bin`` for the language model and ``compression_state_dict.bin``
for the codec. Each is a dictionary that ``torch.load(..., weights_only=True)`` reads, with a configuration in YAML
under "xp.cfg" and weights under "best_state". The language model is audiocraft's own, built and loaded by audiocraft.

Three things audiocraft 1.3.0 cannot do by itself, so that :func:`load_audiocraft` stands in for its own
``MusicGen.get_pretrained``:

- the codec: audiocraft builds EnCodec with its own convolutions, or asks the hub for one of transformers. Its
  ``HFEncodecCompressionModel`` wraps any ``EncodecModel`` of transformers, and so ours, once that is there;
- the text encoder: audiocraft knows T5 by its published names. Here the weights of the text encoder are in
  ``state_dict.bin``, and its tokenizer lies beside it;
- short clips: the constructor of ``MusicGen`` expects a model of more than 18 seconds.

In one thing audiocraft is made to do as transformers does: padding behind the shorter prompts of a batch is left out of
the attention, as in the training of our model. The models that audiocraft trained attend to it as to zeros.

References
----------
.. [1] J. Copet, F. Kreuk, I. Gat, T. Remez, D. Kant, G. Synnaeve, Y. Adi and A. Défossez, "Simple and controllable
       music generation", NeurIPS 2023. arXiv:2306.05284
"""

from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from unittest.mock import patch

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    AutoTokenizer,
    BatchEncoding,
    MusicgenForConditionalGeneration,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

import musicwords.codec  # noqa: F401, so that AutoModel knows the codec
from musicwords.stand_ins import stand_ins

with stand_ins():
    import audiocraft
    from audiocraft.models import HFEncodecCompressionModel, MusicGen, builders, loaders
    from audiocraft.modules.conditioners import ConditioningProvider, TextConditioner
    from audiocraft.utils.autocast import TorchAutocast

LANGUAGE_MODEL, CODEC = "state_dict.bin", "compression_state_dict.bin"
CONDITIONER = "condition_provider.conditioners.description"
NAMES = {  # of weights, in transformers and in audiocraft
    "model.decoder.embed_tokens.": "emb.",
    "model.decoder.layers.": "transformer.layers.",
    "model.decoder.layer_norm.": "out_norm.",
    "lm_heads.": "linears.",
    ".self_attn_layer_norm.": ".norm1.",
    ".encoder_attn_layer_norm.": ".norm_cross.",
    ".final_layer_norm.": ".norm2.",
    ".encoder_attn.": ".cross_attention.",
    ".fc1.": ".linear1.",
    ".fc2.": ".linear2.",
}


class PromptConditioner(TextConditioner):
    """A text encoder of transformers, in the place of audiocraft's ``T5Conditioner``.

    ``None`` stands for no prompt, whose states are zero. An empty text is a prompt.

    Parameters
    ----------
    config : PretrainedConfig
        Of the text encoder, whose weights are part of the language model's.
    tokenizer : PreTrainedTokenizerBase
        Prompts are cut to its ``model_max_length``.
    output_dim : int
        Width of the language model.
    """

    def __init__(self, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, output_dim: int):
        super().__init__(config.hidden_size, output_dim)
        self.text_encoder = AutoModelForTextEncoding.from_config(config)
        self.tokenizer = tokenizer

    def tokenize(self, prompts: list[str | None]) -> tuple[BatchEncoding, torch.Tensor]:
        """Tokens of each prompt, and whether there is one, shape (prompts, 1)."""
        texts = [prompt or "" for prompt in prompts]
        inputs = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return inputs, torch.tensor([[prompt is not None] for prompt in prompts])

    def forward(self, tokenized: tuple[BatchEncoding, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """States, shape (prompts, tokens, output_dim), zero where the mask, shape (prompts, tokens), is zero."""
        device = self.output_proj.weight.device
        inputs, prompted = tokenized[0].to(device), tokenized[1].to(device)
        mask = inputs["attention_mask"] * prompted
        states = self.output_proj(self.text_encoder(**inputs).last_hidden_state)
        return states * mask[..., None], mask


class ShortMusicGen(MusicGen):
    """audiocraft's ``MusicGen``, also for models of less than 18 seconds, and in float32 on a GPU as on a CPU.

    Music longer than ``max_duration`` is made in strides of ``extend_stride`` seconds. audiocraft's default, 18, is
    three fifths of the 30 seconds of its models; here it is three fifths of ``max_duration``.
    """

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.autocast = TorchAutocast(enabled=False)

    def set_generation_params(self, *arguments, **settings) -> None:
        super().set_generation_params(*arguments, **{"extend_stride": 0.6 * self.max_duration, **settings})


def language_model_state(model: MusicgenForConditionalGeneration) -> dict[str, torch.Tensor]:
    """Weights of decoder, text encoder and the projection between them, under the names of audiocraft's ``LMModel``."""
    state, decoder = {}, model.decoder.state_dict()
    for name, weight in decoder.items():
        if ".k_proj." in name or ".v_proj." in name:
            continue  # joined to those of the query
        if ".q_proj." in name:
            weight = torch.cat([decoder[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            name = name.replace(".q_proj.weight", ".in_proj_weight")
        for here, there in NAMES.items():
            name = name.replace(here, there)
        state[name] = weight
    for part, module in (("output_proj", model.enc_to_dec_proj), ("text_encoder", model.text_encoder)):
        state |= {f"{CONDITIONER}.{part}.{name}": weight for name, weight in module.state_dict().items()}
    return state


def language_model_config(model: MusicgenForConditionalGeneration, seconds: float) -> dict:
    """What audiocraft's builders read; see its ``config/model/lm`` for the keys."""
    decoder = model.config.decoder
    return {
        "lm_model": "transformer_lm",
        "transformer_lm": {
            "dim": decoder.hidden_size,
            "num_heads": decoder.num_attention_heads,
            "num_layers": decoder.num_hidden_layers,
            "hidden_scale": decoder.ffn_dim / decoder.hidden_size,
            "n_q": decoder.num_codebooks,
            "card": decoder.vocab_size,
            "activation": decoder.activation_function,
            "dropout": decoder.dropout,
            "norm_first": True,
            "bias_proj": False,
            "bias_ff": False,
            "bias_attn": False,
            "causal": True,
            "custom": True,  # audiocraft's attention without xformers
        },
        "codebooks_pattern": {"modeling": "delay", "delay": {"delays": list(range(decoder.num_codebooks))}},
        "conditioners": {"description": {"model": "transformers", "transformers": plain(model.config.text_encoder)}},
        "fuser": {"cross": ["description"], "sum": [], "prepend": [], "input_interpolate": []},
        "attribute_dropout": {},
        "classifier_free_guidance": {"training_dropout": 0.0, "inference_coef": 3.0},
        "dataset": {"segment_duration": seconds},
        "compression_model_n_q": decoder.num_codebooks,
    }


def plain(config: PretrainedConfig) -> dict:
    """A configuration of transformers as numbers, texts, lists and dictionaries; :func:`from_plain` undoes it."""
    return {**config.to_diff_dict(), "model_type": config.model_type, "dtype": "float32"}


def from_plain(config: DictConfig) -> PretrainedConfig:
    return AutoConfig.for_model(**OmegaConf.to_container(config))


def export_audiocraft(
    model: MusicgenForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    seconds: float = 10.0,
) -> None:
    """Write a MusicGen of transformers in audiocraft's format.

    The weights are written in float32, which audiocraft computes with on a CPU. Any mono MusicGen can be given,
    whatever its text encoder and codec. Not covered: models for stereo, and those for melodies, which are of another
    class.

    Parameters
    ----------
    model : MusicgenForConditionalGeneration
        Whose weights are written; it is not changed.
    tokenizer : PreTrainedTokenizerBase
        Of its text encoder.
    folder : str or Path
        Where ``state_dict.bin``, ``compression_state_dict.bin`` and the tokenizer are written.
    seconds : float
        Length of the clips that the model was trained on. audiocraft makes longer music in strides.

    Raises
    ------
    ValueError
        If the model is for stereo, or its text encoder is as wide as its decoder, with no projection between.
    """
    folder = Path(folder)
    channels, width = model.config.decoder.audio_channels, model.config.decoder.hidden_size
    if channels != 1:
        raise ValueError(f"The model has {channels} channels: only mono models are exported.")
    if not hasattr(model, "enc_to_dec_proj"):
        raise ValueError(
            f"The model has text states as wide as its decoder, {width}, and no projection between them; audiocraft "
            "expects one. Only models with enc_to_dec_proj are exported."
        )
    folder.mkdir(parents=True, exist_ok=True)
    codec = {"compression_model": "transformers", "transformers": plain(model.config.audio_encoder)}
    for name, config, state in (
        (LANGUAGE_MODEL, language_model_config(model, seconds), language_model_state(model)),
        (CODEC, codec, model.audio_encoder.state_dict()),
    ):
        weights = {key: weight.cpu() for key, weight in state.items()}
        weights = {key: weight.float() if weight.is_floating_point() else weight for key, weight in weights.items()}
        written = {"xp.cfg": OmegaConf.to_yaml(OmegaConf.create(config)), "best_state": weights}
        torch.save({**written, "version": audiocraft.__version__, "exported": True}, folder / name)
    tokenizer.save_pretrained(folder)


def load_audiocraft(folder: str | Path, device: str = "cpu") -> MusicGen:
    """Load what :func:`export_audiocraft` wrote, and move it to a device.

    >>> model = load_audiocraft(folder)  # doctest: +SKIP
    >>> model.set_generation_params(duration=5, top_k=100, cfg_coef=3)  # doctest: +SKIP
    >>> audio = model.generate(["slow piano"])  # (1, 1, samples) at model.sample_rate  # doctest: +SKIP

    ``set_generation_params`` has audiocraft's defaults, not those in the checkpoint of transformers.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, or was not written by :func:`export_audiocraft`.
    """
    folder = Path(folder)
    for name in (LANGUAGE_MODEL, CODEC, "tokenizer.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: write the folder with export_audiocraft.")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    name = LANGUAGE_MODEL
    try:
        with patch.object(builders, "get_conditioner_provider", partial(conditioning, tokenizer)):
            language_model = loaders.load_lm_model(folder)
        name = CODEC
        codec = load_codec(folder)
    except (EOFError, KeyError, RuntimeError, UnpicklingError, OmegaConfBaseException) as error:
        raise ValueError(
            f"{folder / name} is damaged, or was not written by export_audiocraft: write it again. "
            "A folder of audiocraft's own models is loaded by audiocraft's MusicGen.get_pretrained."
        ) from error
    for layer in language_model.transformer.layers:
        layer.cross_attention.register_forward_pre_hook(leave_out_padding, with_kwargs=True)
    model = ShortMusicGen(str(folder), HFEncodecCompressionModel(codec.to(device)), language_model.to(device))
    model.set_generation_params(duration=model.max_duration)
    return model


def conditioning(tokenizer: PreTrainedTokenizerBase, output_dim: int, config: DictConfig) -> ConditioningProvider:
    """What audiocraft's builder of language models asks for, with our text encoder."""
    text_encoder = from_plain(config["conditioners"]["description"]["transformers"])
    return ConditioningProvider({"description": PromptConditioner(text_encoder, tokenizer, output_dim)})


def load_codec(folder: Path) -> torch.nn.Module:
    """The codec of transformers, from the file that audiocraft's loader reads."""
    saved = loaders.load_compression_model_ckpt(folder)
    codec = AutoModel.from_config(from_plain(OmegaConf.create(saved["xp.cfg"])["transformers"]))
    codec.load_state_dict(saved["best_state"])
    return codec.eval()


def leave_out_padding(module: torch.nn.Module, arguments: tuple, settings: dict) -> tuple[tuple, dict]:
    """Let no query attend to states of zero, which are padding, unless all are, where there is no prompt."""
    _, states, _ = arguments  # query, key, value
    padding = (states == 0).all(dim=2)[:, None, None]  # (batch, heads, queries, tokens)
    mask = padding * torch.finfo(states.dtype).min
    return arguments, settings | {"attn_mask": mask}
