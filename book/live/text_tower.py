"""The text tower of the mini CLAP, its tokenizer and the library that runs it: what the live search loads."""

import copy
import json
from pathlib import Path

import torch
from clip_entries import read_entries
from eight_bits import export, round_weights
from files import write
from packages import take
from transformers import ClapModel, ClapProcessor

from musicwords.checkpoints import SHIPPED
from musicwords.clips import load_clips

CLAP = SHIPPED / "clap"  # the mini one, whatever the tier: the published one is too large for a page


class TextTower(torch.nn.Module):
    """What ``ClapModel.get_text_features`` computes, for one text."""

    def __init__(self, model: ClapModel):
        super().__init__()
        self.text_model, self.text_projection = model.text_model, model.text_projection

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the unit vector (1, dimensions) of the word pieces (1, pieces)."""
        pooled = self.text_model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).pooler_output
        return torch.nn.functional.normalize(self.text_projection(pooled), dim=-1)


def export_tower(tower: TextTower) -> bytes:
    """Return a rounded tower as an ONNX file: ``input_ids`` (1, pieces), int64, to ``text_embedding`` (1, dimensions).

    Raises
    ------
    ValueError
        If a matrix was not rounded before.
    """
    example = {"input_ids": torch.tensor([[2, 5, 6, 3]])}
    return export(tower, example, ["text_embedding"], {"input_ids": {1: "pieces"}})


def largest_difference(tower: TextTower, rounded: TextTower, tokenizer, entries: list[dict]) -> float:
    """Return by how much rounding the weights changes a cosine of a clip and a caption of the clips, at most."""
    embeddings = torch.tensor([entry["embedding"] for entry in entries])  # (clips, dimensions)
    largest = 0.0
    for caption in sorted({text for clip in load_clips() for text in clip["captions"].values()}):
        pieces = tokenizer(caption, truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            change = (tower(pieces) - rounded(pieces)) @ embeddings.T  # (1, clips)
        largest = max(largest, change.abs().max().item())
    return largest


def write_group(target: Path, made: Path, groups: dict[str, Path]) -> dict:
    """Write tower, tokenizer and library to ``target``, and return what rounding changes: ``difference``."""
    take(("tokenizers.js", "LICENSE-tokenizers.txt"), target, made)
    tower = TextTower(ClapModel.from_pretrained(CLAP)).eval()
    rounded = copy.deepcopy(tower)
    round_weights(rounded)
    write(target / "text_tower.onnx.gzip", export_tower(rounded))
    words = {
        "tokenizer": json.loads((CLAP / "tokenizer.json").read_text(encoding="utf-8")),
        "config": json.loads((CLAP / "tokenizer_config.json").read_text(encoding="utf-8")),
    }
    write(target / "tokenizer.json.gzip", json.dumps(words, ensure_ascii=False).encode())
    tokenizer = ClapProcessor.from_pretrained(CLAP).tokenizer
    return {"difference": largest_difference(tower, rounded, tokenizer, read_entries(groups["clips"]))}
