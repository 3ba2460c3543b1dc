"""A CLAP in laion_clap gives what it gives in transformers: embeddings of audio and text, and the weights back."""

import json
import shutil
from unittest.mock import patch

import librosa
import numpy as np
import pytest
import soundfile
import torch
from run_notebooks import ROOT
from transformers import BertTokenizer, ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaModel

pytestmark = pytest.mark.exact
TOLERANCE = 1e-5
FILES = ("clap.pt", "laion.json", "config.json")
TEXTS = ["slow piano", "", "fast and loud drums with a choir", "much longer than can be read " * 20]


def processor(kind: str) -> ClapProcessor:
    """Extractor of the kind of our model, or of the published one; the tokenizer is ours."""
    tokenizer = BertTokenizer.from_pretrained(ROOT / "musicwords/data/checkpoints/clap", model_max_length=16)
    settings = {"truncation": "rand_trunc", "padding": "repeatpad"}
    if kind == "ours":
        settings |= {
            "feature_size": 32, "sampling_rate": 8_000, "hop_length": 128, "fft_window_size": 256, "max_length_s": 2,
            "frequency_min": 30, "frequency_max": 4_000,
        }  # fmt: skip
    else:
        settings |= {"feature_size": 64, "frequency_min": 50, "frequency_max": 14_000}
    return ClapProcessor(ClapFeatureExtractor(**settings), tokenizer)


