"""The experiment `discrete/tardis`: TARDIS beside an LSTM and an NTM on copy and associative
recall."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapehead.recipes.experiment import Contest, Experiment

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

PAPER = "Gulcehre, Chandar & Bengio 2017 (arXiv 1701.08718); no values of these tasks at hand"

TASK_OPTIONS = {"copy": {"max_length": 10}, "associative-recall": {"max_items": 3}}
"""Small enough for a few hours of one core."""

TARDIS: dict[str, Any] = {
    "machine": "tardis",
    # It fills a row in each step, and all of these tasks take fewer; rows that stay empty cost as
    # much as others.
    "machine_options": {"memory_size": 24},
}

CONTESTANTS: dict[str, dict[str, Any]] = {
    "tardis straight-through-gumbel": TARDIS
    | {
        "objective_options": {"estimator": "straight-through-gumbel"},
    },
    "tardis reinforce": TARDIS
    | {
        "objective_options": {"estimator": "reinforce", "entropy": 0.0005},
        # About as much time as the other estimator takes on its slowest seeds.
        "max_sequences": 120_000,
    },
    "lstm": {"machine": "lstm", "machine_options": {"hidden_size": 128, "num_layers": 1}},
    "ntm": {"machine": "ntm", "machine_options": {"memory_size": 64, "memory_init": "uniform"}},
}

TRAINING: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 2e-3,
    "clip_value": None,
    "clip_norm": 1.0,
    "batch_size": 32,
    "max_sequences": 200_000,
    "report_every": 1_600,
    "validate_every": 1_600,
    "validation_sequences": 128,
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of each contestant, trained alike, with the whole task from the first batch
    on."""
    from tapehead.runs.config import TrainConfig

    options = {"task": task, "task_options": dict(TASK_OPTIONS[task])}
    return TrainConfig.from_dict(TRAINING | options | CONTESTANTS[contestant])


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The usual cell, with learning curves."""
    from tapehead.recipes.races import with_curves

    return with_curves(contest)


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """A column for each task."""
    from tapehead.tasks import TASKS
    from tapehead.viewing.races import task_figure

    titles = {task: TASKS[task].title for task in TASK_OPTIONS}
    return task_figure([cell for cell in cells if cell["test"] is None], titles)


EXPERIMENT = Experiment(
    name="discrete/tardis",
    source=PAPER,
    tasks=tuple(TASK_OPTIONS),
    contestants=tuple(CONTESTANTS),
    recipe=recipe,
    settings=("fast",),
    metric="bit_errors",
    unit="wrong bits per sequence",
    seeds=20,
    # Runs that use up all their sequences cost the most, and these do on copy.
    seeds_of={"tardis reinforce": 3, "lstm": 5},
    # None of them was there when the settings were searched for.
    first_seed=3_000,
    until_solved=True,
    judge=judge,
    figure=figure,
)
