"""The experiment `babi/dynamic-ntm`: a D-NTM that reads the stories of bAbI task 15, softly, one
row at a time, and softly at first, under each estimator of the gradient through its choices
(Gulcehre et al. 2016, 2018).

A run is judged as those of the other readers are, by the checkpoint with the best validation.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapehead.recipes import babi
from tapehead.recipes.discrete import ESTIMATORS
from tapehead.recipes.experiment import Contest, Experiment, Published

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

PAPER = "Gulcehre et al. 2018"
TASK = "babi-15"
SOFT, DISCRETE, ANNEALED = (f"{how} dynamic-ntm" for how in ("soft", "discrete", "annealed"))

PLAN = babi.Plan(
    epochs=60,
    learning_rate=2e-3,
    # In batches of as many the authors train.
    questions=160,
    clip_norm=1.0,
    options={
        # The controller of the paper's best results. Sizes are those of its authors' code, but for
        # the rows: there are 120 there, and ten facts and questions here.
        "controller": "feedforward",
        "memory_size": 24,
    },
)
PHASES: dict[str, Any] = {
    "soft_batches": 1000,
    "annealing": 1000,
    # As on copy: nothing else makes its soft addresses sharp.
    "soft_entropy_cost": 0.001,
    "entropy": 0.0,
}

_SOURCE = f"{PAPER}, feed-forward controller, as on the authors' poster"
PUBLISHED = {
    SOFT: Published(value=0.0, source=_SOURCE),
    f"{DISCRETE} reinforce": Published(value=0.7142, source=_SOURCE),
    f"{ANNEALED} reinforce": Published(value=0.3973, source=_SOURCE),
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of the soft machine, or of one that chooses under an estimator; there are no
    others but ours."""
    stories = babi.stories_of(15)
    config = babi.config_of(PLAN, "dynamic-ntm-reader", {"task": "15"}, stories, 9000)
    if contestant == SOFT:
        return config
    kind, _, estimator = contestant.rpartition(" ")
    phases = PHASES if kind == ANNEALED else {}
    return dataclasses.replace(
        config,
        machine_options=config.machine_options | {"addressing": "discrete"},
        objective_options=ESTIMATORS[estimator] | phases,
        choosing_epsilon=1e-4 if phases else None,
        # Of these the variance of the gradient is measured afterwards.
        keep_every=config.max_sequences // 10,
    )


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The test error, with learning curves and the variance of the gradient on their way."""
    from tapehead.recipes.races import variances, with_curves

    (cell,) = babi.judge(contest)
    watched = with_curves(contest)[0]
    return [
        cell
        | {name: watched[name] for name in ("curves", "soft_until")}
        | {"variances": [variances(job.path) for job in contest.jobs]}
    ]


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """A column for each way of choosing, a line for each estimator."""
    from tapehead.tasks import make_task
    from tapehead.viewing.races import estimator_figure

    titles = {DISCRETE: "D-NTM, one row at a time", ANNEALED: "D-NTM, annealed"}
    mark = make_task("babi").pass_mark
    return estimator_figure(cells, titles, SOFT, soft_title="soft D-NTM", mark=mark)


EXPERIMENT = Experiment(
    name="babi/dynamic-ntm",
    source=f"{PAPER}; arXiv 1607.00036",
    tasks=(TASK,),
    contestants=(SOFT, *(f"{kind} {each}" for kind in (DISCRETE, ANNEALED) for each in ESTIMATORS)),
    recipe=recipe,
    settings=("fast",),
    metric="wrong",
    unit="share of questions answered wrongly",
    published={TASK: PUBLISHED},
    seeds=3,
    told_with=("data",),
    judge=judge,
    figure=figure,
)
