"""What a row of a race shows, and one kind of row: how many seeds are done, and how soon."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from tapehead.viewing.seeds import Seed, points_of, position_of
from tapehead.viewing.style import FAINT, MachineStyle, Number


class Panel(NamedTuple):
    """A row of a race: what is drawn over what.

    `mark`: a value under which the task counts as solved. `least`: lower values stand here.
    `kind`: of the rows that are drawn. `solved`: not the metric is drawn but how many of the seeds
    are done.
    """

    metric: str
    x: str
    ylabel: str
    log: bool = False
    mark: float | None = None
    least: float = -np.inf
    kind: str = "check"
    solved: bool = False


def draw_solved(
    axes: Axes, seeds: Sequence[Seed], panel: Panel, scale: Number, style: MachineStyle | None
) -> None:
    """A line that climbs by each seed that is done, where that was, and goes on to where the last
    run ended.

    Args:
        scale: of the axis: sequences or seconds to what it shows.
        style: None: faint, behind others.
    """
    done = sorted(
        position_of(seed, seed.solved_at, kind=panel.kind, x=panel.x, metric=panel.metric)[0]
        for seed in seeds
        if seed.solved_at is not None
    )
    end = max(points_of(seed, panel.kind, panel.x, panel.metric)[0][-1] for seed in seeds)
    where = np.array([0.0, *done, end]) * scale
    share = 100 * np.array([*range(len(done) + 1), len(done)]) / len(seeds)
    look: dict[str, Any] = {"color": FAINT, "lw": 0.5, "alpha": 0.6, "zorder": 1}
    if style is not None:
        look = {"color": style.colour, "ls": style.dashes, "zorder": 3}
    axes.plot(where, share, drawstyle="steps-post", **look)
    axes.set_ylim(0, 100)
