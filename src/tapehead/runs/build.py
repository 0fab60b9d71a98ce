"""From the names in a config to a task and a machine."""

import inspect
from typing import Any

import torch

from tapehead.checks import choice, listed, shown
from tapehead.machines import MACHINES
from tapehead.machines.machine import Machine
from tapehead.room import check_room
from tapehead.runs.config import TrainConfig
from tapehead.runs.randomness import as_by_default, seed_globals
from tapehead.tasks import Task, make_task

_KEPT = {"rmsprop": 2, "graves-rmsprop": 3, "adam": 2}
"""Numbers that an optimiser keeps for each weight."""


def build_task(config: TrainConfig) -> Task:
    """Raises ValueError or TypeError that names the option, its value and what is allowed."""
    return make_task(config.task, **config.task_options)


def build_machine(config: TrainConfig, task: Task) -> Machine:
    """A fresh machine that fits the task, its weights drawn from the config's seed.

    Seeds the global generators on the way.

    Raises:
        ValueError: the machine is unknown, or an option has an impossible value.
        TypeError: the machine has no such option.
    """
    choice(MACHINES)("machine", config.machine)
    kind = MACHINES[config.machine]
    if kind.reads is not task.tells:
        fitting = ", ".join(name for name, each in MACHINES.items() if each.reads is task.tells)
        raise ValueError(
            f"machine must be one of {fitting} on {task.name}, got {config.machine!r}, which reads "
            f"a {kind.reads.__name__} and not a {task.tells.__name__}"
        )
    if config.test_memory_size is not None and not kind.resizable:
        raise ValueError(
            f"test_memory_size must be left out for {config.machine}, whose memory is fixed, "
            f"got {config.test_memory_size}"
        )
    if config.lesson_rows:
        _check_lesson_rows(config.machine, kind, task)
    known = [name for name in list(inspect.signature(kind).parameters) if name not in task.sizes]
    for option in config.machine_options:
        if option not in known:
            raise TypeError(
                f"{config.machine} has no option {shown(option)}; its options: {listed(known)}"
            )
    seed_globals(config.seed)
    with as_by_default():
        return kind(**task.sizes, **config.machine_options)


def _check_lesson_rows(name: str, kind: type[Machine], task: Task) -> None:
    if task.facts is None:
        raise ValueError(
            f"lesson_rows must be False on {task.name}, which does not say how many facts it "
            "tells, got True"
        )
    # Weights that depended on the rows would have to be trained again in every lesson.
    if not kind.resizable or kind.has_weights_of_rows():
        raise ValueError(
            f"lesson_rows must be False for {name}, whose memory cannot grow without new weights, "
            "got True"
        )


def check_memory(config: TrainConfig, task: Task, machine: Machine) -> None:
    """Raise a ValueError that names an option if a training step could not fit into memory.

    What is reckoned is the least that a step takes: weights, their gradient and what the optimiser
    keeps, and of each sequence its inputs, targets and outputs and the states that it begins and
    ends with. A machine that keeps more of every step can still run out.
    """
    weights = sum(parameter.numel() for parameter in machine.parameters())
    weights *= 2 + _KEPT[config.optimiser]
    state = machine.state_numbers

    def numbers(batch_size: int, **options: Any) -> int:
        return weights + task.numbers(batch_size, **options) + batch_size * 2 * state

    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_room(
        numbers,
        {"batch_size": config.batch_size, **vars(task)},
        what="a training step",
        device=torch.device(device),
        dtype=torch.float64 if config.precision == "64" else torch.float32,
    )
