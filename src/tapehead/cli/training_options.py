"""The options of a training, which `tapehead train` and `tapehead sweep` take, and the settings
that come of them."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.cli.help import screen
from tapehead.cli.options import (
    Option,
    UnknownOption,
    UsageError,
    constructor_options,
    options_of,
)
from tapehead.cli.parsing import parse
from tapehead.recipes import SETTINGS
from tapehead.registry import ENGINES, MACHINES, TASKS, AddressError
from tapehead.runs.config import TrainConfig

if TYPE_CHECKING:  # helping needs no torch
    from tapehead.tasks import Task


class Options(NamedTuple):
    """What the command takes, by what the options belong to."""

    common: list[Option]
    training: list[Option]
    machine: list[Option]
    objective: list[Option]
    task: list[Option]

    @property
    def all(self) -> list[Option]:
        return [option for group in self for option in group]


def options_for(base: TrainConfig, task_given: bool, command: type) -> Options:
    """Options with the defaults of some settings.

    Args:
        task_given: whether the task is among the words; otherwise a resumed run knows it.
        command: whose fields come first.
    """
    from tapehead.training.objectives import OBJECTIVES

    kind, task = MACHINES[base.machine], TASKS[base.task]
    choices = {
        "task": TASKS,
        "machine": MACHINES,
        "setting": SETTINGS,
        "engine": ENGINES,
    }
    names = {"match_parameters": tuple(MACHINES)}
    common = [
        dataclasses.replace(
            option,
            choices=choices.get(option.name, option.choices),
            names=names.get(option.name, option.names),
        )
        for option in options_of(command, machine=base.machine)
        if task_given or option.name != "task"
    ]
    # A task may have an option --task, of bAbI's twenty for one.
    common = [
        dataclasses.replace(option, name="TASK") if option.positional else option
        for option in common
    ]
    training = [
        option
        for option in options_of(TrainConfig, **base.to_dict())
        if option.name not in ("task", "machine") and not option.name.endswith("_options")
    ]
    # The seed belongs to what one looks for first.
    seed = next(option for option in training if option.name == "seed")
    training.remove(seed)
    if "seed" not in (option.name for option in common):
        common.insert(3, seed)
    return Options(
        common=common,
        training=training,
        machine=constructor_options(kind, **base.machine_options),
        objective=constructor_options(
            OBJECTIVES[task.trained_by or kind.trained_by], **base.objective_options
        ),
        task=options_of(task, **base.task_options),
    )


def help_of(command: type, prog: str, base: TrainConfig, options: Options, everything: bool) -> str:
    """The help screen of a command with these options."""
    footer = (
        "Defaults are those of this task, machine and setting: name others before --help. "
        "A default of yes or no is a switch: --figures, --no-figures."
    )
    if not everything:
        footer += " --help-all explains all."
    return screen(
        f"{prog} TASK [options]",
        " ".join((command.__doc__ or "").split()),
        options.common,
        [
            ("Training", options.training),
            (f"Machine: {base.machine}", options.machine),
            ("Objective: how it is trained", options.objective),
            (f"Task: {base.task}", options.task),
        ],
        footer,
        everything=everything,
    )


def parse_for(
    base: TrainConfig, options: Options, argv: Sequence[str], prog: str
) -> dict[str, Any]:
    """The values of the options, by name, as `parse` gives them.

    Raises:
        UsageError: as `parse`; of an option that other machines have, it says which.
    """
    try:
        return parse(options.all, argv, prog)
    except UnknownOption as error:
        having = _machines_with(error.flag, TASKS[base.task])
        if not having:
            raise
        raise UsageError(
            f"{error.flag} is an option of {', '.join(having)}; not of {base.machine}"
        ) from None


def _machines_with(flag: str, task: "type[Task]") -> list[str]:
    """Those that can be trained on a task and have an option, or whose objective has it."""
    from tapehead.training.objectives import OBJECTIVES

    name = flag.removeprefix("--").removeprefix("no-").replace("-", "_")
    having = []
    for machine in MACHINES:
        try:
            kind = MACHINES[machine]
        except AddressError:  # of another package, and broken
            continue
        if kind.reads is not task.tells:
            continue
        makers = (kind, OBJECTIVES[task.trained_by or kind.trained_by])
        if any(
            name in parameters and parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
            for parameters in (inspect.signature(maker).parameters for maker in makers)
        ):
            having.append(machine)
    return having


KEEP_WEIGHTS = {"backend", "memory_size"}
"""Options of a machine with whose other values it can begin with the same weights."""


def config_of(base: TrainConfig, options: Options, values: Mapping[str, Any]) -> TrainConfig:
    """Settings with the values of these options."""
    training = {option.name: values[option.name] for option in options.training}
    if not training["stop_when_solved"] and training["cooldown"] == base.cooldown:
        training["cooldown"] = 0  # a recipe's own, at whose end the run would stop
    if training["start_from"] is not None and training["restart_after"] == base.restart_after:
        training["restart_after"] = training["restart_mark"] = None  # a recipe's own, likewise
    machine = _changed(base.machine_options, options.machine, values)
    fits = all(
        machine.get(name) == base.machine_options.get(name)
        for name in {*machine, *base.machine_options} - KEEP_WEIGHTS
    )
    own_start = training["start_from"] == base.start_from
    if own_start and (not fits or training["restart_after"] is not None):
        training["start_from"] = None  # a recipe's own: weights of another machine, or given up
    return dataclasses.replace(
        base,
        **training,
        seed=values.get("seed", base.seed),
        machine_options=machine,
        objective_options=_changed(base.objective_options, options.objective, values),
        task_options=_changed(base.task_options, options.task, values),
    )


def _changed(
    before: dict[str, Any], options: Sequence[Option], values: Mapping[str, Any]
) -> dict[str, Any]:
    """A table of options as a recipe has it, with what the command line changed."""
    changed = {
        option.name: values[option.name]
        for option in options
        if values[option.name] != option.default
    }
    return {name: value for name, value in (before | changed).items() if value is not None}


def check_config(config: TrainConfig) -> None:
    """Raise a TypeError or ValueError if nothing can be trained with these settings."""
    from tapehead.runs.build import build_machine, build_task, check_memory
    from tapehead.runs.devices import usable_device
    from tapehead.training.curriculum import CurriculumSchedule
    from tapehead.training.objectives import make_objective

    usable_device(config.device)
    task = build_task(config)
    CurriculumSchedule(config, task)
    machine = build_machine(config, task)
    make_objective(machine, task, **config.objective_options)
    check_memory(config, task, machine)
