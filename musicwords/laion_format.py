"""CLAP between two libraries: from transformers to a folder of laion_clap [1]_, into laion_clap, and back.

laion_clap keeps a CLAP in one file of weights, which its ``CLAP_Module.load_ckpt`` reads, and knows the sizes of each
model by name. Its classes take other sizes too. What is fixed in laion_clap 1.1.7, so that :func:`load_laion` stands in
for it:

- ``create_htsat_model`` builds the audio tower in three sizes, with patches of 4 by 4. The class of the tower,
  ``HTSAT_Swin_Transformer``, takes any;
- ``CLAP`` asks the hub for the text tower "roberta-base", and ``CLAP_Module`` for its tokenizer;
- ``CLAP`` projects text states of 768 numbers;
- ``CLAP_Module`` writes 480,000 samples, 48 kHz and 77 tokens into its methods.

Between the audio and the tower stands the log-mel spectrogram, which laion_clap computes with torchlibrosa in float32
and transformers with NumPy in float64. It is the same up to rounding if the extractor of transformers has
``truncation="rand_trunc"``: both then take mels of Slaney, a periodic Hann window, and decibels down to -100.

References
----------
.. [1] Y. Wu, K. Chen, T. Zhang, Y. Hui, T. Berg-Kirkpatrick and S. Dubnov, "Large-scale contrastive language-audio
       pretraining with feature fusion and keyword-to-caption augmentation", ICASSP 2023. arXiv:2211.06687
"""

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace
from unittest.mock import patch

import librosa
import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapProcessor,
    ClapTextConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
    RobertaModel,
)

from musicwords.stand_ins import stand_ins

with stand_ins():
    from laion_clap import CLAP_Module, hook
    from laion_clap.training.data import get_audio_features
from clap_module import factory, htsat
from clap_module import model as clap_model

NAME = "mini"  # of the model, among those that laion_clap knows
WEIGHTS, SETTINGS = "clap.pt", "laion.json"
NAMES = {  # of weights, in transformers and in laion_clap; those of the towers hold inside their own tower only
    "text_model.": "text_branch.",
    "text_projection.linear1.": "text_projection.0.",
    "text_projection.linear2.": "text_projection.2.",
    "audio_projection.linear1.": "audio_projection.0.",
    "audio_projection.linear2.": "audio_projection.2.",
}
AUDIO_NAMES = {
    "audio_model.audio_encoder.": "audio_branch.",
    ".batch_norm.": ".bn0.",
    ".layernorm_before.": ".norm1.",
    ".layernorm_after.": ".norm2.",
    ".attention.self.": ".attn.",
    ".attention.output.dense.": ".attn.proj.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
}
NOT_IN_TRANSFORMERS = (
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
    "audio_transform.",
    "text_transform.",
)
ROBERTA = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
)


class SmallCLAP(CLAP_Module):
    """laion_clap's ``CLAP_Module``, also for other lengths and sample rates than 10 seconds at 48 kHz.

    Texts are cut to the ``model_max_length`` of the tokenizer.
    """

    def tokenizer(self, text: list[str]) -> dict[str, torch.Tensor]:
        return self.tokenize(text, padding=True, truncation=True, return_tensors="pt")

    def get_audio_embedding_from_data(self, x, use_tensor: bool = False) -> np.ndarray | torch.Tensor:
        with self.own_lengths():
            return super().get_audio_embedding_from_data(x, use_tensor)

    def get_audio_embedding_from_filelist(self, x: list[str], use_tensor: bool = False) -> np.ndarray | torch.Tensor:
        with self.own_lengths():
            return super().get_audio_embedding_from_filelist(x, use_tensor)

    @contextmanager
    def own_lengths(self) -> Iterator[None]:
        """Give laion_clap's methods this model's number of samples and sample rate, in place of those written there."""
        audio = self.model_cfg["audio_cfg"]

        def features(sample, waveform, _, **settings):
            return get_audio_features(sample, waveform, audio["clip_samples"], **settings)

        def load(file, sr):
            return librosa.load(file, sr=audio["sample_rate"])

        with patch.multiple(hook, get_audio_features=features, librosa=SimpleNamespace(load=load)):
            yield


def laion_settings(config: ClapConfig, extractor: ClapFeatureExtractor) -> dict:
    """What laion_clap's ``CLAP`` is built from; see its ``clap_module/model_configs`` for the keys."""
    audio, text = config.audio_config, config.text_config
    return {
        "embed_dim": audio.hidden_size,
        "joint_embed_shape": config.projection_dim,
        "mlp_act": audio.projection_hidden_act,
        "audio_cfg": {
            "audio_length": extractor.nb_max_samples // extractor.hop_length + 1,
            "clip_samples": extractor.nb_max_samples,
            "mel_bins": extractor.feature_size,
            "sample_rate": extractor.sampling_rate,
            "window_size": extractor.fft_window_size,
            "hop_size": extractor.hop_length,
            "fmin": extractor.frequency_min,
            "fmax": extractor.frequency_max,
            "class_num": audio.num_classes,
            "model_type": "HTSAT",
            "model_name": NAME,
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings - text.pad_token_id - 1,
            "vocab_size": text.vocab_size,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "layers": text.num_hidden_layers,
        },
    }


