"""The evaluation of generated music: each score on made-up data for which it is known."""

import json
from functools import partial
from random import Random

import numpy as np
import pytest
from made_up import bursts, melody
from run_notebooks import ROOT

from musicwords.probe import Probe, Readings, features

for module in ("music21", "tinysoundfont"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")


INSTRUMENTS = {"violin": "strings", "piano": "keyboard", "flute": "woodwind", "choir": "voice"}


def records(count: int, split: str = "test") -> list[dict]:
    rng, found = Random(0), []
    for number in range(count):
        name = rng.choice(list(INSTRUMENTS))
        drums = rng.random() < 0.5
        families = [INSTRUMENTS[name]] + ["drums"] * drums
        attributes = {"instruments": [name] + ["drums"] * drums, "families": families, "percussion": drums,
                      "tempo_bpm": 60.0, "tempo_class": "slow", "mode": "minor", "idiom": None, "meter": "4/4",
                      "texture": "ensemble" if name == "choir" else "duet" if drums else "solo",
                      "dynamics": rng.choice(["soft", "medium", "strong"]), "articulation": "legato", "key": None,
                      "register": "high", "room": "hall"}  # fmt: skip
        found.append({"id": f"{split}-{number:05d}", "work": f"work {number // 2}", "split": split,
                      "attributes": attributes})  # fmt: skip
    return found


# Prompts


def test_prompts_state_one_family_and_two_more_things_that_are_true():
    from musicwords.captions import parse
    from recipes.evaluate_generation.prompts import FAMILY, label, select

    some = records(60)
    prompts, by_id = select(some, 40), {one["id"]: one for one in some}
    assert len({one.clip for one in prompts}) == 40
    assert prompts == select(some, 40)
    assert sum(one.wording == "test" for one in prompts) == 10
    for prompt in prompts:
        read = parse(prompt.text)
        families = {FAMILY[name] for name in read.get("instruments", ()) if name in FAMILY}
        assert families | set(read.get("families", ())) == {prompt.states["family"]}
        assert len(prompt.states) >= 3
        for name, value in prompt.states.items():
            assert value == label(by_id[prompt.clip], name)
            assert name == "family" or read[name] == value
    assert {one.states.get("percussion") for one in prompts} == {True, False, None}
    with pytest.raises(ValueError, match="60 records give"):
        select(some, 61)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_typed_prompts_are_true_of_a_clip_that_the_family_leads(language):
    from musicwords.captions.matching import facts
    from recipes.clap.sentences import natural
    from recipes.evaluate_generation.prompts import FAMILY, label, typed

    some = records(60)
    by_id, meant = {one["id"]: one for one in some}, {one.text: one for one in natural("test", language)}
    found = typed(some, language)
    assert found == typed(some, language) and len(found) >= 3
    for prompt in found:
        clip, sentence = by_id[prompt.clip], meant[prompt.text]
        assert prompt.states["family"] == label(clip, "family")
        assert sentence.said <= facts(clip["attributes"]) and not sentence.denied & facts(clip["attributes"])
        assert {FAMILY[value] for name, value in sentence.said if name == "instruments" and value in FAMILY} <= {
            prompt.states["family"]
        }
        assert all(value == label(clip, name) for name, value in prompt.states.items())


def test_halves_share_no_work():
    from recipes.evaluate_generation.prompts import halves

    first, second = halves(records(60))
    assert len(first) + len(second) == 60 and abs(len(first) - len(second)) < 10
    assert not {one["work"] for one in first} & {one["work"] for one in second}


# Adherence


def prompts_of(families: list[str], percussion: list[bool | None]):
    from recipes.evaluate_generation.prompts import Prompt

    return [
        Prompt("", {"family": family} | ({} if drums is None else {"percussion": drums}), "train", "")
        for family, drums in zip(families, percussion, strict=True)
    ]


def answers_of(families: list[str], percussion: list[bool]) -> dict[str, list]:
    count = len(families)
    return {"family": families, "percussion": percussion} | {
        name: ["?"] * count for name in ("tempo_class", "texture", "dynamics")
    }


def test_adherence_counts_statements_that_are_met():
    from recipes.evaluate_generation.adherence import adherence

    families = ["brass", "voice"] * 50
    prompts = prompts_of(families, [True, None] * 50)
    heard = answers_of(["brass"] * 100, [True] * 25 + [False] * 75)
    found = adherence(heard, answers_of(families, [True] * 100), prompts)
    assert found["family"]["generated"][0] == pytest.approx(0.5)
    assert found["family"]["chance"][0] == pytest.approx(0.5, abs=0.01)  # one family for all: it does not listen
    assert found["family"]["gain"][0] == pytest.approx(0, abs=0.02)
    assert found["family"]["ceiling"] == [1, 1, 1]
    assert found["percussion"]["prompts"] == 50  # where it is not stated it does not count
    assert found["percussion"]["generated"][0] == pytest.approx(13 / 50)
    assert found["all"]["generated"][0] == pytest.approx(63 / 150)
    low, high = found["family"]["generated"][1:]
    assert 0.38 < low < 0.45 and 0.55 < high < 0.62  # of 100 tosses


def test_a_wrong_answer_lowers_adherence_and_shuffled_prompts_are_chance():
    from recipes.evaluate_generation.adherence import adherence, by_chance

    families = ["brass", "voice", "strings", "mallets"] * 25
    prompts, right = prompts_of(families, [True] * 100), answers_of(families, [True] * 100)
    found = adherence(right, right, prompts)
    assert found["family"]["generated"][0] == found["family"]["ratio"][0] == found["family"]["gain"][0] == 1
    assert found["family"]["chance"][0] == pytest.approx(24 / 99)
    wrong = answers_of(families[1:] + families[:1], [True] * 100)
    assert adherence(wrong, right, prompts)["family"]["generated"][0] == 0
    # The expectation is that of dealing the prompts anew.
    rng = np.random.default_rng(0)
    dealt = [np.mean(rng.permutation(families) == families) for _ in range(2000)]
    assert np.nanmean(by_chance(right, prompts, "family")) == pytest.approx(np.mean(dealt), abs=0.02)


def test_other_prompts_are_compared_on_what_they_state():
    from recipes.evaluate_generation.adherence import adherence

    families = ["brass", "voice"] * 50
    prompts = prompts_of(families, [True, None] * 50)
    heard = answers_of(["brass"] * 100, [True] * 100)
    found = adherence(heard, heard, prompts, {"family": 0.8, "percussion": 0.5})
    assert found["family"]["beside"][0] == pytest.approx(0.5 / 0.8)
    assert found["percussion"]["beside"][0] == pytest.approx(2)
    assert found["all"]["beside"][0] == pytest.approx((50 + 50) / (100 * 0.8 + 50 * 0.5))
    assert adherence(heard, heard, prompts)["all"]["beside"] is None


# Distances


def test_frechet_distance_is_that_of_the_closed_form():
    from recipes.evaluate_generation.distances import frechet_distance

    rng = np.random.default_rng(0)
    scale, shift = np.array([1.0, 2.0, 0.5]), np.array([1.0, -2.0, 0.0])
    one, other = rng.normal(size=(200_000, 3)), rng.normal(size=(200_000, 3)) * scale + shift
    # Of Gaussians with diagonal covariances: squared distances of the means and of the deviations.
    assert frechet_distance(one, other) == pytest.approx(5 + ((scale - 1) ** 2).sum(), rel=0.02)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert frechet_distance(one @ turn, other @ turn) == pytest.approx(frechet_distance(one, other), rel=1e-6)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_without_bias_and_grows():
    from recipes.evaluate_generation.distances import SCALE, kernel_distance, median_distance

    rng = np.random.default_rng(0)
    same = [kernel_distance(rng.normal(size=(40, 5)), rng.normal(size=(40, 5)), 3.0) for _ in range(400)]
    error = np.std(same) / np.sqrt(len(same))
    assert abs(np.mean(same)) < 4 * error
    assert np.min(same) < 0
    near, far = (kernel_distance(rng.normal(size=(400, 5)), rng.normal(size=(400, 5)) + by, 3.0) for by in (0.5, 1.0))
    assert 10 * error < near < far
    # In closed form for Gaussians: E k(x, y) = (b / sqrt(b^2 + 2))^5 exp(-|m|^2 / (2 (b^2 + 2))).
    expected = 2 * SCALE * (9 / 11) ** 2.5 * (1 - np.exp(-5 / 22))
    assert far == pytest.approx(expected, rel=0.15)
    assert median_distance(np.array([[0.0, 0], [3, 4], [0, 0]])) == 5


def test_even_split_keeps_works_together():
    from recipes.evaluate_generation.distances import between_real, even_split

    works = ["long"] * 7 + ["two"] * 2 + [f"one {number}" for number in range(31)]
    for seed in range(20):
        first = even_split(works, np.random.default_rng(seed))
        assert first.sum() == 20
        assert len(set(first[:7])) == len(set(first[7:9])) == 1
    with pytest.raises(ValueError, match="do not split"):
        even_split(["a", "a", "a", "b"], np.random.default_rng(0))
    mean, low, high = between_real(np.random.default_rng(0).normal(size=(40, 3)), works, 2.0)["KAD"]
    assert low < 0 < high and low < mean < high


# Diversity and memorization


def test_diversity_sees_clips_that_are_all_the_same():
    from recipes.evaluate_generation.diversity import entropy_within, mean_distance, standardized, token_entropy

    rng = np.random.default_rng(0)
    reference = rng.normal(5, 1, size=(300, 20))
    assert mean_distance(standardized(reference, reference)) == pytest.approx(1, abs=0.02)
    same = reference[:1] + 0.01 * rng.normal(size=(50, 20))
    assert mean_distance(standardized(same, reference)) < 0.01
    codes = np.tile(np.arange(8), (10, 4))
    assert token_entropy(codes, 16) == pytest.approx(3)
    assert entropy_within(np.repeat(np.arange(8)[:, None], 5, axis=1), 16) == 0


def test_a_planted_copy_is_found_and_a_new_clip_is_not():
    from recipes.evaluate_generation.memorization import TokenIndex

    rng = np.random.default_rng(0)
    train = rng.integers(0, 64, (50, 8, 250)).astype(np.int16)
    index = TokenIndex(train)
    new = rng.integers(0, 64, (8, 250)).astype(np.int16)
    assert index.nearest(new).share < 0.06
    shifted = new.copy()
    shifted[:, :220] = train[17, :, 30:]
    clip, share, shift = index.nearest(shifted)
    assert (clip, shift) == (17, 30)
    assert share == pytest.approx(1)
    shifted[0, :110] = -1  # half of the first codebook is no longer the same
    assert index.nearest(shifted)[:2] == (17, pytest.approx(0.75))
    assert index.nearest(train[3])[:2] == (3, 1.0)
    early = new.copy()
    early[:, 40:] = train[5, :, :210]
    assert index.nearest(early).clip == 5 and index.nearest(early).shift == -40
    # The straightforward way gives the same.
    straight = max(
        float((new[:2, max(0, -by) : 250 - max(0, by)] == clip[:2, max(0, by) : 250 - max(0, -by)]).mean())
        for clip in train
        for by in range(-50, 51)
    )
    assert index.nearest(new).share == pytest.approx(straight)


def test_nearest_by_embedding():
    from recipes.evaluate_generation.memorization import nearest_by_embedding

    known = np.random.default_rng(0).normal(3, 2, size=(40, 10))
    rows, cosines = nearest_by_embedding(known[[4, 9]] + 0.01, known)
    assert rows.tolist() == [4, 9]
    assert cosines.min() > 0.99


# Audio that is generated in parts


def test_generation_goes_on_where_it_stopped(tmp_path):
    from recipes.evaluate_generation.generators import produced

    calls = []

    def generate(folder, texts, seed, stop=None):
        calls.append(seed)
        if seed == stop:
            raise KeyboardInterrupt
        return np.random.default_rng(seed).normal(size=(len(texts), 160_000))

    texts, model = [f"prompt {number}" for number in range(40)], tmp_path / "model"
    model.mkdir()
    with pytest.raises(KeyboardInterrupt):
        produced(partial(generate, stop=2_002), model, texts, 2, tmp_path / "music")
    path, seconds = produced(generate, model, texts, 2, tmp_path / "music")
    audio = np.load(path)
    assert calls == [2_000, 2_001, 2_002, 2_002]
    assert audio.shape == (40, 160_000) and audio.dtype == np.float32
    assert 0 < seconds < 1
    assert not np.array_equal(audio[0], audio[16])  # another seed in each part
    assert produced(generate, model, texts, 2, tmp_path / "music")[0] == path
    assert len(calls) == 4
    (model / "model.safetensors").write_bytes(b"other weights")
    assert produced(generate, model, texts, 2, tmp_path / "music")[0] != path
    assert len(calls) == 7


@pytest.mark.parametrize("name", ["musicgen", "diffusion"])
def test_generators_and_their_cards_are_found(name):
    from importlib import import_module

    from recipes.evaluate_generation.generators import generate_of

    assert callable(generate_of(name))
    assert callable(import_module(f"recipes.{name}.card").write_card)


def test_generated_audio_must_be_finite_and_of_ten_seconds(tmp_path):
    from recipes.evaluate_generation.generators import produced

    for shape, value, message in (((1, 1, 160_000), 0, "shape"), ((1, 160_000), np.nan, "NaN")):
        with pytest.raises(ValueError, match=message):
            produced(lambda *_, s=shape, v=value: np.full(s, v), tmp_path, ["x"], 0, tmp_path / message)
        assert not list((tmp_path / message).glob("*.npy"))


# The probe's training


def sounds(count: int, seed: int) -> tuple[list[dict], Readings]:
    """Melodies and drum beats, with records that say so."""
    rng, found, rows = Random(seed), [], []
    for number in range(count):
        drums, (tempo, bpm) = rng.random() < 0.5, rng.choice([("slow", 60), ("medium", 96), ("fast", 150)])
        audio = bursts(bpm, 4) + (0 if drums else 0.5) * melody(seed * 1000 + number, 4)
        attributes = {"families": ["mallets"] if drums else ["voice"], "percussion": drums, "texture": "solo"}
        attributes |= {"tempo_class": tempo, "dynamics": "soft" if drums else "strong"}
        attributes["texture"] = "duet" if number % 2 else "solo"
        found.append({"id": f"{seed}-{number}", "work": f"{seed}-{number}", "attributes": attributes})
        rows.append(features(audio))
    return found, Readings(*(np.stack(part) for part in zip(*rows, strict=True)))


def test_a_trained_probe_is_right_and_with_wrong_labels_it_is_wrong(tmp_path):
    from recipes.evaluate_generation.probe_training import accuracy, export, fit

    train, check, test = sounds(40, 1), sounds(10, 2), sounds(24, 3)
    listing, tensors = fit(*train, *check)
    export(listing, tensors, tmp_path)
    probe = Probe.load(tmp_path)
    found = accuracy(probe, *test, train[0])
    for name in ("family", "percussion", "tempo_class", "dynamics"):
        assert found[name]["probe"][0] >= 0.9
        assert found[name]["majority"] < 0.8
    assert found["texture"]["probe"][0] < 0.8  # nothing tells it
    assert probe(bursts(150)) | {"texture": None} == {
        "family": "mallets", "percussion": True, "tempo_class": "fast", "texture": None, "dynamics": "soft"
    }  # fmt: skip
    for record in test[0]:
        record["attributes"]["percussion"] = not record["attributes"]["percussion"]
    assert accuracy(probe, *test, train[0])["percussion"]["probe"][0] <= 0.1


# From clips to the tables


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    import torch

    from musicwords.codec import SpectralCodec, SpectralCodecConfig

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("codec")
    SpectralCodec(SpectralCodecConfig(width=16, encoder_blocks=1, decoder_blocks=1)).save_pretrained(folder)
    return folder


def test_clips_are_heard_whole(codec, tmp_path):
    from recipes.evaluate_generation.listening import hear, through_codec

    audio = tmp_path / "clips.npy"
    np.save(audio, np.stack([bursts(120), melody(), np.zeros(160_000, np.float32)]))
    found = hear([0, 1, 2], audio, codec, ROOT / "musicwords" / "data" / "checkpoints" / "clap")
    assert found.shape == (3,)
    assert found["onsets"].tolist()[::2] == [20, 0]
    assert found["silence"][2] == 1
    assert found["codes"].shape == (3, 8, 250) and found["codes"].dtype == np.int16
    assert found["musicnn"].shape == (3, 200) and found["clap"].shape == (3, 192)
    np.testing.assert_allclose(found["timbre"][1], features(melody()).timbre, rtol=1e-5, atol=1e-5)
    assert all(np.isfinite(found[name]).all() for name in ("rhythm", "timbre", "musicnn", "clap"))
    np.save(tmp_path / "copy.npy", found)
    assert np.array_equal(np.load(tmp_path / "copy.npy"), found)
    again = through_codec([1, 2], audio, codec)
    assert again.shape == (2, 160_000) and again.dtype == np.float32


def test_scores_become_tables_and_rows(tmp_path):
    from recipes.evaluate_generation.card import aims, rows, tables
    from recipes.evaluate_generation.evaluate import Real, Training, Typed, evaluate
    from recipes.evaluate_generation.memorization import TokenIndex
    from recipes.evaluate_generation.prompts import label, select

    some = records(300)
    prompts, by_id = select(some[:150], 64), {one["id"]: one for one in some}
    kinds = sorted(INSTRUMENTS.values())
    rng = np.random.default_rng(0)

    def clips(wanted: list[dict], hits: float) -> np.ndarray:
        """Measured clips whose first number of rhythm is that of the family, but for some."""
        found = np.zeros(len(wanted), [("rhythm", "f4", 1), ("timbre", "f4", 1), ("musicnn", "f4", 6),
                                       ("clap", "f4", 5), ("onsets", "i4"), ("silence", "f4"),
                                       ("self_similarity", "f4"), ("codes", "i2", (8, 250))])  # fmt: skip
        family = np.array([kinds.index(label(one, "family")) for one in wanted])
        missed = rng.random(len(wanted)) > hits
        found["rhythm"][:, 0] = np.where(missed, (family + 1) % 4, family)
        found["musicnn"], found["clap"] = rng.normal(size=(len(wanted), 6)), rng.normal(size=(len(wanted), 5))
        found["onsets"], found["codes"] = 9, rng.integers(0, 32, (len(wanted), 8, 250))
        return found

    class Told:
        """A probe that reads the family from the number that stands for it."""

        def answers(self, readings):
            families = [kinds[int(one)] for one in readings.rhythm[:, 0]]
            return answers_of(families, [True] * len(families))

    described = [by_id[one.clip] for one in prompts]
    others = [by_id[one.clip] for one in select(some[150:], 64)]
    works = [[one["work"] for one in part] for part in (described, others)]
    real = Real(prompts, clips(described, 1), works[0], clips(described, 0.9), clips(others, 1), works[1])
    real.resynthesized["codes"] = real.described["codes"]
    generated = clips(described, 0.6)
    generated["onsets"][:16] = 1
    train = rng.integers(0, 32, (30, 8, 250)).astype(np.int16)
    generated["codes"][7] = train[21]
    known = rng.normal(size=(20, 6)).astype(np.float32)
    ids = [f"train-{number:05d}" for number in range(30)]
    training = Training(ids, TokenIndex(train), ids[:20], known)
    samples = np.stack([generated[:8], clips(described[:8], 1)], axis=1)
    sentences = [one._replace(wording="typed") for one in prompts[:20]]
    typed = {
        f"typed, {one}": Typed(sentences, clips(described[:20], 0), real.resynthesized[:20]) for one in ("en", "zh")
    }
    scores = json.loads(json.dumps(evaluate(generated, samples, 1.5, real, typed, Told(), training, 32)))

    family = scores["adherence"]["all"]["family"]
    assert family["chance"][0] < family["generated"][1] and family["generated"][2] < family["ceiling"][0]
    assert set(scores["adherence"]) == {"all", "training wording", "held-out wording", *typed}
    assert scores["adherence"]["typed, en"]["family"]["generated"][0] == 0
    assert scores["adherence"]["training wording"]["all"]["beside"] is None
    assert (
        scores["adherence"]["held-out wording"]["all"]["beside"][0]
        > scores["adherence"]["typed, zh"]["all"]["beside"][0]
    )
    assert scores["adherence"]["held-out wording"]["family"]["prompts"] == 16
    assert scores["health"]["generated"]["few onsets"] == 0.25 and scores["health"]["real"]["few onsets"] == 0
    copy = scores["memorization"]["tokens"]["examples"][0]
    assert (copy["clip"], copy["value"], copy["number"]) == ("train-00021", 1.0, 7)
    assert scores["memorization"]["tokens"]["generated"][-1] == 1 > scores["memorization"]["tokens"]["codec"][-1]
    assert scores["memorization"]["tokens"]["copies"][0] == 1
    assert abs(scores["distances"]["musicnn"]["generated"]["KAD"]) < 5
    assert scores["diversity"]["entropy"]["real"] == pytest.approx(5, abs=0.01)
    text = tables(scores)
    assert prompts[7].text.replace("|", "\\|") in text and "train-00021" in text and "nan" not in text
    assert ("reached" if family["ratio"][0] >= 0.7 else "missed") in aims(scores)
    table = rows(scores)
    assert len({(row["measure"], row["what"], row["of"], row["wording"]) for row in table}) == len(table)
    assert {row["value"] for row in table if row["measure"] == "speed"} == {1.5}


# Settings


def test_the_setting_that_is_chosen_follows_most_of_those_that_vary_and_move_enough():
    from recipes.evaluate_generation.settings import allowed, best, finalists

    def chosen(rows: list[dict]) -> dict:
        return best(allowed(rows))

    plain = {"guidance_scale": 1.0, "adherence": 0.4, "distance": 1.0, "still": 0.0}
    some = {"guidance_scale": 3.0, "adherence": 0.6, "distance": 0.88, "still": 0.1}
    much = {"guidance_scale": 9.0, "adherence": 0.8, "distance": 0.8, "still": 0.1}
    assert chosen([plain, some, much]) == some
    assert chosen([plain | {"distance": 0.94}, much]) == much
    assert chosen([plain | {"distance": 0.94}, much | {"still": 0.2}]) == plain | {"distance": 0.94}
    assert finalists([plain, some | {"adherence": 0.39}, much]) == [plain, some | {"adherence": 0.39}]
