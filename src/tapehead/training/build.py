"""From the names in a config to a task and a machine."""

import inspect

from tapehead.machines import MACHINES
from tapehead.machines.discrete import DiscreteMachine
from tapehead.machines.machine import Machine
from tapehead.tasks import Task, make_task
from tapehead.training.config import TrainConfig
from tapehead.training.randomness import seed_globals

_SIZES = ("input_size", "output_size")


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
    if config.machine not in MACHINES:
        raise ValueError(f"machine must be one of {', '.join(MACHINES)}, got {config.machine!r}")
    kind = MACHINES[config.machine]
    known = [name for name in list(inspect.signature(kind).parameters) if name not in _SIZES]
    for option in config.machine_options:
        if option not in known:
            raise TypeError(
                f"{config.machine} has no option {option!r}; its options: {', '.join(known)}"
            )
    seed_globals(config.seed)
    machine = kind(
        input_size=task.input_size, output_size=task.output_size, **config.machine_options
    )
    if isinstance(machine, DiscreteMachine) and machine.chooses and task.interactive:
        raise ValueError(
            f"addressing must be soft on {task.name}, whose inputs depend on the outputs, "
            f"got {machine.addressing!r}"
        )
    return machine
