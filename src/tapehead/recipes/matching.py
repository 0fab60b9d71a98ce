"""A machine with as many parameters as another one, for a comparison that size does not decide."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import NamedTuple

from tapehead.checks import shown
from tapehead.machines import MACHINES
from tapehead.recipes import usual_settings
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.config import TrainConfig
from tapehead.tasks import Task

NARROW = 64
"""Up to here the first width is looked for that a machine can have at all."""


class Matched(NamedTuple):
    """Settings whose machine is as large as another one.

    config: the settings, with the width among `machine_options`.
    width: the name of that option.
    parameters: what the machine has with it.
    wanted: what the other machine has.
    """

    config: TrainConfig
    width: str
    parameters: int
    wanted: int


def match_parameters(config: TrainConfig, other: str, setting: str = "fast") -> Matched:
    """The settings with the width whose parameter count is nearest to that of another machine.

    The other machine reads the same task, with the options that its recipe gives it there, or its
    defaults where there is no recipe.

    Args:
        other: name of a machine, or of a contestant: "ntm", "ntm-feedforward", "dnc".
        setting: of the other machine's recipe.

    Raises:
        ValueError: there is no such machine, it cannot read the task, or the machine of `config`
            has no width.

    >>> from tapehead.recipes.matching import match_parameters
    >>> from tapehead.training import TrainConfig
    >>> config = TrainConfig(task="copy", machine="lstm", machine_options={"num_layers": 1})
    >>> matched = match_parameters(config, "ntm")
    >>> list(matched.config.machine_options), matched.width
    (['num_layers', 'hidden_size'], 'hidden_size')
    >>> abs(matched.parameters / matched.wanted - 1) < 0.01
    True
    """
    width = width_of(config.machine)
    task = build_task(config)
    try:
        theirs = usual_settings(config.task, config.task_options, other, setting)
        wanted = _count(dataclasses.replace(theirs, task_options=config.task_options), task)
    except ValueError as error:
        raise ValueError(f"match_parameters {shown(other)}: {error}") from None

    def wide(size: int) -> TrainConfig:
        options = {**config.machine_options, width: size}
        return dataclasses.replace(config, machine_options=options)

    size = nearest_size(lambda size: _count(wide(size), task), wanted)
    return Matched(wide(size), width, _count(wide(size), task), wanted)


def width_of(machine: str) -> str:
    """The option that makes a machine wider.

    Raises:
        ValueError: it has none.
    """
    kind = MACHINES[machine]
    option = inspect.signature(kind).parameters.get(kind.width)
    if option is None or option.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise ValueError(
            f"match_parameters must be left out: {machine} has no option {kind.width} to change"
        )
    return kind.width


def nearest_size(count: Callable[[int], int], wanted: int) -> int:
    """The size at which a count that grows with it is nearest to the one that is wanted.

    Args:
        count: raises a ValueError at a size that cannot be; where some cannot, those that can are
            the multiples of the first.

    >>> from tapehead.recipes.matching import nearest_size
    >>> nearest_size(lambda size: size * size, 111), nearest_size(lambda size: size, 1)
    (11, 1)
    """
    first = _first_size(count)
    low, high = 0, 1
    while count(high * first) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle * first) < wanted else (low, middle)
    return min((max(low, 1) * first, high * first), key=lambda size: abs(count(size) - wanted))


def _first_size(count: Callable[[int], int]) -> int:
    for size in range(1, NARROW):
        try:
            count(size)
        except ValueError:
            continue
        return size
    count(NARROW)  # which tells why, or can be
    return NARROW


def _count(config: TrainConfig, task: Task) -> int:
    return sum(weight.numel() for weight in build_machine(config, task).parameters())
