"""How near a training that was interrupted and resumed must come to one that was not.

Weights that lie elsewhere in memory, or another number of threads, take another path through the matrix library:
sums are rounded differently, and steps of training carry that on. What is lost when a state is not restored is far
larger.
"""

import pytest

RESUMED = 1e-3  # of weights, relative and absolute
CURVE = 1e-3  # of losses, relative


def same_curve(one: list[dict], other: list[dict]) -> bool:
    """Whether two curves agree in all but the seconds that they took."""
    curves = ([{k: v for k, v in row.items() if k != "seconds"} for row in curve] for curve in (one, other))
    return all(row == pytest.approx(expected, rel=CURVE) for row, expected in zip(*curves, strict=True))


def interrupt(trainer, number: int) -> None:
    """Run a training that is interrupted when a round begins."""
    going_on = trainer.round

    def interrupted(current: int) -> dict:
        if current == number:
            raise KeyboardInterrupt
        return going_on(current)

    trainer.round = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
