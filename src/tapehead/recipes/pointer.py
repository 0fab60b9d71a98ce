"""The experiments `pointer/...`: pointer networks on sets of points (Vinyals, Fortunato & Jaitly
2015), with the paper's LSTM encoder and with a set encoder.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tapehead.recipes.experiment import Experiment, Published
from tapehead.recipes.pointer_judge import judge
from tapehead.recipes.pointer_plans import (
    ATTENTION,
    OURS,
    PAPERS,
    PLAIN,
    PLANS,
    SEQUENCE,
    recipe,
)

if TYPE_CHECKING:
    import matplotlib.figure

SOURCE = "Vinyals, Fortunato & Jaitly 2015"
CONTESTANTS = (OURS, PAPERS)
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


SORTING = _experiment("sorting", "solved", "share of instances", {"sorting": {}}, title="Sorting")
CONVEX_HULL = _experiment(
    "convex-hull",
    "solved",
    "share of instances",
    {
        "convex-hull": {
            "5": 0.92, "10": 0.87, "50": 0.696, "100": 0.503, "200": 0.221, "500": 0.013,
        }
    },
    title="Convex hull",
)  # fmt: skip
BASELINES = _experiment(
    "baselines",
    "solved",
    "share of instances",
    {"convex-hull-50": {}},
    title="Convex hull",
    machines={PLAIN: {"50": 0.726}, ATTENTION: {"50": 0.389}, SEQUENCE: {"50": 0.019}},
)
TSP = _experiment(
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
)  # fmt: skip
DELAUNAY = _experiment(
    "delaunay",
    "solved",
    "share of instances",
    {"delaunay": {"5": 0.807}, "delaunay-10": {"10": 0.226}, "delaunay-50": {"50": 0.0}},
    title="Delaunay triangulation",
)
