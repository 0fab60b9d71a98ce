"""What each gradient estimator does to a toy whose answer is known: cost and gradient variance."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.bands import band_of, notes
from tapehead.viewing.multiples import Block, Draw, faintly, multiples
from tapehead.viewing.style import DOUBLE, MachineStyle, open_frame, styled, to_array

_SOLID, _LONG, _SHORT, _DOT = "-", (0, (5, 1.4)), (0, (2.4, 1.2)), (0, (1.1, 1.1))
STYLES = {
    name: MachineStyle(label=label, colour=colour, marker=marker, dashes=dashes)
    for name, label, colour, marker, dashes in (
        ("reinforce", "REINFORCE", "#d55e00", "s", _SOLID),
        ("reinforce-baseline", "REINFORCE, moving average", "#e69f00", "v", _LONG),
        ("rebar", "REBAR", "#009e73", "^", _SOLID),
        ("relax", "RELAX", "#0072b2", "o", _SOLID),
        ("straight-through", "straight-through (biased)", "#cc79a7", "P", _SHORT),
        ("straight-through-gumbel", "straight-through Gumbel (biased)", "#882255", "X", _DOT),
        ("exact", "exact gradient", "#4d4d4d", "D", _LONG),
    )
}
"""The look of each estimator in every figure."""

Dashes = str | tuple[int | float, tuple[int | float, ...]]
Points = tuple[Sequence[int | float], Sequence[int | float]]


@runtime_checkable
class ToyCurves(Protocol):
    """What a run of the toy recorded: `loss` and `log_variance` are (seeds, points)."""

    @property
    def steps(self) -> list[int]: ...
    @property
    def loss(self) -> object: ...
    @property
    def log_variance(self) -> object: ...


COLUMNS = {
    "REINFORCE and, dashed, REBAR": ("reinforce", "rebar"),
    "RELAX and, dashed, REINFORCE, moving average": ("relax", "reinforce-baseline"),
    "biased: straight-through, dashed: Gumbel": ("straight-through", "straight-through-gumbel"),
}
"""Two estimators share a column of panels, and the exact gradient stands in each."""


@styled
def toy_figure(
    curves: Mapping[str, Mapping[str, ToyCurves]],
    published_loss: Mapping[str, Mapping[str, Points]],
    published_log_variance: Mapping[str, Mapping[str, Points]],
    *,
    width: int | float = DOUBLE,
) -> Figure:
    """Two rows for each setting, expected cost and log-variance of the gradient, and a column for
    each group of estimators that can be told apart.

    Lines are medians over seeds in their range, or of ten and more from the first to the third
    quartile; those of other columns are grey, and open marks are published values.

    Args:
        curves: setting -> estimator -> curves.
        published_loss, published_log_variance: setting -> estimator -> (steps, values).
        width: millimetres.
    """
    shown = {name for by_estimator in curves.values() for name in by_estimator}
    titles = {title: title for title, names in COLUMNS.items() if shown & set(names)}
    blocks = []
    for setting, runs in curves.items():
        target = setting.replace("=", " = ")
        noisy = {name: run for name, run in runs.items() if name != "exact"}
        cost = _panel(runs, "loss", published_loss.get(setting, {}))
        variance = _panel(noisy, "log_variance", published_log_variance.get(setting, {}))
        blocks += [
            Block(titles, cost, f"{target}: expected cost"),
            Block(titles, variance, f"{target}: log-variance of the gradient"),
        ]
    seeds = [len(to_array(run.loss)) for row in curves.values() for run in row.values()]
    note = [
        *notes(seeds, machines={}), "black: the exact gradient", "the others in grey",
        "open marks: published",
    ]  # fmt: skip
    return multiples(blocks, note="; ".join(note), width=width)


def _panel(runs: Mapping[str, ToyCurves], field: str, published: Mapping[str, Points]) -> Draw:
    """Draws one quantity of a column's estimators, and those of the others behind them."""

    def draw(axes: Axes, column: str) -> None:
        lines = dict(zip((*COLUMNS[column], "exact"), (_SOLID, _LONG, _DOT), strict=True))
        for name, run in runs.items():
            values = to_array(getattr(run, field))
            if name in lines:
                _draw(axes, name, run.steps, values, lines[name])
            else:
                faintly(axes, np.asarray(run.steps), np.median(values, 0), name)
        _mark(axes, {name: points for name, points in published.items() if name in lines})
        axes.set_xlabel("steps (one sample each)")
        axes.set_xlim(0, max(run.steps[-1] for run in runs.values()))
        axes.ticklabel_format(axis="y", useOffset=False)
        open_frame(axes)

    return draw


def _draw(axes: Axes, name: str, steps: Sequence[int], values: np.ndarray, dashes: Dashes) -> None:
    style = STYLES[name]
    # A biased estimator may end with no variance at all: its logarithm is cut, not drawn.
    values = np.where(np.isfinite(values), values, np.nan)
    kept = ~np.isnan(values).any(0)
    points, values = np.asarray(steps)[kept], values[:, kept]
    low, middle, high = band_of(values)
    if len(values) > 1:
        axes.fill_between(points, low, high, color=style.colour, alpha=0.13, lw=0)
    axes.plot(points, middle, color=style.colour, ls=dashes, zorder=3)


def _mark(axes: Axes, published: Mapping[str, Points]) -> None:
    for name, (steps, values) in published.items():
        style = STYLES[name]
        axes.plot(
            steps, values, style.marker, mfc="white", mec=style.colour, mew=0.9, ms=4.0, zorder=5,
            clip_on=False,
        )  # fmt: skip
