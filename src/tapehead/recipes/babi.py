"""The experiments `babi/...`: machines that read stories on the twenty bAbI tasks, each task on its
own (Weston et al. 2015), as in the table that the papers print.

A run is judged by the checkpoint with the best validation: its error on the test questions.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.recipes.experiment import Contest, Experiment, Published

if TYPE_CHECKING:
    from pathlib import Path

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


_LARGER = {"tying": "layer-wise", "nonlinear": True, "embedding_size": 50}
"""The machine that the paper trains on 10,000 questions a task, with half of its 100 units."""
MEMORY = Plan(epochs=60, learning_rate=0.003, questions=128, clip_norm=40.0, options=_LARGER)
MEMORY_1K = Plan(epochs=100, learning_rate=0.005, questions=32, clip_norm=40.0, linear=20)
ENTITY = Plan(epochs=12, learning_rate=0.005, questions=40, clip_norm=10.0)
DYNAMIC = Plan(epochs=16, learning_rate=0.003, questions=100, clip_norm=10.0, weight_decay=1e-2)
_L2 = {"learning_rate": 0.002, "l2": 1e-3, "weight_decay": 0.0}
"""Of tasks that DMN+ learns by heart; on task 15 it learns less with it."""
PLANS: dict[str, tuple[Plan, dict[int, dict[str, Any]]]] = {
    "memory-network": (
        MEMORY,
        {
            1: {"epochs": 10},
            3: {"learning_rate": 0.01, "options": {}},
            4: {"epochs": 30},
            15: {"epochs": 10, "learning_rate": 0.01, "options": {}},
            16: {"linear": 20, "learning_rate": 0.005, "options": {"encoding": "bag"}},
            18: {"linear": 20},
            19: {"epochs": 150, "options": _LARGER | {"embedding_size": 100}},
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
            16: {"epochs": 200},
            17: {"epochs": 200},
            19: {"epochs": 200},
        },
    ),
    "dynamic-memory-network": (
        DYNAMIC,
        {
            1: {"epochs": 4},
            2: _L2,
            4: {"epochs": 3},
            6: {"epochs": 6},
            7: {"epochs": 20, **_L2},
            14: {"epochs": 20, **_L2},
            15: {"epochs": 8},
            17: {"epochs": 30},
            20: {"epochs": 6},
            19: {"epochs": 45},
        },
    ),
}
"""By machine: its usual plan, and what is different for a task."""

PUBLISHED_1K = [
    0.0, 11.4, 21.9, 13.4, 14.4, 2.8, 18.3, 9.3, 1.9, 6.5, 0.3, 0.1, 0.2, 6.9, 0.0, 2.7, 40.4, 9.4,
    88.0, 0.0,
]  # fmt: skip
"""Test error of MemN2N with 1,000 questions a task, trained jointly, in %: the paper prints no
others with random noise."""

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
    number = int(task.removeprefix("babi-"))
    plan, changes = PLANS[contestant]
    plan = plan._replace(**changes.get(number, {}))
    options: dict[str, Any] = {"task": str(number)}
    if number in GENERATED:
        options["generated"] = True
    return config_of(plan, contestant, options, stories_of(number), _QUESTIONS)


def recipe_1k(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """As `recipe`, with a tenth of the training questions."""
    number = int(task.removeprefix("babi-"))
    options = {"task": str(number), "size": "1k"}
    return config_of(
        MEMORY_1K, contestant, options, round(stories_of(number) / 10), _QUESTIONS // 10
    )


def stories_of(number: int) -> int:
    """How many a task has for training."""
    return _STORIES.get(number, 1800)


def config_of(
    plan: Plan, contestant: str, options: dict[str, Any], stories: int, questions: int
) -> "tapehead.runs.config.TrainConfig":
    """A plan on so many stories with so many questions."""
    from tapehead.runs.config import TrainConfig

    total = stories * plan.epochs
    batch_size = max(1, round(plan.questions * stories / questions))
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
    from tapehead.runs.evaluation import evaluate_settings

    cells = contest.cells()[:1]
    values, validation, cpu_seconds = [], [], []
    for job in contest.jobs:
        _, machine, task = load_run(job.path)
        values.append(evaluate_settings(machine, task)["test"]["wrong"])
        progress = last_progress(job.path)
        validation.append(progress["best"]["scores"]["wrong"])
        cpu_seconds.append(round(progress["cpu_seconds"], 1))
    return [
        cell
        | {
            "task": contest.task,
            "test": "test",
            "values": values,
            "validation": validation,
            "cpu_seconds": cpu_seconds,
            "best": values[validation.index(min(validation))],
            "trained_on": trained_on(contest.jobs[0].config.task_options, contest.task),
        }
        for cell in cells
    ]


def last_progress(run: "Path") -> Mapping[str, Any]:
    """How far a run came: that of its last checkpoint."""
    from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint

    folder = run / "checkpoint"
    return load_checkpoint(folder, checkpoint_steps(folder)[-1]).progress


def trained_on(options: Mapping[str, Any], task: str) -> str:
    """What a run of these options learned a task from."""
    if options.get("generated") and _number(task) in GENERATED:
        return "simulated stories"
    return options.get("size", "10k")


def _number(task: str) -> int:
    return int(task.removeprefix("babi-"))


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """Every seed's error on every task, and the published one."""
    from tapehead.tasks.babi.library import TITLES
    from tapehead.viewing.tasks import error_figure

    labels = {task: f"{_number(task)} {TITLES[_number(task)]}" for task in TASKS}
    return error_figure(cells, labels)


def _experiment(name: str, machine: str, **more: Any) -> Experiment:
    return Experiment(
        name=name,
        tasks=TASKS,
        contestants=(machine,),
        settings=("fast",),
        metric="wrong",
        unit="share of questions answered wrongly",
        told_with=("data",),
        judge=judge,
        figure=figure,
        **more,
    )


def published(
    errors: Mapping[str, Sequence[float]], sources: Mapping[str, str]
) -> dict[str, dict[str, Published]]:
    """Errors of each machine in %, one for each task, as an experiment has them."""
    return {
        task: {
            machine: Published(value=round(known[place] / 100, 5), source=sources[machine])
            for machine, known in errors.items()
        }
        for place, task in enumerate(TASKS)
    }


def _with_10k_stories(machine: str) -> Experiment:
    return _experiment(
        f"babi/{machine}",
        machine,
        source=f"{PAPERS[machine]}; numbers as in Henaff et al. 2017, table 2",
        recipe=recipe,
        published=published({machine: PUBLISHED[machine]}, PAPERS),
    )


MEMORY_NETWORK = _with_10k_stories("memory-network")
ENTITY_NETWORK = _with_10k_stories("entity-network")
DYNAMIC_MEMORY_NETWORK = _with_10k_stories("dynamic-memory-network")
MEMORY_NETWORK_1K = _experiment(
    "babi/memory-network-1k",
    "memory-network",
    source="Sukhbaatar et al. 2015, table 1",
    recipe=recipe_1k,
    published=published(
        {"memory-network": PUBLISHED_1K}, {"memory-network": "Sukhbaatar et al. 2015, jointly"}
    ),
)