def untrained(kind: str, pieces: int) -> ClapModel:
    """A small CLAP in which no two weights are alike; the published kind has the sizes of laion_clap's HTSAT-tiny."""
    torch.manual_seed(0)
    text = {
        "vocab_size": pieces, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 18, "pad_token_id": 0, "projection_dim": 16,
    }  # fmt: skip
    audio = {
        "spec_size": 64, "num_mel_bins": 32, "patch_size": 8, "patch_stride": [4, 4], "patch_embeds_hidden_size": 12,
        "depths": [2, 2], "num_attention_heads": [2, 4], "window_size": 4, "hidden_size": 24, "num_classes": 3,
        "projection_dim": 16,
    }  # fmt: skip
    if kind == "published":
        text |= {"hidden_size": 768, "num_attention_heads": 12, "projection_dim": 512}
        audio |= {
            "spec_size": 256, "num_mel_bins": 64, "patch_size": 4, "patch_embeds_hidden_size": 96,
            "depths": [2, 2, 6, 2], "num_attention_heads": [4, 8, 16, 32], "window_size": 8, "hidden_size": 768,
            "num_classes": 527, "projection_dim": 512,
        }  # fmt: skip
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=text["projection_dim"])
    model = ClapModel(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    norm = model.audio_model.audio_encoder.batch_norm
    norm.running_mean.uniform_(-50, -30)
    norm.running_var.uniform_(100, 400)
    return model


class Pair:
    """The same model in both libraries, and the folder between them."""

    def __init__(self, kind: str, folder):
        from musicwords.laion_format import export_laion, load_laion

        self.processor = processor(kind)
        self.ours = untrained(kind, len(self.processor.tokenizer))
        self.folder = folder
        export_laion(self.ours, self.processor, folder)
        self.theirs = load_laion(folder)

    @torch.inference_mode()
    def our_audio(self, audio: list[np.ndarray]) -> torch.Tensor:
        extractor = self.processor.feature_extractor
        inputs = extractor(audio, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        return self.ours.get_audio_features(**inputs).pooler_output

    @torch.inference_mode()
    def our_text(self, texts: list[str]) -> torch.Tensor:
        inputs = self.processor.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return self.ours.get_text_features(**inputs).pooler_output

    def noise(self, *seconds: float) -> list[np.ndarray]:
        rate, generator = self.processor.feature_extractor.sampling_rate, np.random.default_rng(0)
        return [generator.uniform(-0.3, 0.3, round(rate * s)).astype(np.float32) for s in seconds]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return Pair("ours", tmp_path_factory.mktemp("ours"))


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return (found - expected).abs().max().item()


def test_embeddings_of_audio_are_those_of_transformers(pair):
    audio = pair.noise(2, 0.7, 0.4, 1.999)
    found = pair.theirs.get_audio_embedding_from_data([torch.from_numpy(a) for a in audio], use_tensor=True)
    expected = pair.our_audio(audio)
    assert largest(found.detach(), expected) < TOLERANCE
    assert (expected[:, None] - expected).abs().amax(2)[~torch.eye(4, dtype=bool)].min() > 100 * TOLERANCE


def test_embeddings_of_text_are_those_of_transformers(pair):
    expected = pair.our_text(TEXTS)
    assert largest(torch.from_numpy(pair.theirs.get_text_embedding(TEXTS)), expected) < TOLERANCE
    assert (expected[:, None] - expected).abs().amax(2)[~torch.eye(4, dtype=bool)].min() > 100 * TOLERANCE


def test_our_checkpoint_is_the_same_in_both(tmp_path):
    from musicwords.clips import load_audio, load_clips
    from musicwords.laion_format import export_laion, load_laion

    folder = ROOT / "musicwords/data/checkpoints/clap"
    ours, prepared = ClapModel.from_pretrained(folder).eval(), ClapProcessor.from_pretrained(folder)
    export_laion(ours, prepared, tmp_path)
    theirs, clips = load_laion(tmp_path), load_clips().select(range(6))
    rate = prepared.feature_extractor.sampling_rate
    audio = [load_audio(clip["audio"]["path"], rate)[: 10 * rate] for clip in clips]
    texts = [clip["captions"]["sentence"] for clip in clips]
    with torch.inference_mode():
        heard = ours.get_audio_features(**prepared.feature_extractor(audio, sampling_rate=rate, return_tensors="pt"))
        read = ours.get_text_features(**prepared.tokenizer(texts, padding=True, truncation=True, return_tensors="pt"))
        found = theirs.get_audio_embedding_from_data([torch.from_numpy(a) for a in audio], use_tensor=True)
    assert largest(found, heard.pooler_output) < TOLERANCE
    assert largest(torch.from_numpy(theirs.get_text_embedding(texts)), read.pooler_output) < TOLERANCE


def test_a_longer_clip_is_cropped_at_the_same_place(pair):
    audio = pair.noise(3)
    np.random.seed(3)  # noqa: NPY002, both libraries draw from it
    found = pair.theirs.get_audio_embedding_from_data([torch.from_numpy(audio[0])], use_tensor=True)
    np.random.seed(3)  # noqa: NPY002
    assert largest(found.detach(), pair.our_audio(audio)) < TOLERANCE


def test_arrays_and_files_are_rounded_to_16_bits(pair, tmp_path):
    rate = pair.processor.feature_extractor.sampling_rate
    audio = pair.noise(2, 1)
    paths = [tmp_path / f"{i}.wav" for i in range(2)]
    for path, samples in zip(paths, audio, strict=True):
        soundfile.write(path, samples, rate, subtype="FLOAT")
    rounded = [(np.clip(samples, -1, 1) * 32767).astype(np.int16) / np.float32(32767) for samples in audio]
    for found in (
        pair.theirs.get_audio_embedding_from_data(audio),
        pair.theirs.get_audio_embedding_from_filelist(paths),
    ):
        assert largest(torch.from_numpy(found), pair.our_audio(rounded)) < TOLERANCE


def test_files_of_another_rate_are_resampled(pair, tmp_path):
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, 22_050).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", audio, 22_050, subtype="FLOAT")
    found = pair.theirs.get_audio_embedding_from_filelist([tmp_path / "a.wav"], use_tensor=True)
    rate = pair.processor.feature_extractor.sampling_rate
    expected = pair.our_audio([librosa.resample(audio, orig_sr=22_050, target_sr=rate)])
    assert largest(found.detach(), expected) < 1e-3  # of 16 bits


@pytest.mark.weekly
def test_the_published_sizes_need_no_class_of_ours(tmp_path):
    """laion_clap's own ``CLAP_Module`` loads its own sizes; only the tower and tokenizer of the hub are replaced."""
    from laion_clap import CLAP_Module, hook

    made = Pair("published", tmp_path)
    tower = RobertaModel(made.theirs.model.text_branch.config)
    with (
        patch.object(RobertaModel, "from_pretrained", lambda _: tower),
        patch.object(hook.RobertaTokenizer, "from_pretrained", lambda _: made.processor.tokenizer),
    ):
        clap = CLAP_Module(amodel="HTSAT-tiny", device="cpu")
    clap.load_ckpt(tmp_path / "clap.pt", verbose=False)
    audio = made.noise(10, 3)
    found = clap.get_audio_embedding_from_data([torch.from_numpy(a) for a in audio], use_tensor=True)
    assert largest(found.detach(), made.our_audio(audio)) < TOLERANCE
    texts = TEXTS[:3]
    assert largest(torch.from_numpy(clap.get_text_embedding(texts)), made.our_text(texts)) < TOLERANCE


def test_weights_come_back(pair):
    from musicwords.laion_format import import_laion

    back = import_laion(pair.folder).state_dict()
    for name, weight in pair.ours.state_dict().items():
        assert torch.equal(back[name], weight), name


ATTENTION = "text_branch.encoder.layer.0.attention.self"
SWAPS = [
    ("audio_branch.layers.0.blocks.0.norm1.weight", "audio_branch.layers.0.blocks.0.norm2.weight"),
    ("audio_branch.layers.0.blocks.0.attn.qkv.weight", "audio_branch.layers.0.blocks.1.attn.qkv.weight"),
    ("audio_branch.layers.1.blocks.0.attn.proj.weight", "audio_branch.layers.1.blocks.1.attn.proj.weight"),
    ("audio_branch.bn0.weight", "audio_branch.bn0.bias"),
    ("audio_projection.2.weight", "text_projection.2.weight"),
    (
        "text_branch.encoder.layer.0.attention.self.query.weight",
        "text_branch.encoder.layer.0.attention.self.key.weight",
    ),
]


@pytest.mark.parametrize(("one", "other"), SWAPS)
def test_a_swapped_weight_is_seen(pair, one, other):
    model = pair.theirs.model
    right = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(right | {one: right[other], other: right[one]})
    audio = pair.noise(2)
    try:
        heard = pair.theirs.get_audio_embedding_from_data([torch.from_numpy(audio[0])], use_tensor=True).detach()
        read = torch.from_numpy(pair.theirs.get_text_embedding(TEXTS[:1]))
    finally:
        model.load_state_dict(right)
    assert max(largest(heard, pair.our_audio(audio)), largest(read, pair.our_text(TEXTS[:1]))) > 10 * TOLERANCE


def test_export_is_plain_data_and_always_the_same(pair, tmp_path):
    from musicwords.laion_format import export_laion

    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    export_laion(pair.ours, pair.processor, tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    first, second = (torch.load(folder / "clap.pt", weights_only=True) for folder in (pair.folder, tmp_path))
    assert first["state_dict"].keys() == second["state_dict"].keys()
    assert all(torch.equal(second["state_dict"][name], weight) for name, weight in first["state_dict"].items())
    assert "/" not in (tmp_path / "config.json").read_text(encoding="utf-8")  # no path of where it came from


def test_nothing_of_laion_clap_stays_replaced(pair, tmp_path):
    import transformers
    from clap_module import factory, htsat, model
    from laion_clap import hook

    assert model.create_htsat_model is htsat.create_htsat_model
    assert model.RobertaModel is transformers.RobertaModel
    assert hook.RobertaTokenizer is transformers.RobertaTokenizer
    assert hook.librosa is librosa
    assert "mini" not in factory._MODEL_CONFIGS


@pytest.fixture
def damaged(pair, tmp_path):
    return shutil.copytree(pair.folder, tmp_path / "copy")


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(damaged, name):
    from musicwords.laion_format import import_laion, load_laion

    (damaged / name).unlink()
    for load in (load_laion, import_laion):
        with pytest.raises(FileNotFoundError, match=rf"copy/{name} is missing: write the folder with export_laion"):
            load(damaged)


@pytest.mark.parametrize("content", ["empty", "half", "text", "other", "code", "weight"])
def test_damaged_weights_are_named(damaged, content):
    from musicwords.laion_format import import_laion, load_laion

    path = damaged / "clap.pt"
    whole = path.read_bytes()
    if content == "other":
        torch.save({"weights": {}}, path)
    elif content == "code":
        torch.save({"state_dict": ClapConfig()}, path)
    elif content == "weight":
        saved = torch.load(path, weights_only=True)
        del saved["state_dict"]["text_projection.0.weight"]
        torch.save(saved, path)
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"version https://"}[content])
    problem = "holds weights of another model" if content == "weight" else "is damaged, or was not written by export_l"
    for load in (load_laion, import_laion):
        with pytest.raises(ValueError, match=rf"copy/clap\.pt {problem}"):
            load(damaged)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("audio", "enable_fusion", True),
        ("audio", "hidden_act", "relu"),
        ("text", "projection_hidden_act", "gelu"),
        ("extractor", "truncation", "fusion"),
        ("extractor", "padding", "pad"),
    ],
)
def test_what_laion_clap_computes_otherwise_is_refused(pair, tmp_path, where, name, value):
    from musicwords.laion_format import export_laion

    config = pair.ours.config
    holder = {"audio": config.audio_config, "text": config.text_config, "extractor": pair.processor.feature_extractor}
    right = getattr(holder[where], name)
    setattr(holder[where], name, value)
    try:
        place = f"{name} of the feature extractor" if where == "extractor" else f"{where}_config.{name}"
        with pytest.raises(ValueError, match=f"{place} is {value!r}, and laion_clap has"):
            export_laion(pair.ours, pair.processor, tmp_path / "out")
    finally:
        setattr(holder[where], name, right)
    assert not (tmp_path / "out").exists()


def test_settings_are_those_of_laion_clap(pair):
    """Our file has the keys of laion_clap's own model configurations."""
    from clap_module import factory

    ours, theirs = json.loads((pair.folder / "laion.json").read_text()), factory._MODEL_CONFIGS["HTSAT-tiny"]
    assert theirs.keys() <= ours.keys()
    assert ours["audio_cfg"].keys() == theirs["audio_cfg"].keys()
    assert ours["text_cfg"].keys() == theirs["text_cfg"].keys()
