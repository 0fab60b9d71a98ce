"""The experiments `pointer/...`: pointer networks on sets of points (Vinyals, Fortunato & Jaitly
2015), with the paper's LSTM encoder and with a set encoder.

A run is judged by the checkpoint with the best validation, on instances that nothing else draws.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.recipes.experiment import Experiment, Published

if TYPE_CHECKING:
    import matplotlib.figure

    from tapehead.recipes.reproduce import Contest
    from tapehead.runs.config import TrainConfig

OURS, PAPERS = "pointer-network", "pointer-network-lstm"
PLAIN, SEQUENCE, ATTENTION = "pointer-network-plain", "seq2seq", "seq2seq-attention"
CONTESTANTS = (OURS, PAPERS)
SOURCE = "Vinyals, Fortunato & Jaitly 2015"
TEST_SEED = 150603134
"""Of the instances that finished runs are tested on."""
TESTED, TESTED_LARGE = 10_000, 1_000
LARGE = 200
"""Points from which on fewer instances are tested."""


TITLES = {
    "sorting": "Trained on 5 to 10 numbers",
    "convex-hull": "Trained on 5 to 50 points",
    "convex-hull-50": "Trained on 50 points",
    "tsp": "5 to 20 cities",
    "tsp-5": "5 cities",
    "tsp-10": "10 cities",
    "tsp-50": "50 cities",
    "delaunay": "5 points",
    "delaunay-10": "10 points",
    "delaunay-50": "50 points",
}
"""Of the tasks, in a figure."""


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


def judge(contest: "Contest") -> list[dict[str, Any]]:
    """Scores of each run's best checkpoint at the sizes that the paper tests; where a beam was
    followed, those of the greedy answers beside them."""
    from tapehead.recipes.races import with_curves
    from tapehead.runs import evaluate, load_run

    (trained, *_) = with_curves(contest)
    cells: list[dict[str, Any]] = [trained]
    scores: dict[str, dict[str, list[dict[str, float]]]] = {}
    published = contest.experiment.published_of(contest.task, contest.contestant)
    wanted = published.tests if published else {}
    plan = PLANS[contest.task][contest.contestant]
    searches = {"scores": (1, "likeliest")}
    if plan.beam_width > 1:
        searches = {"greedy": (1, "likeliest"), "scores": (plan.beam_width, plan.beam_choice)}
    for job in contest.jobs:
        _, machine, task = load_run(job.path)
        for label, setting in task.test_settings().items():
            if wanted and label not in wanted:
                continue
            large = int(label) >= LARGE
            for search, (width, choice) in searches.items():
                pointing: Any = machine
                pointing.beam_width, pointing.beam_choice = width, choice
                scores.setdefault(label, {}).setdefault(search, []).append(
                    evaluate(
                        machine,
                        setting,
                        sequences=TESTED_LARGE if large else TESTED,
                        seed=TEST_SEED,
                        batch_size=32 if large else 128,
                    )
                )
    for label, found in scores.items():
        known = label in wanted
        by_name = {
            search: {name: [one[name] for one in each] for name in each[0]}
            for search, each in found.items()
        }
        cells.append(
            {name: value for name, value in trained.items() if name != "curves"}
            | {
                "test": label,
                "values": by_name["scores"][contest.experiment.metric],
                **by_name,
                "beam_width": plan.beam_width,
                "beam_choice": plan.beam_choice,
                "instances": TESTED_LARGE if int(label) >= LARGE else TESTED,
                "published": wanted.get(label),
                "source": SOURCE if known else None,
            }
        )
    return cells


def figure(
    cells: Sequence[dict[str, Any]], *, name: str, ylabel: str, share: bool
) -> "matplotlib.figure.Figure":
    """Scores at the tested sizes and in the validations, a column for each task."""
    from tapehead.viewing.sizes import sizes_figure

    return sizes_figure(
        cells,
        ylabel=ylabel,
        titles={task: title for task, title in TITLES.items() if task in PLANS},
        share=share,
        title=name,
    )


def _experiment(
    name: str,
    metric: str,
    unit: str,
    published: Mapping[str, Mapping[str, float]],
    *,
    title: str,
    machines: Mapping[str, Mapping[str, float]] | None = None,
    ylabel: str = "answers that are right",
) -> Experiment:
    """
    Args:
        published: by task and size that is tested, the same for every contestant.
        machines: the contestants, each with what is published of it, of an experiment with one
            task; left out: ours and the paper's encoder.
    """
    return Experiment(
        name=f"pointer/{name}",
        source=SOURCE,
        tasks=tuple(published),
        contestants=tuple(machines or CONTESTANTS),
        recipe=recipe,
        settings=("fast",),
        metric=metric,
        unit=unit,
        published={
            task: {
                contestant: Published(
                    value=None,
                    source=SOURCE,
                    tests=known,
                    tests_source=SOURCE if known else "",
                )
                for contestant in machines or CONTESTANTS
                for known in [machines[contestant] if machines else tests]
            }
            for task, tests in published.items()
        },
        seeds=3,
        judge=judge,
        figure=partial(
            figure,
            name=title,
            ylabel=ylabel,
            share=metric == "solved",
        ),
    )


EXPERIMENTS = (
    _experiment("sorting", "solved", "share of instances", {"sorting": {}}, title="Sorting"),
    _experiment(
        "convex-hull",
        "solved",
        "share of instances",
        {
            "convex-hull": {
                "5": 0.92, "10": 0.87, "50": 0.696, "100": 0.503, "200": 0.221, "500": 0.013,
            }
        },
        title="Convex hull",
    ),
    _experiment(
        "baselines",
        "solved",
        "share of instances",
        {"convex-hull-50": {}},
        title="Convex hull",
        machines={PLAIN: {"50": 0.726}, ATTENTION: {"50": 0.389}, SEQUENCE: {"50": 0.019}},
    ),
    _experiment(
        "tsp",
        "length",
        "mean length of the tour",
        {
            "tsp": {
                "5": 2.12, "10": 2.87, "20": 3.88, "25": 4.30, "30": 4.72, "40": 5.91, "50": 7.66,
            },
            "tsp-5": {"5": 2.12},
            "tsp-10": {"10": 2.88},
            "tsp-50": {"50": 6.09},
        },
        title="Travelling salesman",
        ylabel="mean length of the tour",
    ),
    _experiment(
        "delaunay",
        "solved",
        "share of instances",
        {"delaunay": {"5": 0.807}, "delaunay-10": {"10": 0.226}, "delaunay-50": {"50": 0.0}},
        title="Delaunay triangulation",
    ),
)  # fmt: skip
