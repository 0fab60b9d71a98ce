"""Known-good settings: the experiments of each paper, ready to run again."""

from typing import TYPE_CHECKING

from tapehead.checks import listed, shown
from tapehead.recipes import dnc, dnc_graphs, ntm, tapes
from tapehead.recipes.experiment import SETTINGS, Experiment, Published, Study

if TYPE_CHECKING:
    import tapehead.runs.config

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for experiment in (*ntm.EXPERIMENTS, *dnc.EXPERIMENTS)
}
"""Every experiment by its name on the command line."""

STUDIES: dict[str, Study] = {
    "dnc/graphs": Study(
        name="dnc/graphs",
        source="Graves, Wayne et al. 2016, Methods and Extended Data Tables 3 to 5",
        module="tapehead.recipes.dnc_graphs",
        options=(
            "data",
            "runs",
            "resume",
            "workers",
            "max_sequences",
            "test_sequences",
            "quiet",
            "json",
        ),
    ),
    "discrete/copy": Study(
        name="discrete/copy",
        source="estimators of the gradient through the choice of a row, side by side",
        module="tapehead.recipes.discrete",
        options=("machines", "workers", "quiet", "json"),
    ),
    "discrete/rl-ntm": Study(
        name="discrete/rl-ntm",
        source="Zaremba & Sutskever 2015, Table 4",
        module="tapehead.recipes.tapes",
        options=("machines", "runs", "resume", "workers", "max_sequences", "quiet", "json"),
    ),
    "discrete/tardis": Study(
        name="discrete/tardis",
        source="Gulcehre, Chandar & Bengio 2017, beside an LSTM and an NTM",
        module="tapehead.recipes.tardis",
        options=("machines", "workers", "quiet", "json"),
    ),
    "estimators/bernoulli": Study(
        name="estimators/bernoulli",
        source="Grathwohl et al. 2018, Figure 1",
        module="tapehead.recipes.estimators",
    ),
}
"""Every other published experiment by its name on the command line."""


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
    every = [*EXPERIMENTS.values(), *dnc_graphs.TASKS, *tapes.TASKS]
    experiments = [other for other in every if other.task == task]
    if not experiments:
        known = dict.fromkeys(experiment.task for experiment in every)
        raise ValueError(f"no recipe for task {shown(task)}; there are some for {listed(known)}")
    for experiment in experiments:
        if contestant in experiment.contestants:
            return experiment.recipe(task, contestant, setting)
    known = [name for experiment in experiments for name in experiment.contestants]
    raise ValueError(
        f"no recipe for {shown(machine)} on {task}; there are some for {listed(known)}"
    )


__all__ = [
    "EXPERIMENTS",
    "SETTINGS",
    "STUDIES",
    "Experiment",
    "Published",
    "Study",
    "recipe",
]
