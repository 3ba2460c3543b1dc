"""An untrained pipeline around a trained codec and prompt encoder."""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableAudioDiTModel
from transformers import BertModel, BertTokenizer

from musicwords.codec import SpectralCodec
from musicwords.diffusion import PATCH, TextToMusicPipeline

WIDTH, LAYERS, HEADS = 256, 5, 4
LEVEL_WIDTH = 128  # numbers that tell the denoiser how noisy latents are
SECONDS = 10


def new_transformer(channels: int, tokens: int, text_width: int) -> StableAudioDiTModel:
    """An untrained denoiser: it begins as one that predicts little, whose blocks change nothing.

    Parameters
    ----------
    channels : of a token, which is ``PATCH`` latents
    tokens : of a clip
    text_width : of the states of the prompt
    """
    torch.manual_seed(0)
    transformer = StableAudioDiTModel(
        sample_size=tokens,
        in_channels=channels,
        out_channels=channels,
        num_layers=LAYERS,
        attention_head_dim=WIDTH // HEADS,
        num_attention_heads=HEADS,
        num_key_value_attention_heads=HEADS,
        cross_attention_dim=text_width,
        cross_attention_input_dim=text_width,
        global_states_input_dim=text_width,
        time_proj_dim=LEVEL_WIDTH,
    )
    # As in the training code of Stable Audio Open: what writes to the residual stream starts at zero.
    for block in transformer.transformer_blocks:
        for last in (block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[-1]):
            torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(block.ff.net[-1].bias)
    for convolution in (transformer.preprocess_conv, transformer.postprocess_conv):
        torch.nn.init.zeros_(convolution.weight)
    return transformer


def new_scheduler() -> DDIMScheduler:
    """A noise schedule that ends in pure noise, for v-prediction."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


def new_pipeline(codec: Path, prompt_encoder: Path) -> TextToMusicPipeline:
    """A pipeline whose denoiser is untrained. Codec and prompt encoder stay as they are."""
    audio_encoder = SpectralCodec.from_pretrained(codec, dtype=torch.float32).eval()
    text_encoder = BertModel.from_pretrained(prompt_encoder, dtype=torch.float32).eval()
    for frozen in (audio_encoder, text_encoder):
        frozen.requires_grad_(False)
        frozen.config._name_or_path = ""  # the folder that a part was read from
    config = audio_encoder.config
    tokens = SECONDS * config.sampling_rate // (config.hop_length * PATCH)
    return TextToMusicPipeline(
        tokenizer=BertTokenizer.from_pretrained(prompt_encoder),
        text_encoder=text_encoder,
        transformer=new_transformer(PATCH * config.hidden_size, tokens, text_encoder.config.hidden_size),
        codec=audio_encoder,
        scheduler=new_scheduler(),
    )
