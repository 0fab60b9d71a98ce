"""Known-good settings: the experiments of each paper, ready to run again."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from tapehead import registry
from tapehead.checks import listed, shown
from tapehead.recipes.experiment import SETTINGS, Calculation, Experiment, Published

if TYPE_CHECKING:
    import tapehead.runs.config

EXPERIMENTS: Mapping[str, Experiment] = registry.EXPERIMENTS
"""Every experiment that trains machines, by its name on the command line."""

CALCULATIONS: dict[str, Calculation] = {
    "estimators/bernoulli": Calculation(
        name="estimators/bernoulli",
        source="Grathwohl et al. 2018, Figure 1",
        module="tapehead.recipes.bernoulli",
    ),
    "babi/table": Calculation(
        name="babi/table",
        source="Henaff et al. 2017, Table 2: from the results of babi/..., trains nothing",
        module="tapehead.recipes.babi_table",
    ),
}
"""Every other published experiment by its name on the command line."""

REPRODUCIBLE = ChainMap[str, Any](CALCULATIONS, cast(Any, EXPERIMENTS))
"""All that `tapehead reproduce` takes; a calculation keeps its name, whatever is installed."""


def ours() -> list[Experiment]:
    """The experiments of this package: what a training starts from, and what is set beside the
    papers, must not depend on what else is installed."""
    return [EXPERIMENTS[name] for name in registry.EXPERIMENTS.known]


def recipe(task: str, machine: str, setting: str = "fast") -> "tapehead.runs.config.TrainConfig":
    """Known-good settings of a machine on a task.

    Args:
        task: name of the task.
        machine: a contestant: "ntm-lstm", "ntm-feedforward", "lstm", "dnc"; "ntm" means "ntm-lstm".
        setting: "fast" (ours, found by search) or "paper" (the paper's optimiser and rates).

    Raises:
        ValueError: there is no such recipe; says which there are.
    """
    contestant = {"ntm": "ntm-lstm", "rl-ntm": "rl-ntm-direct"}.get(machine, machine)
    if setting not in SETTINGS:
        raise ValueError(f"setting must be one of {', '.join(SETTINGS)}, got {shown(setting)}")
    experiments = [each for each in ours() if task in each.tasks]
    if not experiments:
        known = dict.fromkeys(name for each in ours() for name in each.tasks)
        raise ValueError(f"no recipe for task {shown(task)}; there are some for {listed(known)}")
    for experiment in experiments:
        if contestant in experiment.contestants:
            if setting not in experiment.settings:
                allowed = listed(experiment.settings)
                raise ValueError(f"setting must be {allowed} for {task}, got {shown(setting)}")
            return experiment.recipe(task, contestant, setting)
    known = dict.fromkeys(name for each in experiments for name in each.contestants)
    raise ValueError(
        f"no recipe for {shown(machine)} on {task}; there are some for {listed(known)}"
    )


def usual_settings(
    task: str,
    task_options: Mapping[str, Any],
    contestant: str,
    setting: str = "fast",
    *,
    machine: str | None = None,
) -> "tapehead.runs.config.TrainConfig":
    """The recipe of a contestant on a task, or in the fast setting a machine's defaults where there
    is none.

    Args:
        task: name of the task.
        task_options: which say what variant of the task it is, if it has several.
        contestant: as `recipe` takes it, or any machine.
        machine: that it is made from; left out: of the same name.

    Raises:
        ValueError: there is no such recipe in this setting; says which there are.
    """
    from tapehead.runs.config import TrainConfig

    kind, label = registry.TASKS[task], task
    if kind.variant:
        variant = next(field for field in fields(kind) if field.name == kind.variant)
        label += f"-{task_options.get(variant.name, variant.default)}"
    try:
        return recipe(label, contestant, setting)
    except ValueError:
        if setting != "fast":
            raise
        return TrainConfig(task=task, machine=machine or contestant, test_sequences=512)


__all__ = [
    "CALCULATIONS",
    "EXPERIMENTS",
    "REPRODUCIBLE",
    "SETTINGS",
    "Calculation",
    "Experiment",
    "Published",
    "ours",
    "recipe",
    "usual_settings",
]
