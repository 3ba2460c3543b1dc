"""A training that can be interrupted: one loop, its schedule, and its state on the disk."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import nn

from recipes.common.files import write_rows, write_state


def cosine(step: int, steps: int, warm_up: float, end: float = 0.0) -> float:
    """Share of the learning rate: a linear warm-up of ``warm_up`` steps, then half a cosine down to ``end``."""
    if step < warm_up:
        return (step + 1) / warm_up
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1, (step - warm_up) / (steps - warm_up))))


class Trainer:
    """A training in rounds: an epoch each, or so many steps. What is drawn in a round depends on its number alone.

    A subclass has the methods ``round`` and ``check``, and ``parts``: what has a ``state_dict``.

    Parameters
    ----------
    folder : where the state and the curve are kept
    rounds : how many there are in all
    optimizers : each follows ``rate``, and steps together with the others

    Attributes
    ----------
    name : of the file with the state
    curve_name : of the file with the curve, a line a round
    best : the column of the curve whose least value marks the best round; None if the last round is what counts
    """

    name = "training"
    curve_name = "curve.csv"
    best: str | None = None

    def __init__(self, folder: Path, rounds: int, optimizers: Sequence[torch.optim.Optimizer]):
        self.folder, self.rounds, self.optimizers = folder, rounds, optimizers
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(one, self.rate) for one in optimizers]
        self.curve: list[dict] = []

    def rate(self, step: int) -> float:
        """Share of the learning rate at a step."""
        raise NotImplementedError

    def parts(self) -> dict:
        """What is trained, by name, without optimizers and schedules."""
        raise NotImplementedError

    def round(self, number: int) -> dict:
        """Train for a round, and give its first columns of the curve."""
        raise NotImplementedError

    def check(self) -> dict:
        """Measure on validation clips, and give the other columns of the curve."""
        raise NotImplementedError

    def best_state(self) -> dict:
        """What is kept of the best round."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def finished(self):
        """What ``run`` gives, after the last round."""
        raise NotImplementedError

    def saved(self) -> dict:
        """All that has a state."""
        found = dict(self.parts())
        for kind, group in (("optimizer", self.optimizers), ("schedule", self.schedules)):
            found |= {f"{kind} {number}": one for number, one in enumerate(group)}
        return found

    def run(self, rounds: int | None = None):
        """Train to the end, or for so many rounds at most, from the last round on disk if there is one."""
        path = self.folder / f"{self.name}.pt"
        if path.is_file():
            state = torch.load(path, weights_only=True)
            for name, part in self.saved().items():
                part.load_state_dict(state[name])
            self.curve = state["curve"]
        end = self.rounds if rounds is None else min(self.rounds, len(self.curve) + rounds)
        for number in range(len(self.curve), end):
            began = time.monotonic()
            row = self.round(number)
            row |= {"seconds": round(time.monotonic() - began)} | self.check()
            self.curve.append(row)
            print(json.dumps(row), flush=True)
            if self.best and row[self.best] == min(one[self.best] for one in self.curve):
                write_state(self.folder / "best.pt", self.best_state())
            state = {name: part.state_dict() for name, part in self.saved().items()}
            write_state(path, state | {"curve": self.curve})
            write_rows(self.folder / self.curve_name, self.curve)
        return self.finished()

    def load_best(self) -> None:
        """Put the state of the best round back into the parts."""
        state = torch.load(self.folder / "best.pt", weights_only=True)
        for name, part in self.parts().items():
            if name in state:
                part.load_state_dict(state[name])

    def step_down(self, loss: torch.Tensor, parameters: Iterable[nn.Parameter], most: float) -> None:
        """Take a step against the gradient of a loss, whose norm is cut off at ``most``."""
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, most)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
