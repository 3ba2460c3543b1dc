"""A small text tower that answers as MiniLM does, distilled on captions and on WordNet's definitions.

It starts from three of MiniLM's six layers with half of their hidden units, and the word pieces that its texts need.
"""

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import torch
from batching import by_length
from corpus.files import write_array, write_rows
from corpus.texts import captions_of
from sentence_transformers import SentenceTransformer
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AutoTokenizer, BertTokenizer, ClapTextConfig
from transformers.models.clap.modeling_clap import ClapTextModel

from musiclang.checkpoints import checkpoint

WORDNET = Path("/usr/share/wordnet")  # Debian's wordnet-base
LAYERS = (0, 2, 5)  # of MiniLM
HIDDEN_UNITS = 768  # of each layer's feed-forward network; MiniLM has 1536
VOCABULARY = 6_000  # word pieces; MiniLM has 30,522
LONGEST = 64  # tokens of a text, as the tokenizer cuts it
DEFINITIONS = 60_000
CAPTIONS = 45_000
HELD_OUT = 1_000  # definitions, to measure on
EPOCHS, BATCH, LEARNING_RATE = 3, 128, 4e-4
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


def texts_to_distill(records: list[dict]) -> tuple[list[str], list[str]]:
    """Texts to train on and held-out definitions. Captions are of training clips, in training wording."""
    rng = Random(0)
    glosses = sorted(set(definitions()))
    rng.shuffle(glosses)
    spoken = sorted({caption.text for record in records for caption in captions_of(record, 6)})
    rng.shuffle(spoken)
    texts = glosses[HELD_OUT : HELD_OUT + DEFINITIONS] + spoken[:CAPTIONS]
    rng.shuffle(texts)
    return texts, glosses[:HELD_OUT]


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


def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cosine distance to the teacher's embedding, and the error of all similarities within the batch."""
    outputs, targets = F.normalize(outputs, dim=1), F.normalize(targets, dim=1)
    near = 1 - (outputs * targets).sum(1).mean()
    return near + 10 * (outputs @ outputs.T - targets @ targets.T).square().mean()


def distill(records: list[dict], folder: Path) -> None:
    """Train the text tower on the captions of training clips and write it with its tokenizer and its curve."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    texts, held_out = texts_to_distill(records)
    teacher = SentenceTransformer(**checkpoint("text-encoder"), device="cpu")
    targets_path = folder / "text-targets.npy"
    if not targets_path.is_file():
        targets = teacher.encode(texts + held_out, batch_size=128, show_progress_bar=True).astype(np.float16)
        write_array(targets_path, targets)
    targets = torch.from_numpy(np.load(targets_path).astype(np.float32))
    tokenizer, pieces = small_tokenizer(
        AutoTokenizer.from_pretrained(checkpoint("text-encoder")["model_name_or_path"]), texts
    )
    tower = start(teacher[0].model, pieces)
    numbers = tokenizer(texts, truncation=True)["input_ids"]

    optimizer = torch.optim.AdamW(tower.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    steps = EPOCHS * (len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    curve, progress = [], tqdm(total=steps, desc="text tower")
    for epoch in range(EPOCHS):
        tower.train()
        total = []
        for rows in by_length([len(ids) for ids in numbers], BATCH, rng):
            inputs = tokenizer.pad({"input_ids": [numbers[i] for i in rows]}, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                outputs = tower(**inputs).pooler_output
            error = loss(outputs.float(), targets[rows])
            error.backward()
            torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total.append(error.item())
            progress.update()
        tower.eval()
        cosine = F.cosine_similarity(encode(tower, tokenizer, held_out), targets[len(texts) :]).mean().item()
        curve.append({"epoch": epoch + 1, "loss": round(np.mean(total), 4), "held_out_cosine": round(cosine, 4)})
        print(json.dumps(curve[-1]), flush=True)
    tower.save_pretrained(folder / "text-tower")
    tokenizer.save_pretrained(folder / "text-tower")
    write_rows(folder / "text-tower.csv", curve)
