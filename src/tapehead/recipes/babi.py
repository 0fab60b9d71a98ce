"""The experiments `babi/...`: machines that read stories on the twenty bAbI tasks, each task on its
own (Weston et al. 2015), as in the table that the papers print.

A run is judged by the checkpoint with the best validation: its error on the test questions.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.recipes.experiment import Contest, Experiment, Published

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

_STORIES = {4: 9000, 15: 2250, 16: 9000, 17: 1125, 18: 1781, 19: 9000, 20: 840}
"""Training stories of the tasks that have not 1,800, the validation split taken away."""
_QUESTIONS = 9000
TASKS = tuple(f"babi-{number}" for number in range(1, 21))
GENERATED = (3,)
"""Tasks trained on simulated stories: of this one the authors' training file is often missing."""


class Plan(NamedTuple):
    """How a machine is trained on a task.

    epochs: as many questions as the training set has, so many times.
    questions: in a batch, about.
    """

    epochs: int
    learning_rate: float
    questions: int
    clip_norm: float
    linear: int = 0
    """Epochs at the start without the softmax over memories."""
    l2: float = 0.0
    weight_decay: float = 0.0
    options: Mapping[str, Any] = {}


MEMORY = Plan(epochs=60, learning_rate=0.01, questions=128, clip_norm=40.0)
ENTITY = Plan(epochs=12, learning_rate=0.005, questions=40, clip_norm=10.0)
DYNAMIC = Plan(epochs=16, learning_rate=0.002, questions=100, clip_norm=10.0, l2=1e-3)
_ADAMW = {"l2": 0.0, "weight_decay": 1e-2}
PLANS: dict[str, tuple[Plan, dict[int, dict[str, Any]]]] = {
    "memory-network": (
        MEMORY,
        {
            1: {"epochs": 10},
            4: {"epochs": 30},
            15: {"epochs": 10},
            16: {"linear": 20, "learning_rate": 0.005},
            20: {"epochs": 35},
        },
    ),
    "entity-network": (
        ENTITY,
        {
            1: {"epochs": 3},
            2: {"epochs": 24},
            4: {"epochs": 3},
            14: {"epochs": 20},
            16: {"epochs": 20},
            17: {"epochs": 60},
            19: {"epochs": 30},
        },
    ),
    "dynamic-memory-network": (
        DYNAMIC,
        {
            1: {"epochs": 4, **_ADAMW},
            4: {"epochs": 3},
            6: {"epochs": 6},
            15: {"epochs": 6},
            20: {"epochs": 6},
            7: {"epochs": 20},
            14: {"epochs": 20},
            17: {"epochs": 30, **_ADAMW},
            18: {"learning_rate": 0.003, **_ADAMW},
            19: {"epochs": 45},
        },
    ),
}
"""By machine: its usual plan, and what is different for a task."""

PUBLISHED = {
    "memory-network": (
        [0.0, 0.3, 2.1, 0.0, 0.8, 0.1, 2.0, 0.9, 0.3, 0.0, 0.1, 0.0, 0.0, 0.1, 0.0, 51.8, 18.6, 5.3,
         2.3, 0.0]
    ),
    "entity-network": (
        [0.0, 0.1, 4.1, 0.0, 0.3, 0.2, 0.0, 0.5, 0.1, 0.6, 0.3, 0.0, 1.3, 0.0, 0.0, 0.2, 0.5, 0.3,
         2.3, 0.0]
    ),
    "dynamic-memory-network": (
        [0.0, 0.3, 1.1, 0.0, 0.5, 0.0, 2.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 45.3, 4.2, 2.1,
         0.0, 0.0]
    ),
}  # fmt: skip
"""Test error in %, best of 10 runs by validation, as Henaff et al. (2017), table 2, print it."""
PAPERS = {
    "memory-network": "Sukhbaatar et al. 2015",
    "entity-network": "Henaff et al. 2017",
    "dynamic-memory-network": "Xiong, Merity & Socher 2016",
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of a machine on one of the tasks "babi-1" to "babi-20"."""
    from tapehead.runs.config import TrainConfig

    number = int(task.removeprefix("babi-"))
    plan, changes = PLANS[contestant]
    plan = plan._replace(**changes.get(number, {}))
    stories = _STORIES.get(number, 1800)
    total = stories * plan.epochs
    batch_size = max(1, round(plan.questions * stories / _QUESTIONS))
    options: dict[str, Any] = {"task": str(number)}
    if number in GENERATED:
        options["generated"] = True
    objective: dict[str, Any] = {}
    if plan.linear:
        objective["linear_batches"] = plan.linear * stories // batch_size
    return TrainConfig(
        task="babi",
        task_options=options,
        machine=contestant,
        machine_options=dict(plan.options),
        objective_options=objective,
        optimiser="adam",
        learning_rate=plan.learning_rate,
        l2=plan.l2,
        weight_decay=plan.weight_decay,
        clip_value=None,
        clip_norm=plan.clip_norm,
        schedule="cosine",
        warmup=total // 20,
        batch_size=batch_size,
        max_sequences=total,
        stop_when_solved=False,
        report_every=max(1, total // 20),
        validate_every=max(1, total // 20),
        test_sequences=1,
    )


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The test error of each run's best checkpoint by validation."""
    from tapehead.runs import load_run
    from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
    from tapehead.runs.evaluation import evaluate_settings

    cells = contest.cells()[:1]
    values, validation = [], []
    for job in contest.jobs:
        _, machine, task = load_run(job.path)
        values.append(evaluate_settings(machine, task)["test"]["wrong"])
        folder = job.path / "checkpoint"
        best = load_checkpoint(folder, checkpoint_steps(folder)[-1]).progress["best"]
        validation.append(best["scores"]["wrong"])
    return [
        cell
        | {
            "task": contest.task,
            "test": "test",
            "values": values,
            "validation": validation,
            "best": values[validation.index(min(validation))],
            "trained_on": "simulated stories" if _number(contest.task) in GENERATED else "10k",
        }
        for cell in cells
    ]


def _number(task: str) -> int:
    return int(task.removeprefix("babi-"))


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """Every seed's error on every task, and the published one."""
    from tapehead.tasks.babi.library import TITLES
    from tapehead.viewing.tasks import error_figure

    labels = {task: f"{_number(task)} {TITLES[_number(task)]}" for task in TASKS}
    return error_figure(cells, labels)


EXPERIMENTS = tuple(
    Experiment(
        name=f"babi/{machine}",
        source=f"{PAPERS[machine]}; numbers as in Henaff et al. 2017, table 2",
        tasks=TASKS,
        contestants=(machine,),
        recipe=recipe,
        settings=("fast",),
        metric="wrong",
        unit="share of questions answered wrongly",
        published={
            task: {machine: Published(value=round(value / 100, 5), source=PAPERS[machine])}
            for task, value in zip(TASKS, PUBLISHED[machine], strict=True)
        },
        told_with=("data",),
        judge=judge,
        figure=figure,
    )
    for machine in PLANS
)
