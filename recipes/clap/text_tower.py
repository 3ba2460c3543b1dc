"""A small text tower that answers as MiniLM does, and of which one can tell what a caption states.

It starts from three of MiniLM's six layers with half of their hidden units, and the word pieces that its texts need.
It is distilled on captions and on WordNet's definitions, and trained to tell the facts of the captions.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import BertTokenizer, ClapTextConfig
from transformers.models.clap.modeling_clap import ClapTextModel

from musicwords.checkpoints import checkpoint
from recipes.clap.features import Texts
from recipes.common.batching import by_length
from recipes.common.files import write_array, write_rows

WORDNET = Path("/usr/share/wordnet")  # Debian's wordnet-base
LAYERS = (0, 2, 5)  # of MiniLM
HIDDEN_UNITS = 768  # of each layer's feed-forward network; MiniLM has 1536
VOCABULARY = 8_000  # word pieces; MiniLM has 30,522
LONGEST = 64  # tokens of a text, as the tokenizer cuts it
DEFINITIONS = 60_000  # those that are about music or sound come first
MUSICAL = re.compile(r"\b(music|instrument|danc|song|sing|sound|tempo|loud|quiet|slow|fast|rapid|speed)")
CAPTIONS = 4  # of each training clip
HELD_OUT = 1_000  # definitions, to measure on
EPOCHS, BATCH, LEARNING_RATE = 3, 128, 4e-4
FACTS_WEIGHT = 0.05  # of the error in the facts of a caption (nats), beside the distance to the teacher
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


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


def small_tokenizer(tokenizer, texts: list[str]) -> tuple[BertTokenizer, list[int]]:
    """A WordPiece tokenizer with the pieces that the texts use most, and where these stood in the large one.

    Every Latin letter and digit stays, so that any English word can be spelled.
    """
    counts = Counter(piece for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for piece in ids)
    whole = tokenizer.get_vocab()
    letters = [piece for c in "abcdefghijklmnopqrstuvwxyz0123456789" for piece in (c, f"##{c}")]
    letters += list("!\"#$%&'()*+,-./:;<=>?@[]_|~")
    keep = dict.fromkeys([*SPECIAL, *letters])
    names = {number: piece for piece, number in whole.items()}
    for number, _ in counts.most_common():
        if len(keep) == VOCABULARY:
            break
        keep.setdefault(names[number])
    vocabulary = {piece: index for index, piece in enumerate(keep)}
    small = BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=LONGEST)
    small.model_input_names = ["input_ids", "attention_mask"]
    return small, [whole[piece] for piece in keep]


def start(teacher, pieces: list[int]) -> ClapTextModel:
    """A CLAP text tower made of parts of a BERT: some layers, the strongest hidden units, some word pieces."""
    source = teacher.config
    tower = ClapTextModel(
        ClapTextConfig(
            vocab_size=len(pieces),
            hidden_size=source.hidden_size,
            num_hidden_layers=len(LAYERS),
            num_attention_heads=source.num_attention_heads,
            intermediate_size=HIDDEN_UNITS,
            max_position_embeddings=LONGEST + 2,
            type_vocab_size=1,
            layer_norm_eps=source.layer_norm_eps,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
        )
    )
    old = teacher.state_dict()
    new = {
        "embeddings.word_embeddings.weight": old["embeddings.word_embeddings.weight"][pieces],
        "embeddings.token_type_embeddings.weight": old["embeddings.token_type_embeddings.weight"][:1],
        # CLAP counts positions from one after the padding token's number on, BERT from zero.
        "embeddings.position_embeddings.weight": torch.cat(
            [torch.zeros(1, source.hidden_size), old["embeddings.position_embeddings.weight"][: LONGEST + 1]]
        ),
    }
    for kind in ("weight", "bias"):
        new[f"embeddings.LayerNorm.{kind}"] = old[f"embeddings.LayerNorm.{kind}"]
    for index, layer in enumerate(LAYERS):
        here = {k.removeprefix(f"encoder.layer.{layer}."): v for k, v in old.items() if f".layer.{layer}." in k}
        size = here["intermediate.dense.weight"].norm(dim=1) * here["output.dense.weight"].norm(dim=0)
        units = size.topk(HIDDEN_UNITS).indices.sort().values
        here["intermediate.dense.weight"] = here["intermediate.dense.weight"][units]
        here["intermediate.dense.bias"] = here["intermediate.dense.bias"][units]
        here["output.dense.weight"] = here["output.dense.weight"][:, units]
        new |= {f"encoder.layer.{index}.{name}": value for name, value in here.items()}
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


def taught(teacher: SentenceTransformer, texts: list[str], path: Path) -> torch.Tensor:
    """The teacher's embeddings of texts, shape (texts, 384); kept at ``path``."""
    if not path.is_file():
        write_array(path, teacher.encode(texts, batch_size=128, show_progress_bar=True).astype(np.float16))
    return torch.from_numpy(np.load(path).astype(np.float32))


