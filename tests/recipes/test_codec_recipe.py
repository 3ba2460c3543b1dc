"""The recipe of the codec on a few made-up sounds: training that can be interrupted, export, metrics, evaluation."""

import io
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from resumed import RESUMED, interrupt, same_curve
from transformers import AutoFeatureExtractor, AutoModel

from musicwords.codec import SpectralCodec, SpectralCodecConfig

for module in ("music21", "tinysoundfont", "vector_quantize_pytorch"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")


RATE, SECONDS = 16_000, 2
PITCHES = {"flute": 880.0, "cello": 110.0}


def small_config() -> SpectralCodecConfig:
    return SpectralCodecConfig(width=24, encoder_blocks=1, decoder_blocks=1, expansion=2, codebook_size=16,
                               target_bandwidths=[0.1, 0.2])  # fmt: skip


def tone(pitch: float, seconds: float = SECONDS) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * pitch * time) * (0.2 + np.exp(-(time % 0.5) * 8))).astype(np.float32)


def strokes(every: float) -> np.ndarray:
    """Noise that dies away, again and again."""
    time = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.2, len(time))
    return (noise * np.exp(-(time % every) * 30)).astype(np.float32)


@pytest.fixture(scope="module")
def records() -> list[dict]:
    found = []
    for split, count in {"train": 16, "validation": 4, "test": 6, "font": 4, "recordings": 3}.items():
        for index in range(count):
            instrument, percussion = list(PITCHES)[index % 2], index % 4 < 3
            names = [instrument, *(["drums"] if percussion else [])]
            found.append({"id": f"{split}-{index}", "split": split, "work": f"{split} {index // 2}",
                          "file_name": f"clips/{split}-{index}.flac",
                          "attributes": {"instruments": names, "percussion": percussion}})  # fmt: skip
    return found


