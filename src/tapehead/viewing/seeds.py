"""Training runs as learning curves see them: rows of reports, brought onto one axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from tapehead.runs.records import read_metrics
from tapehead.tasks import Task
from tapehead.tasks.metrics import BITS, Metric
from tapehead.viewing.style import Number

Rows = Sequence[Mapping[str, Any]]
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One training run, as a learning curve needs it.

    Attributes:
        rows: reports in order, as in `metrics.jsonl`: "kind" ("train" or "validation"),
            "sequences", "seconds" and the metrics.
        solved_at: sequences seen when the task was solved; None if it was not.

    >>> from tapehead.viewing import Seed, learning_curves
    >>> rows = [{"kind": "validation", "sequences": n, "bit_errors": 8 / n} for n in (1, 2, 4)]
    >>> seeds = [Seed(rows=rows, solved_at=4)]
    >>> figure = learning_curves({"lstm": seeds}, metric="bit_errors")
    >>> figure.axes[0].get_ylabel()
    'wrong bits per sequence'
    """

    rows: Rows
    solved_at: Number | None = None


def read_seed(path: Path | str) -> Seed:
    """The learning curve of a run directory, finished or not.

    Raises:
        TapeheadError: there are no metrics, or they are damaged.
    """
    rows = read_metrics(path)
    solved = [row["sequences"] for row in rows if row["kind"] == "validation" and row["passed"]]
    return Seed(rows=rows, solved_at=solved[0] if solved else None)


def any_solved(machines: Mapping[str, Sequence[Seed] | None]) -> bool:
    """Whether any seed of any machine solved the task."""
    return any(s.solved_at is not None for seeds in machines.values() for s in seeds or ())


def choose_kind(machines: Mapping[str, Sequence[Seed]], metric: str) -> str:
    """Training rows, as in the paper, unless a curriculum made training easier than the task.

    Also validation rows when some seed has no training row with `metric`.
    """
    for seeds in machines.values():
        for seed in seeds:
            rows = [row for row in seed.rows if row.get("kind") == "train" and metric in row]
            if not rows or len({row.get("difficulty") for row in rows}) > 1:
                return "validation"
    return "train"


def drawable(task: Task, runs: Mapping[Key, Seed]) -> tuple[Metric | None, dict[Key, Seed]]:
    """What a learning curve of runs of a task shows, and of which of them it can.

    It shows the cost in bits, as those of the papers do, or of a task without such a cost the first
    of its metrics that is in the rows of a run.

    Returns:
        The metric, None if no run has reported any; and the runs that have reported it.
    """
    for metric in sorted(task.metrics, key=lambda metric: metric != BITS):
        column = metric.name
        having = {
            key: seed
            for key, seed in runs.items()
            if any(row.get(column) is not None for row in seed.rows)
        }
        kind = choose_kind({"": [*having.values()]}, column)
        shown = {
            key: seed
            for key, seed in having.items()
            if len(points_of(seed, kind, "sequences", column)[0])
        }
        if shown:
            return metric, shown
    return None, {}


def over_seeds(
    seeds: Sequence[Seed], *, kind: str, x: str, metric: str
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "seeds points"]]:
    """Every seed's metric on one common axis.

    The axis holds each position at which some seed reported, from where all have begun. Between its
    reports a seed is interpolated; after its last (a run stops once it is solved) it keeps the last
    value.

    Returns:
        Positions, and the value of each seed there.

    Raises:
        ValueError: a seed has no row of this kind with both `x` and `metric`.
    """
    points = [points_of(seed, kind, x, metric) for seed in seeds]
    for number, (positions, _) in enumerate(points):
        if len(positions) == 0:
            raise ValueError(f"seed {number} has no {kind!r} row with {x!r} and {metric!r}")
    axis = np.unique(np.concatenate([positions for positions, _ in points]))
    axis = axis[axis >= max(positions[0] for positions, _ in points)]
    if len(axis) == 0:
        axis = np.array([max(positions[-1] for positions, _ in points)])
    return axis, np.stack([np.interp(axis, positions, values) for positions, values in points])


def points_of(
    seed: Seed, kind: str, x: str, metric: str
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Positions and values of the rows that have both."""
    chosen = [
        (row[x], row[metric])
        for row in seed.rows
        if row.get("kind", "train") == kind
        and row.get(x) is not None
        and row.get(metric) is not None
    ]
    positions, values = np.array(chosen, float).reshape(-1, 2).T
    return positions, values


def position_of(
    seed: Seed, sequences: Number, *, kind: str, x: str, metric: str
) -> tuple[float, float]:
    """Where a seed's curve stands after `sequences` sequences."""
    seen, positions = points_of(seed, kind, "sequences", x)
    where = float(np.interp(sequences, seen, positions)) if x != "sequences" else float(sequences)
    return where, float(np.interp(where, *points_of(seed, kind, x, metric)))
