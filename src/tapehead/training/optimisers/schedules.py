"""The learning rate as a pure function of the sequences seen."""

import math
from collections.abc import Callable

from tapehead.runs.config import TrainConfig

Schedule = Callable[[int, int], float]
"""From the sequences already seen, and how many of them came before the last restart, to the
learning rate of the next step."""


def learning_rate_schedule(config: TrainConfig) -> Schedule:
    """The learning rate from step to step.

    It climbs linearly to `learning_rate` over `warmup` sequences and then follows `schedule`
    down to `final_learning_rate`, which the linear and cosine schedules reach at `max_sequences`.
    A run that begins anew does all this again in the sequences that are left.
    """
    high, low, warmup = config.learning_rate, config.final_learning_rate, config.warmup
    shape = _SHAPES[config.schedule]

    def learning_rate(sequences: int, began: int) -> float:
        seen = sequences - began
        if seen < warmup:
            # The first step must move too, so the climb starts one batch up.
            return high * min(1.0, (seen + config.batch_size) / warmup)
        length = max(config.max_sequences - began - warmup, 1)
        done = min((seen - warmup) / length, 1.0)
        return low + (high - low) * shape(done)

    if config.schedule == "constant" and warmup == 0:
        return lambda sequences, began: high
    return learning_rate


_SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