def laion_state(model: ClapModel) -> dict[str, torch.Tensor]:
    """Weights of towers and projections, under the names of laion_clap's ``CLAP``."""
    state, weights = {}, model.state_dict()
    for name, weight in weights.items():
        if name.endswith(".token_type_ids") or (name.startswith("audio_") and (".key." in name or ".value." in name)):
            continue  # not a weight, or joined to those of the query
        if name.startswith("audio_") and ".query." in name:
            weight = torch.cat([weights[name.replace(".query.", f".{part}.")] for part in ("query", "key", "value")])
            name = name.replace(".query.", ".qkv.")
        for here, there in (NAMES | AUDIO_NAMES if name.startswith("audio_") else NAMES).items():
            name = name.replace(here, there)
        state[name] = weight.float() if weight.is_floating_point() else weight
    return state


def transformers_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of laion_clap's ``CLAP``, under the names of transformers' ``ClapModel``: :func:`laion_state` undone.

    What transformers has not is left out: a classifier, layers behind the projections, and what is computed from
    settings.
    """
    found = {}
    for name, weight in state.items():
        if name.startswith(NOT_IN_TRANSFORMERS) or name.endswith(".attn_mask"):
            continue
        names = NAMES | AUDIO_NAMES if name.startswith("audio_") else NAMES
        for here, there in reversed(names.items()):
            name = name.replace(there, here)
        if ".qkv." in name:
            for part, piece in zip(("query", "key", "value"), weight.chunk(3), strict=True):
                found[name.replace(".qkv.", f".{part}.")] = piece
        else:
            found[name] = weight
    return found


def export_laion(model: ClapModel, processor: ClapProcessor, folder: str | Path) -> None:
    """Write a CLAP of transformers in laion_clap's format.

    laion_clap has parts that transformers has not: a classifier on the audio tower, and layers behind the projections,
    for training. They are written as laion_clap initializes them, and no embedding depends on them.

    Parameters
    ----------
    model : ClapModel
        Whose weights are written, in float32; it is not changed.
    processor : ClapProcessor
        Its feature extractor and its tokenizer.
    folder : str or Path
        Where ``clap.pt``, ``laion.json``, ``config.json`` and the tokenizer are written.

    Raises
    ------
    ValueError
        If the model fuses crops of long clips, or its settings differ from those that laion_clap has written down.
    """
    folder, extractor = Path(folder), processor.feature_extractor
    check_written_down(model.config, extractor)
    settings = laion_settings(model.config, extractor)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the parts that transformers has not
        rest = build(settings, model.config, processor.tokenizer).model.state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.cpu() for name, weight in (rest | laion_state(model)).items()}
    torch.save({"epoch": 0, "name": NAME, "state_dict": weights}, folder / WEIGHTS)
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    model.config.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)


def check_written_down(config: ClapConfig, extractor: ClapFeatureExtractor) -> None:
    """Refuse a model that laion_clap computes otherwise than transformers does."""
    audio, text = config.audio_config, config.text_config
    for name, given, expected in (
        ("audio_config.enable_fusion", audio.enable_fusion, False),
        ("audio_config.layer_norm_eps", audio.layer_norm_eps, 1e-5),
        ("audio_config.hidden_act", audio.hidden_act, "gelu"),
        ("text_config.projection_hidden_act", text.projection_hidden_act, audio.projection_hidden_act),
        ("truncation of the feature extractor", extractor.truncation, "rand_trunc"),
        ("padding of the feature extractor", extractor.padding, "repeatpad"),
    ):
        if given != expected:
            raise ValueError(f"{name} is {given!r}, and laion_clap has {expected!r}: such a model is not exported.")


def build(settings: dict, config: ClapConfig, tokenizer: PreTrainedTokenizerBase) -> SmallCLAP:
    """A CLAP of laion_clap without its weights, on the CPU."""
    audio, text = config.audio_config, config.text_config
    towers = {
        "create_htsat_model": lambda *given: audio_tower(audio, *given),
        "RobertaModel": SimpleNamespace(from_pretrained=lambda _: RobertaModel(roberta(text))),
    }
    tokenizers = SimpleNamespace(from_pretrained=lambda _: tokenizer)
    with (
        warnings.catch_warnings(),
        patch.dict(factory._MODEL_CONFIGS, {NAME: settings}),
        patch.multiple(clap_model, **towers),
        patch.object(hook, "RobertaTokenizer", tokenizers),
    ):
        warnings.filterwarnings("ignore", "torch.meshgrid")
        clap = SmallCLAP(amodel=NAME, device="cpu")
    clap.model.text_projection[0] = torch.nn.Linear(text.hidden_size, config.projection_dim)
    return clap.eval()


def audio_tower(
    audio: ClapAudioConfig, settings, enable_fusion: bool, fusion_type: str
) -> htsat.HTSAT_Swin_Transformer:
    """laion_clap's audio tower, in the sizes of one of transformers."""
    return htsat.HTSAT_Swin_Transformer(
        spec_size=audio.spec_size,
        patch_size=audio.patch_size,
        patch_stride=tuple(audio.patch_stride),
        num_classes=audio.num_classes,
        embed_dim=audio.patch_embeds_hidden_size,
        depths=audio.depths,
        num_heads=audio.num_attention_heads,
        window_size=audio.window_size,
        mlp_ratio=audio.mlp_ratio,
        qkv_bias=audio.qkv_bias,
        patch_norm=audio.enable_patch_layer_norm,
        config=settings,
        enable_fusion=enable_fusion,
        fusion_type=fusion_type,
    )


