"""A MusicGen in audiocraft gives what it gives in transformers: logits, tokens, continuations."""

import shutil

import pytest
import torch
from run_notebooks import ROOT
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    EncodecConfig,
    EncodecModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForCausalLM,
    MusicgenForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from musicwords.codec import SpectralCodec, SpectralCodecConfig

pytestmark = pytest.mark.exact
CODEBOOKS, ENTRIES, WIDTH, FRAMES = 4, 32, 32, 12
TOLERANCE = 1e-4
OURS = pytest.mark.parametrize("folders", ["ours"], indirect=True, scope="module")
FILES = ("state_dict.bin", "compression_state_dict.bin")


def parts(kind: str, pieces: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Text encoder and codec: of the kinds of our model, or of those of the published one."""
    if kind == "ours":
        config = BertConfig(
            vocab_size=pieces, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=16, type_vocab_size=1,
        )  # fmt: skip
        codec = SpectralCodec(
            SpectralCodecConfig(width=16, codebook_size=ENTRIES, target_bandwidths=(0.125, 0.5), latents_std=[1.0] * 64)
        )
        return BertModel(config), codec
    config = T5Config(vocab_size=pieces, d_model=24, d_kv=12, d_ff=32, num_layers=1, num_heads=2)
    codec = EncodecModel(
        EncodecConfig(
            sampling_rate=32_000, target_bandwidths=[1.0], num_filters=4, hidden_size=16, codebook_size=ENTRIES,
            upsampling_ratios=[8, 5, 4, 4],
        )
    )  # fmt: skip
    return T5EncoderModel(config), codec


def untrained(kind: str, folder) -> None:
    """Write a small MusicGen in which no two weights are alike, not even those of the norms."""
    torch.manual_seed(0)
    tokenizer = BertTokenizer.from_pretrained(ROOT / "musicwords/data/checkpoints/clap", model_max_length=16)
    text_encoder, codec = parts(kind, len(tokenizer))
    decoder_config = MusicgenDecoderConfig(
        vocab_size=ENTRIES, num_codebooks=CODEBOOKS, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4,
        ffn_dim=3 * WIDTH, max_position_embeddings=64, pad_token_id=ENTRIES, bos_token_id=ENTRIES, eos_token_id=None,
    )  # fmt: skip
    config = MusicgenConfig(text_encoder=text_encoder.config, audio_encoder=codec.config, decoder=decoder_config)
    decoder = MusicgenForCausalLM(decoder_config)
    model = MusicgenForConditionalGeneration(config, text_encoder, codec, decoder)
    for name, parameter in model.named_parameters():
        if not name.startswith("audio_encoder"):
            parameter.data += 0.2 * torch.randn_like(parameter)
    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_(std=0.02)  # as small as what an untrained encoder gives
    model.generation_config.update(decoder_start_token_id=ENTRIES, pad_token_id=ENTRIES, bos_token_id=ENTRIES)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module", params=["ours", "published"])
def folders(request, tmp_path_factory):
    """The same model as transformers keeps it and as audiocraft does."""
    from musicwords.audiocraft_format import export_audiocraft

    folder = tmp_path_factory.mktemp(request.param)
    untrained(request.param, folder / "transformers")
    model = MusicgenForConditionalGeneration.from_pretrained(folder / "transformers")
    assert model.dtype == torch.float16
    tokenizer = AutoTokenizer.from_pretrained(folder / "transformers")
    export_audiocraft(model, tokenizer, folder / "audiocraft", seconds=2)
    assert model.dtype == torch.float16
    return folder / "transformers", folder / "audiocraft"


@pytest.fixture(scope="module")
def ours(folders):
    return MusicgenForConditionalGeneration.from_pretrained(folders[0], dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(folders):
    return AutoTokenizer.from_pretrained(folders[0])


@pytest.fixture(scope="module")
def theirs(folders):
    from musicwords.audiocraft_format import load_audiocraft

    return load_audiocraft(folders[1])


@torch.inference_mode()
def difference(ours, tokenizer, theirs, prompts: list[str | None]) -> float:
    """Largest difference of the logits of both for random codes; ``None`` is no prompt."""
    from audiocraft.modules.conditioners import ConditioningAttributes

    codes = torch.randint(ENTRIES, (len(prompts), CODEBOOKS, FRAMES), generator=torch.Generator().manual_seed(1))
    pattern = theirs.lm.pattern_provider.get_pattern(FRAMES)
    steps, _, _ = pattern.build_pattern_sequence(codes, special_token=ENTRIES)
    found = theirs.lm(steps, [ConditioningAttributes(text={"description": prompt}) for prompt in prompts])

    inputs = tokenizer([prompt or "" for prompt in prompts], padding=True, truncation=True, return_tensors="pt")
    prompted = torch.tensor([prompt is not None for prompt in prompts])[:, None]
    states = ours.text_encoder(**inputs)
    states.last_hidden_state = states.last_hidden_state * prompted[..., None]
    mask = inputs["attention_mask"] * prompted
    logits = ours(encoder_outputs=states, attention_mask=mask, decoder_input_ids=steps.flatten(0, 1)).logits
    assert logits.std() > 0.5
    return (found - logits.view_as(found)).abs().max().item()


@pytest.mark.parametrize(
    "prompts",
    [["slow piano"], [None], [""], ["fast", "a loud choir with drums", None, "", "much longer than can be read " * 9]],
    ids=["one", "none", "empty", "batch"],
)
def test_logits_are_those_of_transformers(ours, tokenizer, theirs, prompts):
    assert difference(ours, tokenizer, theirs, prompts) < TOLERANCE


LAYER = "transformer.layers.0"
SWAPS = [
    (f"{LAYER}.norm1.weight", f"{LAYER}.norm2.weight"),
    (f"{LAYER}.norm1.bias", f"{LAYER}.norm_cross.bias"),
    (f"{LAYER}.self_attn.in_proj_weight", f"{LAYER}.cross_attention.in_proj_weight"),
    (f"{LAYER}.self_attn.out_proj.weight", "transformer.layers.1.self_attn.out_proj.weight"),
    ("emb.0.weight", "emb.1.weight"),
    ("linears.2.weight", "linears.3.weight"),
]


@OURS
@pytest.mark.parametrize(("one", "other"), SWAPS)
def test_a_swapped_weight_is_seen(ours, tokenizer, theirs, one, other):
    right = {name: weight.clone() for name, weight in theirs.lm.state_dict().items()}
    theirs.lm.load_state_dict(right | {one: right[other], other: right[one]})
    try:
        assert difference(ours, tokenizer, theirs, ["slow piano"]) > 100 * TOLERANCE
    finally:
        theirs.lm.load_state_dict(right)


@OURS
def test_keys_in_the_place_of_queries_are_seen(ours, tokenizer, theirs):
    for attention in ("self_attn", "cross_attention"):
        weight = getattr(theirs.lm.transformer.layers[1], attention).in_proj_weight.data
        right = weight.clone()
        weight.copy_(torch.cat([right[WIDTH : 2 * WIDTH], right[:WIDTH], right[2 * WIDTH :]]))
        try:
            assert difference(ours, tokenizer, theirs, ["slow piano"]) > 10 * TOLERANCE
        finally:
            weight.copy_(right)


@OURS
def test_positions_are_those_of_transformers(ours, theirs):
    from audiocraft.modules.transformer import create_sin_embedding

    weights = ours.decoder.model.decoder.embed_positions.weights
    positions = torch.arange(len(weights))[None, :, None]
    found = create_sin_embedding(positions, WIDTH, max_period=theirs.lm.transformer.max_period)[0]
    assert torch.allclose(found, weights, rtol=0, atol=1e-5)
    assert theirs.lm.transformer.positional_scale == 1


def test_greedy_tokens_and_sound_are_those_of_transformers(ours, tokenizer, theirs, monkeypatch):
    tokens, decode = [], ours.audio_encoder.decode
    monkeypatch.setattr(
        ours.audio_encoder, "decode", lambda codes, *rest, **more: tokens.append(codes) or decode(codes, *rest, **more)
    )
    prompts = ["slow piano", "fast and loud drums with a choir"]
    inputs = tokenizer(prompts, padding=True, return_tensors="pt")
    steps = 20 + CODEBOOKS - 1
    audio = ours.generate(**inputs, do_sample=False, guidance_scale=3.0, max_new_tokens=steps)
    theirs.set_generation_params(use_sampling=False, cfg_coef=3.0, duration=20 / theirs.frame_rate)
    their_audio, their_tokens = theirs.generate(prompts, return_tokens=True)
    assert torch.equal(their_tokens, tokens[0][0])
    assert len(their_tokens.unique()) > CODEBOOKS
    assert torch.allclose(their_audio, audio, atol=1e-5)


def test_codec_is_that_of_transformers(ours, theirs):
    torch.manual_seed(0)
    audio = 0.1 * torch.randn(2, 1, theirs.sample_rate)
    codes, scale = theirs.compression_model.encode(audio)
    assert scale is None
    bandwidth = ours.config.audio_encoder.target_bandwidths[-1]
    assert torch.equal(codes, ours.audio_encoder.encode(audio, bandwidth=bandwidth).audio_codes[0])
    assert codes.shape[1] == theirs.compression_model.num_codebooks == CODEBOOKS
    assert len(codes.unique()) >= CODEBOOKS


def test_continuation_begins_with_what_it_is_given(theirs):
    torch.manual_seed(0)
    given = 0.1 * torch.randn(1, 1, theirs.sample_rate // 5)
    theirs.set_generation_params(duration=0.4, top_k=10)
    audio, tokens = theirs.generate_continuation(given, theirs.sample_rate, ["slow piano"], return_tokens=True)
    codes, _ = theirs.compression_model.encode(given)
    assert torch.equal(tokens[..., : codes.shape[2]], codes)
    assert tokens.shape[2] == int(0.4 * theirs.frame_rate)
    assert audio.shape[2] == pytest.approx(0.4 * theirs.sample_rate)
    assert torch.isfinite(audio).all()


@OURS
def test_longer_music_is_made_in_strides(theirs):
    assert theirs.max_duration == 2
    theirs.set_generation_params(duration=2.6, top_k=10)
    assert theirs.extend_stride == pytest.approx(1.2)
    assert theirs.generate_unconditional(1).shape == (1, 1, 2.6 * theirs.sample_rate)


@OURS
def test_files_are_plain_data(folders):
    for name in FILES:
        saved = torch.load(folders[1] / name, weights_only=True)
        assert {"xp.cfg", "best_state"} <= saved.keys()
        assert isinstance(saved["xp.cfg"], str)
        assert "/" not in saved["xp.cfg"]  # no path of where the model came from
        assert all(weight.dtype in (torch.float32, torch.int64, torch.bool) for weight in saved["best_state"].values())


@pytest.fixture
def damaged(folders, tmp_path):
    return shutil.copytree(folders[1], tmp_path / "copy")


@OURS
@pytest.mark.parametrize("name", [*FILES, "tokenizer.json"])
def test_missing_file_is_named(damaged, name):
    from musicwords.audiocraft_format import load_audiocraft

    (damaged / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"copy/{name} is missing: write the folder with export_audiocraft"):
        load_audiocraft(damaged)


@OURS
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["empty", "half", "text", "other", "weight"])
def test_damaged_file_is_named(damaged, name, content):
    from musicwords.audiocraft_format import load_audiocraft

    path = damaged / name
    if content == "other":
        shutil.copy(damaged / FILES[1 - FILES.index(name)], path)
    elif content == "weight":
        saved = torch.load(path, weights_only=True)
        saved["best_state"].popitem()
        torch.save(saved, path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"version https://"}[content])
    with pytest.raises(ValueError, match=rf"copy/{name} is damaged, or was not written by export_audiocraft"):
        load_audiocraft(damaged)


@OURS
def test_what_cannot_be_exported_is_refused(folders, tokenizer, tmp_path):
    from musicwords.audiocraft_format import export_audiocraft

    model = MusicgenForConditionalGeneration.from_pretrained(folders[0])
    model.config.decoder.audio_channels = 2
    with pytest.raises(ValueError, match="2 channels: only mono models are exported"):
        export_audiocraft(model, tokenizer, tmp_path / "out")
    model.config.decoder.audio_channels = 1
    del model.enc_to_dec_proj
    with pytest.raises(ValueError, match=f"text states as wide as its decoder, {WIDTH}, and no projection"):
        export_audiocraft(model, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()
