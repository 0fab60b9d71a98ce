"""The experiment `discrete/copy`: what it costs a machine to learn to copy when it reads and writes
one row at a time, under each estimator of the gradient through its choices.

A machine that chooses from its first batch on learns lesson by lesson. One that is soft at first,
and annealed, finds its way as a soft machine does; what an estimator then has to do is to keep it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.recipes.experiment import Contest, Experiment

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

PAPER = "not published: estimators of Williams 1992, Tucker et al. 2017, Grathwohl et al. 2018"

ESTIMATORS: dict[str, dict[str, Any]] = {
    "reinforce": {"estimator": "reinforce", "entropy": 0.0005},
    "rebar": {"estimator": "rebar", "entropy": 0.0005},
    "relax": {"estimator": "relax", "entropy": 0.0005},
    "straight-through-gumbel": {"estimator": "straight-through-gumbel"},
}
"""With what every discrete machine is trained; baselines are learned."""

TRAINING: dict[str, Any] = {
    "task": "copy",
    "task_options": {"max_length": 10, "num_bits": 8},
    "optimiser": "adam",
    "learning_rate": 3e-3,
    "clip_value": None,
    "clip_norm": 10.0,
    "batch_size": 16,
    "max_sequences": 60_000,
    "report_every": 1_600,
    "validate_every": 1_600,
    "validation_sequences": 128,
    # Of these the variance of the gradient is measured afterwards.
    "keep_every": 4_000,
}
# Empty rows that differ can be told apart by content.
SIZES = {"memory_size": 16, "word_size": 12, "memory_init": "uniform"}
LARGE = SIZES | {"controller": "lstm", "hidden_size": 100}


class Chooser(NamedTuple):
    """A kind of contestant: a machine that chooses rows, and how it is trained.

    Attributes:
        title: what the figure calls it.
        options: of the machine.
        objective: options of its objective, which those of an estimator go before.
        training: what differs from `TRAINING`.
    """

    title: str
    machine: str
    options: dict[str, Any]
    objective: dict[str, Any]
    training: dict[str, Any]


CHOOSERS = {
    "discrete-ntm": Chooser(
        "Discretised NTM, by lessons",
        "discrete-ntm",
        # An LSTM would keep the short sequences that lessons begin with in its own state, and find
        # no use for the memory later.
        SIZES | {"controller": "feedforward", "hidden_size": 64},
        {},
        {"batch_size": 32, "curriculum": "leaping", "lesson_mark": 3.0},
    ),
    "annealed discrete-ntm": Chooser(
        "Discretised NTM, annealed",
        "discrete-ntm",
        LARGE,
        {"soft_batches": 1000, "annealing": 500},
        {},
    ),
    "annealed dynamic-ntm": Chooser(
        "D-NTM, annealed",
        "dynamic-ntm",
        {
            "memory_size": 24,
            "word_size": 12,
            "controller": "feedforward",
            "hidden_size": 100,
            "addressing": "discrete",
        },
        # Nothing else makes its soft addresses sharp: it has no sharpening as the NTM has.
        {"soft_batches": 1000, "annealing": 1000, "soft_entropy_cost": 0.001, "entropy": 0.0},
        {
            "learning_rate": 2e-3,
            "clip_norm": 1.0,
            "curriculum": "leaping",
            "lesson_mark": 1.0,
            "report_every": 400,
            "validate_every": 400,
            # At the usual 1e-8 noise alone makes long steps once a machine has nothing left to
            # learn.
            "choosing_epsilon": 1e-4,
        },
    ),
}
SOFT = "ntm soft"


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of the soft NTM, or of a kind of chooser under an estimator; there are no others
    but ours."""
    from tapehead.runs.config import TrainConfig

    if contestant == SOFT:
        return TrainConfig.from_dict(TRAINING | {"machine": "ntm", "machine_options": dict(LARGE)})
    kind, _, estimator = contestant.rpartition(" ")
    chooser = CHOOSERS[kind]
    return TrainConfig.from_dict(
        TRAINING
        | {
            "machine": chooser.machine,
            "machine_options": dict(chooser.options),
            "objective_options": ESTIMATORS[estimator] | chooser.objective,
        }
        | chooser.training
    )


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The usual cell, with learning curves and the variance of the gradient on their way."""
    from tapehead.recipes.races import variances, with_curves

    return [
        cell | {"variances": [variances(job.path) for job in contest.jobs]}
        for cell in with_curves(contest)
    ]


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """A column for each kind of chooser."""
    from tapehead.viewing.races import estimator_figure

    titles = {kind: chooser.title for kind, chooser in CHOOSERS.items()}
    return estimator_figure([cell for cell in cells if cell["test"] is None], titles, SOFT)


EXPERIMENT = Experiment(
    name="discrete/copy",
    source=PAPER,
    tasks=("copy",),
    contestants=(
        SOFT,
        *(f"{kind} {estimator}" for estimator in ESTIMATORS for kind in CHOOSERS),
    ),
    recipe=recipe,
    settings=("fast",),
    metric="bit_errors",
    unit="wrong bits per sequence",
    seeds=20,
    # None of them was there when the settings were searched for.
    first_seed=3_000,
    until_solved=True,
    judge=judge,
    figure=figure,
)
