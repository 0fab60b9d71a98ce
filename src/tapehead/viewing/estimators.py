"""What each gradient estimator does to a toy whose answer is known: cost and gradient variance."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.bands import band_of, notes
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    SMALL,
    TEXT,
    MachineStyle,
    letter,
    new_figure,
    open_frame,
    place,
    styled,
    to_array,
)

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


@styled
def toy_figure(
    curves: Mapping[str, Mapping[str, ToyCurves]],
    published_loss: Mapping[str, Mapping[str, Points]],
    published_log_variance: Mapping[str, Mapping[str, Points]],
    *,
    width: int | float = DOUBLE,
) -> Figure:
    """A column for each setting: expected cost above, log-variance of the gradient below.

    Lines are medians over seeds in their range, or of ten and more from the first to the third
    quartile; open marks are published values.

    Args:
        curves: setting -> estimator -> curves.
        published_loss, published_log_variance: setting -> estimator -> (steps, values).
        width: millimetres.
    """
    left, between, right, height = 15.0, 17.0, 5.0, 40.0
    top = 19.0
    inner = (width - left - right - between * (len(curves) - 1)) / len(curves)
    figure = new_figure(width, top + 2 * height + 19.0)
    for column, (setting, by_estimator) in enumerate(curves.items()):
        x = left + column * (inner + between)
        above = place(figure, x, top, inner, height)
        below = place(figure, x, top + height + 8.0, inner, height)
        for name, run in by_estimator.items():
            _draw(above, name, run.steps, to_array(run.loss))
            if name != "exact":
                _draw(below, name, run.steps, to_array(run.log_variance))
        _mark(above, published_loss.get(setting, {}))
        _mark(below, published_log_variance.get(setting, {}))
        above.set_title(setting)
        below.set_xlabel("steps (one sample each)")
        if not column:
            above.set_ylabel("expected cost")
            below.set_ylabel("log-variance of the gradient")
        above.ticklabel_format(axis="y", useOffset=False)
        for axes, mark in ((above, "ac"[column : column + 1]), (below, "bd"[column : column + 1])):
            axes.set_xlim(0, max(run.steps[-1] for run in by_estimator.values()))
            open_frame(axes)
            letter(axes, mark, 11.0)
    _legend(figure, curves, left, width)
    return figure


def _draw(axes: Axes, name: str, steps: Sequence[int], values: np.ndarray) -> None:
    style = STYLES[name]
    # A biased estimator may end with no variance at all: its logarithm is cut, not drawn.
    values = np.where(np.isfinite(values), values, np.nan)
    kept = ~np.isnan(values).any(0)
    points, values = np.asarray(steps)[kept], values[:, kept]
    low, middle, high = band_of(values)
    if len(values) > 1:
        axes.fill_between(points, low, high, color=style.colour, alpha=0.13, lw=0)
    axes.plot(points, middle, color=style.colour, ls=style.dashes, zorder=3)


def _mark(axes: Axes, published: Mapping[str, Points]) -> None:
    for name, (steps, values) in published.items():
        style = STYLES[name]
        axes.plot(
            steps, values, style.marker, mfc="white", mec=style.colour, mew=0.9, ms=4.0, zorder=5,
            clip_on=False,
        )  # fmt: skip


def _legend(
    figure: Figure, curves: Mapping[str, Mapping[str, ToyCurves]], left: float, width: float
) -> None:
    names = list(dict.fromkeys(name for row in curves.values() for name in row))
    axes = place(figure, left, 1.5, width - left, 12.0)
    axes.set(xlim=(0, width - left), ylim=(12.0, 0))
    axes.set_axis_off()
    places = [((n % 4) * 40.5 + (n % 4 > 1) * 5.0, 2.0 + 4.0 * (n // 4)) for n in range(8)]
    for (x, y), name in zip(places, names, strict=False):
        style = STYLES[name]
        axes.plot([x, x + 6], [y, y], color=style.colour, ls=style.dashes)
        axes.text(x + 7.0, y, style.label, va="center_baseline", fontsize=SMALL)
    x, y = places[len(names)]
    axes.plot([x + 3], [y], "o", mfc="white", mec=TEXT, mew=0.9, ms=4.0)
    axes.text(x + 7.0, y, "open marks: published", va="center_baseline", fontsize=SMALL)
    seeds = [len(to_array(run.loss)) for row in curves.values() for run in row.values()]
    said = "; ".join(notes(seeds, machines={}))
    axes.text(0, 10.0, said, va="center_baseline", fontsize=SMALL, color=FAINT)
