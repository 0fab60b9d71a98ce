"""The experiment `discrete/rl-ntm`: the five tasks of the RL-NTM under either controller, and on
how many seeds each is solved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapehead.recipes.experiment import Experiment, Published

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

PAPER = "Zaremba & Sutskever 2015 (arXiv 1505.00521), Table 4"
# Whether the task was solved at all; the authors' own code solves on 30 to 50 % of seeds.
PUBLISHED = {
    "copy-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 1.0},
    "duplicated-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 1.0},
    "reverse-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
    "forward-reverse-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
    "repeat-copy-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
}
"""By task and contestant."""

FIRST_LEVELS = {"duplicated-tape": 3, "reverse-tape": 4, "forward-reverse-tape": 4}
"""Where it is not 1. On tapes of one symbol whoever writes at once is right, and a machine that has
learned so did not find out what longer ones ask for; copying, it only learned that way."""

TRAINING: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 3e-3,
    "clip_value": None,
    "clip_norm": 0.5,
    "batch_size": 64,
    "max_sequences": 192_000,
    "curriculum": "naive",
    # About a tenth of the symbols at the last level; the tenth of any length is among them.
    "lesson_mark": 1.2,
    "report_every": 3_200,
    "validate_every": 3_200,
    "validation_sequences": 200,
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of either controller on one of the five tasks; there are no others but ours."""
    from tapehead.runs.config import TrainConfig

    options: dict[str, Any] = {"controller": contestant.removeprefix("rl-ntm-")}
    if task == "forward-reverse-tape":
        options["memory"] = True
    start = {"curriculum_start": FIRST_LEVELS.get(task, 1)}
    return TrainConfig.from_dict(
        {"task": task, "machine": "rl-ntm", "machine_options": options} | TRAINING | start
    )


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """How many seeds solved each task, and how soon."""
    from tapehead.tasks import TASKS
    from tapehead.viewing.success import success_figure

    titles = {task: TASKS[task].title for task in PUBLISHED}
    return success_figure([cell for cell in cells if cell["test"] is None], titles)


EXPERIMENT = Experiment(
    name="discrete/rl-ntm",
    source=PAPER,
    tasks=tuple(PUBLISHED),
    contestants=("rl-ntm-direct", "rl-ntm-lstm"),
    recipe=recipe,
    settings=("fast",),
    metric="solved",
    unit="share of sequences of 1 to 10 symbols wholly right",
    published={
        task: {name: Published(value=solved, source=PAPER) for name, solved in solved.items()}
        for task, solved in PUBLISHED.items()
    },
    seeds=20,
    # None of them was there when the settings were searched for.
    first_seed=3_000,
    until_solved=True,
    figure=figure,
)
