"""How the networks of the experiments `pointer/...` are trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tapehead.runs.config import TrainConfig

OURS, PAPERS = "pointer-network", "pointer-network-lstm"
PLAIN, SEQUENCE, ATTENTION = "pointer-network-plain", "seq2seq", "seq2seq-attention"


class Plan(NamedTuple):
    """How a contestant is trained on a task."""

    task: str
    sequences: int
    task_options: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    learning_rate: float = 2e-3
    batch_size: int = 64
    machine: str = "pointer-network"
    beam_width: int = 1
    """Of the tests; the validations are greedy."""
    beam_choice: str = "likeliest"


_SET: dict[str, Any] = {"hidden_size": 64, "blocks": 2, "widening": 2, "views": 16}
_LSTM: dict[str, Any] = {"encoder": "lstm", "attention": "additive", "hears": "point"}
_X: dict[str, Any] = {"order": "x"}
_N5, _N10, _N50 = ({"min_points": n, "max_points": n} for n in (5, 10, 50))
_LOCAL = {"teacher": "local"}


def _plans(
    task: str,
    options: dict[str, Any],
    ours: dict[str, Any],
    sequences: int,
    rate: float = 2e-3,
) -> dict[str, Plan]:
    own = Plan(task, sequences, _X | options, _SET | ours, rate)
    papers = Plan(task, sequences, _X | options, _LSTM | {"views": 16}, max(3e-3, rate))
    if task == "tsp":
        own = own._replace(beam_width=8, beam_choice="shortest")
        papers = papers._replace(beam_width=8)
    return {OURS: own, PAPERS: papers}


PLANS: dict[str, dict[str, Plan]] = {
    "sorting": {
        OURS: Plan("sorting", 40_000, {}, {"hidden_size": 64}),
        PAPERS: Plan("sorting", 40_000, {}, _LSTM | {"hidden_size": 64}, 3e-3),
    },
    "convex-hull": _plans("convex-hull", {}, {"blocks": 1}, 150_000, 5e-3),
    "convex-hull-50": {
        PLAIN: Plan("convex-hull", 60_000, _N50, _LSTM | {"constraints": "never"}, 3e-3),
        SEQUENCE: Plan("convex-hull", 60_000, _N50, {}, 3e-3, machine="seq2seq"),
        ATTENTION: Plan("convex-hull", 60_000, _N50, {"attention": True}, 3e-3, machine="seq2seq"),
    },
    "tsp": _plans("tsp", {}, {}, 400_000),
    "tsp-5": _plans("tsp", _N5, {}, 300_000),
    "tsp-10": _plans("tsp", _N10, {}, 400_000),
    "tsp-50": _plans("tsp", _N50 | _LOCAL, {}, 60_000),
    "delaunay": _plans("delaunay", {}, {}, 600_000),
    "delaunay-10": _plans("delaunay", _N10, {}, 300_000),
    "delaunay-50": _plans("delaunay", _N50, {}, 12_000),
}
"""By task of an experiment and contestant."""


def recipe(task: str, contestant: str, setting: str) -> "TrainConfig":
    """The settings of a pointer network on one of the tasks."""
    from tapehead.runs.config import TrainConfig

    plan = PLANS[task][contestant]
    return TrainConfig(
        task=plan.task,
        task_options=dict(plan.task_options),
        machine=plan.machine,
        machine_options=dict(plan.options),
        optimiser="adam",
        learning_rate=plan.learning_rate,
        clip_value=None,
        clip_norm=2.0,
        schedule="cosine",
        warmup=plan.sequences // 25,
        batch_size=plan.batch_size,
        max_sequences=plan.sequences,
        report_every=max(1, plan.sequences // 50),
        validate_every=max(1, plan.sequences // 10),
        validation_sequences=1024,
        score_every=16,
        test_sequences=200,
    )
