"""The learning rate as a pure function of the sequences seen."""

import math
from collections.abc import Callable

from tapehead.runs.config import TrainConfig

Schedule = Callable[[int, int, int | None, int], float]
"""From the sequences already seen, how many of them came before the last restart, how many before
the task was solved (None: it is not), and how often `patience` ran out, to the learning rate of the
next step."""


def learning_rate_schedule(config: TrainConfig) -> Schedule:
    """The learning rate from step to step.

    It climbs linearly to `learning_rate` over `warmup` sequences and then follows `schedule`
    down to `final_learning_rate`, which the linear and cosine schedules reach at `max_sequences`.
    A run that begins anew does all this again in the sequences that are left. Once the task is
    solved, the rate of that moment falls to `final_learning_rate` over `cooldown` sequences.
    Whenever `patience` runs out it is halved, for good, down to `final_learning_rate`.
    """
    high, low, warmup = config.learning_rate, config.final_learning_rate, config.warmup
    shape = _SHAPES[config.schedule]

    def unsolved(sequences: int, began: int) -> float:
        seen = sequences - began
        if seen < warmup:
            # The first step must move too, so the climb starts one batch up.
            return high * min(1.0, (seen + config.batch_size) / warmup)
        length = max(config.max_sequences - began - warmup, 1)
        done = min((seen - warmup) / length, 1.0)
        return low + (high - low) * shape(done)

    def learning_rate(sequences: int, began: int, solved: int | None, halvings: int) -> float:
        share = 0.5**halvings
        if solved is None or not config.cooldown:
            rate = unsolved(sequences, began) * share
            return max(rate, low) if halvings else rate
        reached = max(unsolved(solved, began) * share, low)
        done = min((sequences - solved) / config.cooldown, 1.0)
        return low + (reached - low) * _SHAPES["cosine"](done)

    return learning_rate


_SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