def recognized(logits: torch.Tensor, said: torch.Tensor) -> dict:
    """Recall and precision of facts that are held more likely than not."""
    guess, said = logits > 0, said > 0
    right = (guess & said).sum().item()
    return {
        "recall_of_facts": round(right / said.sum().item(), 4),
        "precision_of_facts": round(right / max(1, guess.sum().item()), 4),
    }


def distill(records: list[dict], validation: list[dict], folder: Path) -> None:
    """Train the text tower and write it with its tokenizer and its curve.

    Parameters
    ----------
    records : of the training clips, whose captions are in the wording of training
    validation : of the validation clips, whose captions are in a wording of their own, to measure on
    folder : where all is written
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = Texts(records + validation, CAPTIONS)
    spoken = [caption.text for caption in clips.captions]
    of_train = int((clips.clip < len(records)).sum())
    glosses, held_out = chosen_definitions()
    texts = spoken[:of_train] + glosses
    teacher = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    targets = taught(teacher, texts + held_out, folder / "text-targets.npy")
    # A number of beats a minute is read and not understood: its tempo class is a fact.
    said = torch.from_numpy(clips.said[:, [name != "tempo_bpm" for name, _ in clips.names]].astype(np.float32))

    tokenizer, pieces = small_tokenizer(teacher.tokenizer, texts)
    tower = start(teacher[0].model, pieces)
    numbers = tokenizer(texts, truncation=True)["input_ids"]
    head = nn.Linear(tower.config.hidden_size, said.shape[1])
    with torch.no_grad():
        head.bias.copy_(torch.logit(said[:of_train].mean(0).clamp(0.002, 0.998)))

    trained = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.01)
    steps = EPOCHS * (len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    curve, progress = [], tqdm(total=steps, desc="text tower")
    for epoch in range(EPOCHS):
        tower.train()
        total = []
        for rows in by_length([len(ids) for ids in numbers], BATCH, rng):
            inputs = tokenizer.pad({"input_ids": [numbers[i] for i in rows]}, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                outputs = tower(**inputs).pooler_output.float()
            error = distance(outputs, targets[rows])
            captions = rows < of_train
            if captions.any():
                logits = head(outputs[captions])
                facts = F.binary_cross_entropy_with_logits(logits, said[rows[captions]], reduction="none").sum(1)
                error = error + FACTS_WEIGHT * facts.sum() / BATCH
            error.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total.append(error.item())
            progress.update()
        tower.eval()
        cosine = F.cosine_similarity(encode(tower, tokenizer, held_out), targets[len(texts) :]).mean().item()
        row = {"epoch": epoch + 1, "loss": round(np.mean(total), 4), "held_out_cosine": round(cosine, 4)}
        with torch.inference_mode():
            curve.append(row | recognized(head(encode(tower, tokenizer, spoken[of_train:])), said[of_train:]))
        print(json.dumps(curve[-1]), flush=True)
    tower.save_pretrained(folder / "text-tower")
    tokenizer.save_pretrained(folder / "text-tower")
    write_rows(folder / "text-tower.csv", curve)