@pytest.fixture(scope="module")
def corpus(records, tmp_path_factory):
    """A folder with a clip of each record: tones, and strokes where there is percussion."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "clips").mkdir()
    for number, record in enumerate(records):
        audio = tone(PITCHES[record["attributes"]["instruments"][0]] * (1 + number / 100))
        if record["attributes"]["percussion"]:
            audio = audio + strokes(0.25)
        soundfile.write(folder / record["file_name"], audio, RATE)
    return folder


@pytest.fixture(scope="module")
def sounds(records, corpus):
    """Samples of the training clips and of the validation clips."""
    from recipes.codec.audio import samples_of

    return [samples_of([corpus / record["file_name"] for record in records if record["split"] == split])
            for split in ("train", "validation")]  # fmt: skip


@pytest.fixture(scope="module")
def trainer(sounds, tmp_path_factory):
    """Makes trainers of four short steps with two checks, in a folder by name."""
    from recipes.codec.training import Settings, Trainer

    root = tmp_path_factory.mktemp("training")

    def make(name: str) -> Trainer:
        (root / name).mkdir(exist_ok=True)
        settings = Settings(steps=6, batch=4, seconds=0.52, warm_up=2, unquantized=2, every=3)  # 13 frames
        clips, validation = sounds
        return Trainer(root / name, clips, np.tile(validation, 3), settings, small_config())

    return make


@pytest.fixture(scope="module")
def made(trainer, sounds, tmp_path_factory):
    """The folder of a codec that was trained for a moment."""
    from recipes.codec.encode import latent_statistics
    from recipes.codec.export import export

    training = trainer("made")
    model = training.run()
    model.config.latents_mean, model.config.latents_std = latent_statistics(model, sounds[0])
    folder = tmp_path_factory.mktemp("made")
    export(model, training.folder / "curve.csv", folder)
    return folder


def test_an_interrupted_training_goes_on_to_the_same_weights(trainer):
    whole = trainer("whole")
    first = whole.run()

    interrupt(trainer("broken"), 1)
    again = trainer("broken")
    second = again.run()
    torch.testing.assert_close(second.state_dict(), first.state_dict(), rtol=RESUMED, atol=RESUMED)
    assert [row["step"] for row in again.curve] == [3, 6]
    assert same_curve(again.curve, whole.curve)


def test_trained_codebooks_are_those_of_the_codec(trainer):
    training = trainer("codebooks")
    codec = training.run()
    audio = training.validation[:2, None]
    with torch.inference_mode():
        latents = codec.encoder(audio)
        _, indices, _ = training.codebooks(latents.transpose(1, 2))
        codes = codec.encode(audio, bandwidth=0.2).audio_codes[0]
    assert torch.equal(codes, indices.transpose(1, 2))
    assert codec.quantizer.layers[0].codebook.embed.abs().sum() > 0


def test_the_exported_folder_is_the_same_after_save_and_reload(made, sounds, tmp_path):
    from recipes.codec.audio import as_float

    codec = AutoModel.from_pretrained(made).eval()
    assert isinstance(codec, SpectralCodec) and codec.dtype == torch.float32
    assert len(codec.config.latents_mean) == len(codec.config.latents_std) == 64
    assert {path.name for path in made.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "curve.csv"}  # fmt: skip
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in made.iterdir())
    assert AutoFeatureExtractor.from_pretrained(made).sampling_rate == RATE
    codec.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    audio = torch.from_numpy(as_float(sounds[0][:3]))[:, None]
    with torch.inference_mode():
        one, other = codec(audio, bandwidth=0.2), again(audio, bandwidth=0.2)
    assert torch.equal(one.audio_codes, other.audio_codes)
    torch.testing.assert_close(one.audio_values, other.audio_values)


def test_the_shipped_size_is_small(tmp_path):
    from recipes.codec.export import export

    (tmp_path / "curve.csv").write_text("step\n1\n")
    export(SpectralCodec(SpectralCodecConfig()), tmp_path / "curve.csv", tmp_path / "codec")
    assert sum(path.stat().st_size for path in (tmp_path / "codec").iterdir()) < 10e6


def test_entering_names_the_published_codec(made, tmp_path, monkeypatch):
    from recipes.codec.export import enter
    from recipes.common import registration

    shutil.copy(registration.REGISTRY, tmp_path / "registry.json")
    monkeypatch.setattr(registration, "REGISTRY", tmp_path / "registry.json")
    enter(made)
    entry = json.loads((tmp_path / "registry.json").read_text())["codec"]
    assert entry["argument"] == "pretrained_model_name_or_path" and entry["licence"] == "MIT"
    assert set(entry["mini"]["sha256"]) == {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert entry["full"]["repository"] == "facebook/encodec_32khz" and len(entry["full"]["revision"]) == 40


def test_encoded_clips_are_what_the_codec_gives(made, records, corpus):
    from recipes.codec.encode import encode

    paths = [corpus / record["file_name"] for record in records[:3]]
    rows = encode(paths, made)
    assert rows.shape == (3, 50, 64 + 2) and rows.dtype == np.float16
    codec = AutoModel.from_pretrained(made).eval()
    audio = torch.from_numpy(soundfile.read(paths[1], dtype="float32")[0])[None, None]
    with torch.inference_mode():
        np.testing.assert_array_equal(rows[1, :, 64:].T, codec.encode(audio, bandwidth=0.2).audio_codes[0, 0])
        np.testing.assert_allclose(rows[1, :, :64].T, codec.encoder(audio)[0], rtol=1e-3, atol=1e-3)


def test_metrics_of_the_same_sound_are_perfect():
    from recipes.codec.metrics import measures

    np.testing.assert_allclose(measures(tone(440), tone(440)), [0, 1, 1], atol=1e-6)


def test_metrics_tell_what_differs():
    from recipes.codec.metrics import chroma_correlation, log_mel_distance, onset_correlation

    assert chroma_correlation(tone(440), tone(880)) > 0.9 > 0.3 > chroma_correlation(tone(440), tone(440 * 2**0.5))
    assert onset_correlation(strokes(0.25), strokes(0.25) * 0.5) > 0.9
    assert onset_correlation(strokes(0.25), strokes(0.4)) < 0.5
    near, far = log_mel_distance(tone(440), 0.9 * tone(440)), log_mel_distance(tone(440), strokes(0.25))
    assert 0 < near < 0.1 < far


def test_silence_has_a_distance_and_no_correlation():
    from recipes.codec.metrics import measures

    silence = np.zeros(SECONDS * RATE, np.float32)
    distance, chroma, onsets = measures(tone(440), silence)
    assert distance > 0 and np.isnan(chroma) and np.isnan(onsets)


def test_low_pass_takes_what_is_above():
    from recipes.codec.baselines import low_pass

    time = np.arange(SECONDS * RATE) / RATE
    clips = np.stack([np.sin(2 * np.pi * pitch * time) for pitch in (500, 4_000)])
    made, _ = low_pass(clips)
    assert made.shape == clips.shape and made.dtype == np.float32
    np.testing.assert_allclose(made[0, 4_000:-4_000], clips[0, 4_000:-4_000], atol=0.01)
    assert np.abs(made[1, 4_000:-4_000]).max() < 0.001


def test_baselines_keep_the_shape_and_say_their_rate():
    from recipes.codec.baselines import BASELINES

    clips = np.stack([tone(440), strokes(0.25) + tone(220)])
    rates = {}
    for name, method in BASELINES.items():
        made, rate = method(clips)
        assert made.shape == clips.shape and made.dtype == np.float32 and rate.shape == (2,), name
        rates[name] = rate
    assert (rates["original, 16 bits"] == 256).all()
    assert np.isnan(rates["low-pass at 2 kHz"]).all() and np.isnan(rates["Griffin-Lim, 64 mel bands"]).all()
    assert (rates["Opus, lowest rate"] > 1.8).all() and (
        rates["Opus, lowest rate"] < rates["Vorbis, lowest rate"]
    ).all()


def test_griffin_lim_keeps_the_note_and_is_the_same_each_time():
    from recipes.codec.baselines import griffin_lim
    from recipes.codec.metrics import chroma_correlation

    clips = tone(440)[None]
    made = griffin_lim(clips)[0]
    assert chroma_correlation(made[0], clips[0]) > 0.7
    np.testing.assert_allclose(made, griffin_lim(clips)[0], atol=1e-4)


@pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
def test_the_payload_of_an_ogg_file_is_less_than_the_file(subtype):
    from recipes.codec.baselines import payload

    sizes = []
    for seconds in (1, 2):
        file = io.BytesIO()
        soundfile.write(file, np.tile(strokes(0.25)[:RATE], seconds), RATE, format="OGG", subtype=subtype)
        sizes.append((payload(file.getvalue()), len(file.getvalue())))
    (short, short_file), (long, long_file) = sizes
    assert 0 < short < short_file and short < long < long_file
    assert short_file - short == pytest.approx(long_file - long, abs=200)  # headers do not grow


def test_one_pitched_instrument_leads(records):
    from recipes.codec.evaluate import drawn, lead

    assert lead(records[0]) == "flute"  # with drums
    assert lead({"attributes": {"instruments": ["flute", "cello"]}}) is None
    assert lead({"attributes": {"instruments": ["drums"]}}) is None
    order = [record["id"] for record in drawn(records, "train")]
    assert order == [record["id"] for record in drawn(records, "train")] and len(set(order)) == 16


@pytest.fixture(scope="module")
def scores(made, records, corpus, tmp_path_factory):
    from recipes.codec.evaluate import evaluate

    work = tmp_path_factory.mktemp("work")
    return work, evaluate(made, records, corpus, work)


def test_evaluation_scores_every_method_on_every_set(scores):
    from recipes.codec.metrics import NAMES

    _, found = scores
    assert set(found["scores"]) == {"test", "font", "recordings"}
    for split, methods in found["scores"].items():
        assert list(methods)[-3:] == ["codec, 1 codebook", "codec, 2 codebooks", "codec, not quantized"]
        for method, metrics in methods.items():
            for name in (*NAMES, "instrument probe", "percussion probe"):
                value, low, high = metrics[name]
                assert low <= value <= high, (split, method, name)
        assert methods["original, 16 bits"]["log-mel L1"] == [0, 0, 0]
        assert methods["original, 16 bits"]["percussion probe"][0] == 1  # strokes are easily heard
        assert methods["low-pass at 2 kHz"]["log-mel L1"][0] > 0
        assert methods["codec, 1 codebook"]["kbit/s"] == pytest.approx(0.1)
        assert len(found["perplexity"][split]) == 2 and min(found["perplexity"][split]) >= 1
    assert found["sets"]["test"] == {
        "clips": 6, "works": 3, "instrument probe": {"clips": 6, "majority": 0.5},
        "percussion probe": {"clips": 6, "majority": pytest.approx(5 / 6)}}  # fmt: skip
    assert min(found["speed"].values()) > 1


def test_what_was_evaluated_is_not_computed_again(scores, made, records, corpus, monkeypatch):
    from recipes.codec import evaluate as module

    work, found = scores
    monkeypatch.setattr(module, "measures", None)
    monkeypatch.setattr(module, "mel_statistics", None)
    again = module.evaluate(made, records, corpus, work)
    assert again["scores"] == found["scores"]


def test_card_and_table_come_from_the_scores(scores, made, tmp_path):
    import pandas as pd

    from recipes.codec import card
    from recipes.codec.evaluate import write_csv

    _, found = scores
    write_csv(found, tmp_path / "scores.csv")
    table = pd.read_csv(tmp_path / "scores.csv")
    here = table.query("set == 'test' and method == 'codec, 2 codebooks' and metric == 'chroma r'").iloc[0]
    assert here[["value", "low", "high"]].tolist() == pytest.approx(
        found["scores"]["test"]["codec, 2 codebooks"]["chroma r"], abs=1e-4
    )
    assert set(table.metric) >= {"perplexity", "instrument probe"}

    rows = (made / "curve.csv").read_text().splitlines()
    head = rows[0].replace("validation_2", "validation_8")  # the card is that of the shipped configuration
    (tmp_path / "curve.csv").write_text("\n".join([head, *rows[1:]]))
    text = card.write_card(found, tmp_path / "curve.csv")
    value = found["scores"]["test"]["codec, 2 codebooks"]["chroma r"][0]
    assert (
        f"chroma r at least 0.88: {value:.3f}, {'reached' if value >= 0.88 else 'missed'}, by {abs(value - 0.88):.3f}"
        in text
    )
    assert "## Licence\nMIT" in text and "$" not in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
