"""The captioner: what its package computes, how its recipe trains, and what the shipped checkpoint is worth."""

import json
from random import Random

import numpy as np
import pytest
import torch
from resumed import RESUMED
from run_notebooks import ROOT
from tokenizers import pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

from musicwords import captioner
from musicwords.captioner import Captioner, PrefixMapping
from musicwords.captions import judge, questions
from musicwords.checkpoints import checkpoint

SHIPPED = ROOT / "musicwords" / "data" / "checkpoints" / "captioner"
FLOOR = ROOT / "tests" / "data" / "captioner_floor.npz"
# What the shipped checkpoint reaches on 120 test clips, less a margin.
PRECISION, PRECISION_ABOVE_OTHER_CLIPS, ACCURACY_ABOVE_MAJORITY = 0.77, 0.5, 0.4
SIZE, VECTORS = 6, 4  # of what the tiny captioner hears of a clip
QUESTIONS = ["How fast?", "Which instrument plays the lead?"]
OPTIONS = [["slow", "fast"], ["a tuba", "flute", "contrabass and drums"]]


@pytest.fixture(scope="module")
def tiny() -> tuple[GPT2LMHeadModel, GPT2Tokenizer, PrefixMapping]:
    """A random captioner whose tokens are bytes."""
    special = [captioner.END, captioner.PAD, "<|plain|>", "<|tags|>", captioner.QUESTION, captioner.ANSWER]
    names = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = GPT2Tokenizer(
        vocab={name: number for number, name in enumerate(names)},
        merges=[],
        unk_token=captioner.END,
        bos_token=captioner.END,
        eos_token=captioner.END,
        pad_token=captioner.PAD,
        additional_special_tokens=special[2:],
    )
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(names), n_positions=128, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model, mapping = GPT2LMHeadModel(config).eval(), PrefixMapping(SIZE, VECTORS, 3, 16, 8).eval()
    with torch.no_grad():
        mapping.mean.normal_()
        mapping.no_audio.normal_()
        mapping.places.normal_()
        for parameter in (*model.parameters(), *mapping.parameters()):
            parameter.mul_(3)  # else all tokens are about as likely
    return Captioner(model, tokenizer, mapping)


@pytest.fixture(scope="module")
def embeddings() -> torch.Tensor:
    return torch.randn(2, VECTORS, SIZE, generator=torch.Generator().manual_seed(1))


def test_prefix_has_a_shape_and_follows_the_audio(tiny, embeddings):
    mapping = tiny.mapping
    prefix = mapping(embeddings)
    assert prefix.shape == (2, 3 + VECTORS - 1, 16)
    assert mapping(None).shape == (1, 3 + VECTORS - 1, 16)
    assert not torch.allclose(prefix[0], prefix[1])
    torch.testing.assert_close(mapping(embeddings * 2 + 1), mapping((embeddings * 2 + 1).double()))
    changed = embeddings.clone()
    changed[:, 2] += 1
    same = (mapping(changed) == prefix).all(dim=2)
    assert same.tolist() == [[True, True, True, True, False, True]] * 2  # three of the whole, then one a vector


def test_audio_vectors_are_means_of_the_whole_of_bands_and_of_parts():
    states = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    found = captioner.audio_vectors(states, bands=2, parts=3)
    assert found.shape == (1, 1 + 2 + 3, 2)
    torch.testing.assert_close(found[0, 0], states.mean(dim=(2, 3))[0])
    torch.testing.assert_close(found[0, 2], states[0, :, 2:].mean(dim=(1, 2)))  # the upper band
    torch.testing.assert_close(found[0, 3], states[0, :, :, :2].mean(dim=(1, 2)))  # the first third
    with pytest.raises(ValueError, match=r"got states of shape \(1, 2, 4, 6\) .* multiple of 4 .* of 8 times"):
        captioner.audio_vectors(states)


