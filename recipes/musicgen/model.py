"""An untrained MusicGen around a trained codec and prompt encoder."""

from pathlib import Path

import torch
from transformers import BertModel, MusicgenConfig, MusicgenDecoderConfig, MusicgenForCausalLM
from transformers import MusicgenForConditionalGeneration as Musicgen

from musicwords.codec import SpectralCodec

WIDTH, LAYERS, HEADS, HIDDEN_UNITS = 256, 6, 4, 768
CONTEXT = 258  # steps of ten seconds: 250 frames, 7 more by the delay, and the first one
DROPOUT = 0.05


def new_model(codec: Path, prompt_encoder: Path) -> Musicgen:
    """A MusicGen whose decoder is untrained. Codec and prompt encoder stay as they are.

    Tokens begin as what they sound like: the entries of the codebooks, turned to the decoder's width by one matrix, so
    that the sum over the codebooks at a step is a picture of the frame.
    """
    audio_encoder = SpectralCodec.from_pretrained(codec, dtype=torch.float32)
    text_encoder = BertModel.from_pretrained(prompt_encoder, dtype=torch.float32)
    # The only one, as in the published codec of MusicGen: without a word, ``encode`` takes the first one.
    audio_encoder.config.target_bandwidths = audio_encoder.config.target_bandwidths[-1:]
    size, count = audio_encoder.config.codebook_size, audio_encoder.config.num_quantizers
    decoder_config = MusicgenDecoderConfig(
        vocab_size=size,
        num_codebooks=count,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        ffn_dim=HIDDEN_UNITS,
        max_position_embeddings=CONTEXT,
        dropout=DROPOUT,
        attention_dropout=0.0,
        activation_dropout=0.0,
        layerdrop=0.0,
        pad_token_id=size,
        bos_token_id=size,
        eos_token_id=None,
    )
    torch.manual_seed(0)
    decoder = MusicgenForCausalLM(decoder_config)
    entries = [layer.codebook.embed for layer in audio_encoder.quantizer.layers]
    turn = torch.nn.init.orthogonal_(torch.empty(WIDTH, entries[0].shape[1]))
    loudness = entries[0].std()
    with torch.no_grad():
        for embedding, entry in zip(decoder.model.decoder.embed_tokens, entries, strict=True):
            embedding.weight[:size].copy_((entry - entry.mean(dim=0)) @ turn.T / loudness * 0.2)
    for config in (audio_encoder.config, text_encoder.config):
        config._name_or_path = ""  # the folder that a part was read from
    model = Musicgen(
        config=MusicgenConfig(text_encoder=text_encoder.config, audio_encoder=audio_encoder.config,
                              decoder=decoder_config),
        text_encoder=text_encoder, audio_encoder=audio_encoder, decoder=decoder,
    )  # fmt: skip
    # Put together from parts, a decoder has no kind of attention chosen, and then no causal mask.
    model.decoder.set_attn_implementation("sdpa")
    for frozen in (model.text_encoder, model.audio_encoder):
        frozen.requires_grad_(False)
    return model


def trained_parts(model: Musicgen) -> list[tuple[str, torch.nn.Parameter]]:
    """Names and parameters of the decoder and of the projection of text states."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
