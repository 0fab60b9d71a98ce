"""The learning rate as a pure function of the sequences seen."""

import math
from collections.abc import Callable

from tapehead.runs.config import TrainConfig


def learning_rate_schedule(config: TrainConfig) -> Callable[[int], float]:
    """A function from the number of sequences already seen to the learning rate of the next step.

    It climbs linearly to `learning_rate` over `warmup` sequences and then follows `schedule`
    down to `final_learning_rate`, which the linear and cosine schedules reach at `max_sequences`.
    """
    high, low, warmup = config.learning_rate, config.final_learning_rate, config.warmup
    length = max(config.max_sequences - warmup, 1)
    shape = _SHAPES[config.schedule]

    def learning_rate(sequences: int) -> float:
        if sequences < warmup:
            # The first step must move too, so the climb starts one batch up.
            return high * min(1.0, (sequences + config.batch_size) / warmup)
        done = min((sequences - warmup) / length, 1.0)
        return low + (high - low) * shape(done)

    if config.schedule == "constant" and warmup == 0:
        return lambda sequences: high
    return learning_rate


_SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