def test_embeddings_are_standardized(embeddings):
    plain, shifted = PrefixMapping(SIZE, VECTORS), PrefixMapping(SIZE, VECTORS)
    moved = {"mean": torch.full((VECTORS, SIZE), 5.0), "std": torch.full((VECTORS, SIZE), 2.0)}
    shifted.load_state_dict(plain.state_dict() | moved)
    torch.testing.assert_close(shifted(embeddings * 2 + 5), plain(embeddings))


def test_masked_clips_have_no_audio(tiny, embeddings):
    mapping = tiny.mapping
    prefix = mapping(embeddings, torch.tensor([True, False]))
    torch.testing.assert_close(prefix[0], mapping(embeddings)[0])
    torch.testing.assert_close(prefix[1], mapping(None)[0])


def test_mapping_is_the_same_when_loaded(tiny, embeddings, tmp_path):
    mapping = tiny.mapping
    mapping.save_pretrained(tmp_path)
    again = PrefixMapping.from_pretrained(tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in mapping.state_dict().items())
    torch.testing.assert_close(again(embeddings), mapping(embeddings))


@pytest.mark.parametrize("shape", [(VECTORS, SIZE), (2, VECTORS, SIZE + 1), (0, VECTORS, SIZE), (2, SIZE)])
def test_embeddings_of_another_shape_are_refused(tiny, shape):
    with pytest.raises(ValueError, match=rf"got embeddings of shape .* expects \(clips, {VECTORS}, {SIZE}\)"):
        tiny.captions(torch.zeros(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused(tiny, embeddings, bad):
    broken = embeddings.clone()
    broken[1, 2, 3] = bad
    with pytest.raises(ValueError, match="got 1 clips with NaN or infinite values"):
        tiny.option_log_likelihoods(broken, QUESTIONS, OPTIONS)


def test_mask_of_another_shape_is_refused(tiny, embeddings):
    with pytest.raises(ValueError, match=r"mask of shape \(3,\) and expects \(2,\)"):
        tiny.mapping(embeddings, torch.ones(3, dtype=torch.bool))


def test_captions_are_the_same_alone_and_in_a_batch(tiny, embeddings):
    together = tiny.captions(embeddings, longest=12)
    assert together == [tiny.captions(one[None], longest=12)[0] for one in embeddings]
    assert together == tiny.captions(embeddings, longest=12, batch_size=1)
    assert all(isinstance(text, str) and "<|" not in text for text in together)


def test_captions_depend_on_task_and_audio(tiny, embeddings):
    plain, tags = (tiny.captions(embeddings, task, longest=12) for task in ("plain", "tags"))
    assert plain != tags
    assert tiny.captions(None, longest=12)[0] not in plain


def test_captions_can_be_sampled(tiny, embeddings):
    def sampled(seed: int) -> list[str]:
        torch.manual_seed(seed)
        return tiny.captions(embeddings, sample=True, longest=12)

    assert sampled(0) == sampled(0) != sampled(1)
    torch.manual_seed(0)
    cold = tiny.captions(embeddings, sample=True, temperature=1e-4, longest=12)
    assert cold == tiny.captions(embeddings, longest=12)


def test_greedy_caption_takes_the_most_probable_tokens(tiny, embeddings):
    model, tokenizer, mapping = tiny.language_model, tiny.tokenizer, tiny.mapping
    text = tiny.captions(embeddings[:1], longest=4)[0]
    tokens = tokenizer("<|plain|>")["input_ids"]
    with torch.inference_mode():
        for _ in range(4):
            inputs = torch.cat([mapping(embeddings[:1]), model.transformer.wte(torch.tensor([tokens]))], dim=1)
            tokens.append(int(model(inputs_embeds=inputs).logits[0, -1].argmax()))
    expected = tokens[1:].index(0) if 0 in tokens[1:] else 4
    assert text == tokenizer.decode(tokens[1 : 1 + expected], skip_special_tokens=True)


def test_unknown_task_lists_the_known_ones(tiny, embeddings):
    with pytest.raises(ValueError, match="got the task 'haiku' and expects one of plain, tags"):
        tiny.captions(embeddings, task="haiku")


@torch.inference_mode()
def direct(tiny, embedding, question: str, some: list[str]) -> list[float]:
    """Mean log-probabilities of options, one token after the other."""
    model, tokenizer, mapping = tiny.language_model, tiny.tokenizer, tiny.mapping
    found = []
    for option in some:
        tokens = tokenizer(captioner.question_prompt(question, some))["input_ids"]
        likelihoods = []
        for token in [*tokenizer(option)["input_ids"], 0]:
            inputs = torch.cat([mapping(embedding), model.transformer.wte(torch.tensor([tokens]))], dim=1)
            likelihoods.append(float(model(inputs_embeds=inputs).logits[0, -1].log_softmax(0)[token]))
            tokens.append(token)
        found.append(float(np.mean(likelihoods)))
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_option_likelihoods_are_those_of_the_tokens(tiny, embeddings, batch_size):
    found = tiny.option_log_likelihoods(embeddings, QUESTIONS, OPTIONS, batch_size)
    assert [len(some) for some in found] == [2, 3]
    for clip, likelihoods in enumerate(found):
        expected = direct(tiny, embeddings[clip][None], QUESTIONS[clip], OPTIONS[clip])
        np.testing.assert_allclose(likelihoods, expected, atol=1e-4)


def test_option_likelihoods_without_audio(tiny, embeddings):
    found = tiny.option_log_likelihoods(None, QUESTIONS, OPTIONS)
    for clip, likelihoods in enumerate(found):
        np.testing.assert_allclose(likelihoods, direct(tiny, None, QUESTIONS[clip], OPTIONS[clip]), atol=1e-4)


@pytest.mark.parametrize(
    ("questions", "options", "words"),
    [
        ([], [], "2 embeddings, 0 questions"),
        (QUESTIONS[:1], OPTIONS[:1], "2 embeddings, 1 questions"),
        (QUESTIONS, OPTIONS[:1], "options for 1"),
        (QUESTIONS, [["slow"], []], r"no list of options for questions \[1\]"),
        (QUESTIONS, ["slow", ["slow"]], r"no list of options for questions \[0\]"),
    ],
)
def test_questions_without_options_are_refused(tiny, embeddings, questions, options, words):
    with pytest.raises(ValueError, match=words):
        tiny.option_log_likelihoods(embeddings, questions, options)


def test_text_beyond_the_context_is_refused(tiny):
    with pytest.raises(ValueError, match=r"text of 208 tokens .* at most 128"):
        tiny.log_likelihoods(tiny.mapping(None), ["<|plain|>"], ["a" * 200])


@pytest.fixture
def recipe(monkeypatch):
    """The recipe's training module, made small."""
    for module in ("nltk", "pycocoevalcap", "rouge_score", "sacrebleu", "soundfile", "tqdm"):
        pytest.importorskip(module, reason="needs recipes/requirements.txt")
    from recipes.captioner import training

    small = {"LAYERS": 1, "HEADS": 2, "WIDTH": 32, "HIDDEN": 32, "PREFIX": 2, "EPOCHS": 2, "BATCH": 16, "CAPTIONS": 2,
             "DESCRIBED": 4}  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(training, name, value)
    return training


def made_up(split: str, count: int) -> tuple[list[dict], np.ndarray]:
    """Records with every attribute, and embeddings whose first number says how fast the clip is."""
    rng, found, embeddings = (
        Random(split),
        [],
        np.random.default_rng(len(split)).standard_normal((count, VECTORS, SIZE)),
    )
    for clip in range(count):
        bpm, lead = rng.choice([60.0, 96.0, 150.0]), rng.choice(["piano", "violin", "flute"])
        attributes = {
            "instruments": [lead],
            "families": [{"piano": "keyboard", "violin": "strings", "flute": "woodwind"}[lead]],
            "percussion": rng.random() < 0.5,
            "tempo_bpm": bpm,
            "tempo_class": {60.0: "slow", 96.0: "medium", 150.0: "fast"}[bpm],
            "mode": rng.choice(["major", "minor"]),
            "texture": rng.choice(["solo", "duet"]),
            "idiom": rng.choice(["waltz", "jig"]),
            "dynamics": rng.choice(["soft", "strong"]),
            "articulation": rng.choice(["staccato", "legato"]),
            "register": rng.choice(["high", "low"]),
            "room": rng.choice(["dry", "hall"]),
            "meter": rng.choice(["3/4", "6/8"]),
        }
        embeddings[clip, 0, 0] = (bpm - 100) / 30
        found.append(
            {"id": f"{split}-{clip}", "work": f"{split}-{clip // 2}", "split": split, "attributes": attributes}
        )
    return found, embeddings.astype(np.float32)


def test_interrupted_training_goes_on_to_the_same_weights(recipe, tmp_path):
    from recipes.captioner.texts import corpus_tokenizer

    train, validation = made_up("train", 40), made_up("validation", 8)
    tokenizer = corpus_tokenizer(train[0], tmp_path / "tokenizer")

    def trainer(name: str):
        (tmp_path / name).mkdir(exist_ok=True)
        return recipe.Trainer(tmp_path / name, tokenizer, *train, *validation)

    whole = trainer("at once").run()
    trainer("in parts").run(rounds=1)
    assert len((tmp_path / "in parts" / "curve.csv").read_text().splitlines()) == 2
    resumed = trainer("in parts")
    again = resumed.run()
    assert [row["epoch"] for row in resumed.curve] == [1, 2]
    for one, other in ((whole.language_model, again.language_model), (whole.mapping, again.mapping)):
        torch.testing.assert_close(other.state_dict(), one.state_dict(), rtol=RESUMED, atol=RESUMED)
    assert resumed.curve[1]["train_loss"] < resumed.curve[0]["train_loss"]


def test_exported_captioner_is_what_was_trained(recipe, tmp_path):
    from recipes.captioner.export import export
    from recipes.captioner.texts import corpus_tokenizer, draw

    train, validation = made_up("train", 40), made_up("validation", 8)
    tokenizer = corpus_tokenizer(train[0], tmp_path / "tokenizer")
    trainer = recipe.Trainer(tmp_path, tokenizer, *train, *validation)
    made = trainer.run()
    inputs = torch.from_numpy(validation[1])
    before = made.option_log_likelihoods(inputs[:2], QUESTIONS, OPTIONS)
    folder = tmp_path / "captioner"
    export(made, tmp_path / "curve.csv", folder)

    loaded = Captioner.from_pretrained(folder)
    parts = loaded.language_model, loaded.mapping
    assert {value.dtype for part in parts for value in part.state_dict().values()} == {torch.float32}
    assert not (folder / "mapping" / "README.md").exists()
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.rglob("*") if path.is_file())
    after = loaded.option_log_likelihoods(inputs[:2], QUESTIONS, OPTIONS)
    np.testing.assert_allclose(torch.cat(after), torch.cat(before), atol=0.02)  # half precision
    texts = [one.text for one in draw(train[0], "test", 2, 5)] + ["Ça va? 3/4 – naïve  spaces , and 120 BPM!"]
    for text in texts:
        assert loaded.tokenizer(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert loaded.tokenizer.decode(loaded.tokenizer(text)["input_ids"]) == text
    for token in ("<|plain|>", captioner.QUESTION, captioner.END):
        assert len(loaded.tokenizer(token)["input_ids"]) == 1
    captions = loaded.captions(inputs, longest=30)
    assert len(captions) == 8 and len(loaded.captions(None, longest=30)) == 1


def test_template_captioner_says_what_embeddings_tell(recipe):
    from recipes.captioner.baselines import Nearest, Template, describe

    (train, known), (test, embeddings) = made_up("train", 60), made_up("test", 20)
    known, embeddings = known[:, 0], embeddings[:, 0]
    predicted = Template(train, known).predict(embeddings)
    right = [one["tempo_class"] == record["attributes"]["tempo_class"]
             for one, record in zip(predicted, test, strict=True)]  # fmt: skip
    assert np.mean(right) >= 0.8
    assert all(describe(predicted, [record["id"] for record in test], "rich"))
    assert Nearest(known).find(known[5:9] * 1.001).tolist() == [5, 6, 7, 8]


def test_captions_are_judged_by_what_they_state(recipe):
    from recipes.captioner.evaluate import dealt
    from recipes.captioner.metrics import overlap, truth

    records = made_up("test", 4)[0]
    for record in records:
        record["attributes"] |= {
            "instruments": ["piano"],
            "percussion": False,
            "tempo_class": "slow",
            "tempo_bpm": 60.0,
            "mode": None,
        }
    texts = ["A slow piece for piano.", "A fast piece for piano in a minor key.", "A piano.", "Something."]
    scores = truth(texts, records)
    assert scores["precision"][0] == pytest.approx(4 / 5)  # of the mode nothing is known
    assert scores["true statements"][0] == pytest.approx(1)
    assert scores["attributes"]["tempo_class"]["stated"] == 0.5
    assert scores["attributes"]["tempo_class"]["true"][0] == 0.5
    assert (
        scores["attributes"]["mode"] == {"stated": 0.25, "true": None} or scores["attributes"]["mode"]["true"] is None
    )
    same = overlap(texts[:3], [[text] * 2 for text in texts[:3]])
    assert same["BLEU-4"] == pytest.approx(100) and same["ROUGE-L"] == pytest.approx(1)
    assert overlap(texts[:3], [[text] * 2 for text in texts[1:]])["CIDEr"] < same["CIDEr"]
    shuffled = dealt(texts)
    assert sorted(shuffled) == sorted(texts)
    assert all(own != other for own, other in zip(texts, shuffled, strict=True))


@pytest.fixture(scope="module")
def shipped() -> Captioner:
    return Captioner.from_pretrained(**checkpoint("captioner"))


def test_a_folder_without_a_mapping_network_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no mapping network in .*mapping: give the folder of a captioner"):
        Captioner.from_pretrained(tmp_path)


@pytest.fixture(scope="module")
def floor() -> tuple[torch.Tensor, list[dict]]:
    """Embeddings and attributes of 120 test clips."""
    with np.load(FLOOR) as arrays:
        return torch.from_numpy(arrays["embeddings"].astype(np.float32)), [
            json.loads(one) for one in arrays["attributes"]
        ]


def test_shipped_captions_are_true_of_their_clips(shipped, floor):
    embeddings, attributes = floor
    texts = shipped.captions(embeddings)

    def precision(texts: list[str]) -> float:
        return float(
            np.mean([one.true for text, row in zip(texts, attributes, strict=True) for one in judge(text, row)])
        )

    own, other = precision(texts), precision(texts[1:] + texts[:1])
    print(own, other)
    assert own >= PRECISION
    assert own >= other + PRECISION_ABOVE_OTHER_CLIPS
    assert np.mean([len(judge(text, row)) for text, row in zip(texts, attributes, strict=True)]) >= 4


def test_shipped_answers_are_better_than_the_majority(shipped, floor):
    embeddings, attributes = floor
    asked = [(clip, one) for clip, record in enumerate(attributes) for one in questions(record, Random(clip), "test")]
    likelihoods = shipped.option_log_likelihoods(
        embeddings[[clip for clip, _ in asked]],
        [one.question for _, one in asked],
        [one.options for _, one in asked],
    )
    right = [
        one.options[int(values.argmax())] == one.answer for (_, one), values in zip(asked, likelihoods, strict=True)
    ]

    names = {"tempo": "tempo_class", "percussion": "percussion", "mode": "mode", "texture": "texture"}
    majority = []
    for kind in names:
        truth = [attributes[clip][names[kind]] for clip, one in asked if one.kind == kind]
        majority += [value == max(truth, key=truth.count) for value in truth]
    majority += [1 / len(one.options) for _, one in asked if one.kind == "instruments"]
    assert np.mean(right) >= np.mean(majority) + ACCURACY_ABOVE_MAJORITY