def roberta(text: ClapTextConfig) -> RobertaConfig:
    return RobertaConfig(**{name: getattr(text, name) for name in ROBERTA})


def load_laion(folder: str | Path) -> SmallCLAP:
    """Load what :func:`export_laion` wrote into laion_clap, on the CPU.

    >>> clap = load_laion(folder)  # doctest: +SKIP
    >>> text_embedding = clap.get_text_embedding(["slow piano"])  # (texts, 512)  # doctest: +SKIP
    >>> audio_embedding = clap.get_audio_embedding_from_data(audio)  # (clips, 512)  # doctest: +SKIP

    Audio comes at the sample rate of the model, ``clap.model_cfg["audio_cfg"]["sample_rate"]``. laion_clap rounds it to
    16 bits, unless it is given tensors and ``use_tensor=True``.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the weights are damaged, or were not written by :func:`export_laion`.
    """
    folder = Path(folder)
    state = read(folder)
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    clap = build(settings, ClapConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    if state.keys() - {"text_branch.embeddings.position_ids"} != clap.model.state_dict().keys():
        raise ValueError(f"{folder / WEIGHTS} holds weights of another model: write it again with export_laion.")
    with redirect_stdout(io.StringIO()):
        clap.load_ckpt(folder / WEIGHTS, verbose=False)
    return clap


def untrained_published(amodel: str, tokenizer: PreTrainedTokenizerBase) -> CLAP_Module:
    """laion_clap's ``CLAP_Module`` as its authors built it, without its weights, on the CPU.

    It asks no hub for "roberta-base": the sizes of that are in ``RobertaConfig``, and the tokenizer is given.
    """
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
    with (
        warnings.catch_warnings(),
        patch.object(clap_model, "RobertaModel", SimpleNamespace(from_pretrained=lambda _: RobertaModel(config))),
        patch.object(hook, "RobertaTokenizer", SimpleNamespace(from_pretrained=lambda _: tokenizer)),
    ):
        warnings.filterwarnings("ignore", "torch.meshgrid")
        return CLAP_Module(enable_fusion=False, amodel=amodel, device="cpu").eval()


def load_published(ckpt: str | Path, tokenizer: PreTrainedTokenizerBase, amodel: str = "HTSAT-base") -> CLAP_Module:
    """Load a file of weights that the authors of laion_clap published, as ``CLAP_Module.load_ckpt`` does, on the CPU.

    The file is a pickle, which can run code: take it from ``checkpoint("laion-clap")``, which compares its hash.

    Parameters
    ----------
    ckpt : str or Path
        Such as music_audioset_epoch_15_esc_90.14.pt.
    tokenizer : PreTrainedTokenizerBase
        That of "roberta-base", which the published CLAP of transformers has too.
    amodel : str
        The authors' name for the size of the audio tower.
    """
    clap = untrained_published(amodel, tokenizer)
    with redirect_stdout(io.StringIO()):
        clap.load_ckpt(ckpt, verbose=False)
    return clap


def import_laion(folder: str | Path) -> ClapModel:
    """Load the weights in a folder of :func:`export_laion` into transformers, such as those trained on in laion_clap.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`load_laion`.
    """
    folder = Path(folder)
    weights = transformers_state(read(folder))
    model = ClapModel(ClapConfig.from_pretrained(folder))
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"text_model.embeddings.token_type_ids"}:
        raise ValueError(f"{folder / WEIGHTS} holds weights of another model: write it again with export_laion.")
    return model.eval()


def read(folder: Path) -> dict[str, torch.Tensor]:
    """The weights in a folder, read as plain data before laion_clap reads them as a pickle, which can run code."""
    for name in (WEIGHTS, SETTINGS, "config.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: write the folder with export_laion.")
    try:
        return torch.load(folder / WEIGHTS, weights_only=True)["state_dict"]
    except (EOFError, KeyError, RuntimeError, UnpicklingError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} is damaged, or was not written by export_laion: write it again. "
            "laion_clap's own checkpoints are loaded by its CLAP_Module."
        ) from error
