"""Error against length or difficulty, inside and beyond what was trained (NTM figure 11)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tapehead.tasks.metrics import BIT_ERRORS, Metric, metric_of
from tapehead.viewing.bands import band_of, beyond, called
from tapehead.viewing.curves import plain_number
from tapehead.viewing.legend import MachineLegend
from tapehead.viewing.multiples import Block, counted_titles, crowded, explained, faintly, multiples
from tapehead.viewing.style import (
    COLUMN,
    FAINT,
    QUIET,
    SMALL,
    Number,
    machine_styles,
    new_figure,
    open_frame,
    place,
    size_of,
    styled,
)

Level = Number | str
Errors = Mapping[str, Mapping[Level, Sequence[Number] | Number]]


def draw_generalisation(
    axes: Axes,
    errors: Errors,
    *,
    published: Mapping[str, Mapping[Level, Number]] | None = None,
    trained: tuple[Number, Number] | None = None,
    log: bool = False,
    xlabel: str = "sequence length",
    metric: Metric | str = BIT_ERRORS,
    only: str | None = None,
) -> None:
    """Draw median lines in their bands, published values and the trained range into `axes`.

    Args:
        only: the one machine that is drawn so; the others are faint medians behind it.
    """
    styles = machine_styles([*errors, *(published or {})])
    places, is_scale = _places([*errors.values(), *(published or {}).values()])
    if trained is not None and is_scale:
        axes.axvspan(*trained, color=QUIET, lw=0, zorder=0)
        if only is None:  # else the contestant's name stands there
            axes.annotate(
                "trained", (np.mean(trained), 1.0), (0, 3.0), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", va="baseline", fontsize=SMALL, color=FAINT,
            )  # fmt: skip
    aside = dict(zip(styles, 0.12 * (np.arange(len(styles)) - (len(styles) - 1) / 2), strict=True))
    for name, levels in errors.items():
        style = styles[name]
        at, values = _in_order(levels, places)
        low, median, high = np.array([band_of(seeds) for seeds in values]).T
        if only not in (None, name):
            if is_scale:
                faintly(axes, at, median, name)
            continue
        band = f"{name} {called(max(map(len, values)))}"
        look: dict[str, Any] = {
            "marker": style.marker,
            "ms": 4,
            "mec": "white",
            "mew": 0.5,
            "clip_on": False,
        }
        if is_scale:
            if max(map(len, values)) > 1:
                axes.fill_between(at, low, high, color=style.colour, alpha=0.16, lw=0, label=band)
            look["ls"] = style.dashes
        else:
            at = at + aside[name]
            axes.vlines(at, low, high, color=style.colour, lw=1.0, label=band)
            look["ls"] = ""
        apart = [beyond(seeds) for seeds in values]
        if any(map(len, apart)):
            axes.plot(
                np.repeat(at, [*map(len, apart)]), np.concatenate(apart), style.marker,
                color=style.colour, ms=2.2, mew=0, alpha=0.8, label=f"{name} outside", zorder=2,
                clip_on=False,
            )  # fmt: skip
        axes.plot(at, median, color=style.colour, label=name, zorder=3, **look)
    for name, levels in (published or {}).items():
        if only not in (None, name):
            continue
        style = styles[name]
        at, values = _in_order(levels, places)
        axes.plot(
            at if is_scale else at + aside[name], np.concatenate(values), style.marker, ms=5.0,
            mfc="none", mec=style.colour, mew=0.9, label=f"{name} published", zorder=4,
            clip_on=False,
        )  # fmt: skip
    axes.set_xlabel(xlabel)
    axes.set_ylabel(metric_of(metric).heading)
    if is_scale:
        axes.set_xlim(left=0)
        _tick_levels(axes, sorted(places.values()))
    else:
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_xticks(list(places.values()), [str(n).replace(", ", "\n") for n in places])
        axes.tick_params(axis="x", length=0)
    if log:
        # Linear up to one, so that no error at all has a place on the axis.
        axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
    bottom = min(0.0, axes.dataLim.y0)  # a reward can be below zero
    axes.set_ylim(bottom, max(1.0, axes.dataLim.y1) * (1.25 if log else 1.04))
    open_frame(axes)


@styled
def generalisation(
    errors: Errors,
    *,
    published: Mapping[str, Mapping[Level, Number]] | None = None,
    trained: tuple[Number, Number] | None = None,
    log: bool = False,
    xlabel: str = "sequence length",
    metric: Metric | str = BIT_ERRORS,
    title: str = "",
    width: Number = COLUMN,
) -> Figure:
    """Error at each length, a line per machine: the median over seeds in their range, or of ten and
    more from the first to the third quartile, with a dot for each seed outside.

    More than five machines have a panel each.

    Args:
        errors: machine to length to one value per seed. Lengths are numbers, or text that says
            numbers ("20"); with other labels, such as "length 20, repeats 10", the levels stand
            side by side, unconnected.
        published: machine to length to published value, drawn as open markers.
        trained: lowest and highest length of training, shaded.
        log: logarithmic above 1, linear below.
        metric: what the values are, for the axis.
        width: millimetres.

    Raises:
        ValueError: nothing to draw.
    """
    if not errors or not all(errors.values()):
        raise ValueError("errors must hold at least one machine, each with at least one length")
    left, right = 10.5, 3.5
    names = dict.fromkeys([*errors, *(published or {})])
    if crowded(errors):
        block = Block(
            counted_titles(dict.fromkeys(errors)),
            lambda axes, only: draw_generalisation(
                axes, errors, published=published, trained=trained, log=log, xlabel=xlabel,
                metric=metric, only=only,
            ),
        )  # fmt: skip
        note = explained(
            seeds_of(errors), {}, published=bool(published), trained=trained is not None,
            dots=has_dots(errors),
        )  # fmt: skip
        return multiples([block], title=title, note=note, width=width)
    legend = MachineLegend(
        names,
        left=left,
        width=width,
        title=title,
        published=bool(published),
        seeds=seeds_of(errors),
        dots=has_dots(errors),
    )
    top = legend.height
    height = min(52.0, max(38.0, 0.62 * (width - left - right)))
    figure = new_figure(width, top + height + 9.0)
    axes = place(figure, left, top, width - left - right, height)
    draw_generalisation(
        axes, errors, published=published, trained=trained, log=log, xlabel=xlabel, metric=metric
    )
    legend.draw(figure)
    return figure


def seeds_of(errors: Errors) -> list[int]:
    """How many seeds each point rests on."""
    return [int(np.size(values)) for levels in errors.values() for values in levels.values()]


def has_dots(errors: Errors) -> bool:
    """Whether any seed stands outside the band of its machine."""
    rows = (np.atleast_1d(np.asarray(v, float)) for each in errors.values() for v in each.values())
    return any(len(beyond(values)) for values in rows)


def _places(tables: Sequence[Mapping[Level, object]]) -> tuple[dict[Level, float], bool]:
    """Where each level stands, and whether levels are numbers; others stand side by side."""
    levels = list(dict.fromkeys(level for table in tables for level in table))
    try:
        return {level: float(level) for level in levels}, True
    except ValueError:
        return {level: float(position) for position, level in enumerate(levels)}, False


def _in_order(
    levels: Mapping[Level, Sequence[Number] | Number], places: Mapping[Level, Number]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Positions from left to right and the values there."""
    chosen = sorted(levels, key=places.__getitem__)
    at = np.array([places[level] for level in chosen])
    return at, [np.atleast_1d(np.asarray(levels[level], float)) for level in chosen]


def _tick_levels(axes: Axes, levels: Sequence[Number]) -> None:
    """A tick at each tested length, unless they stand too close."""
    width = size_of(axes)[0]
    if len(levels) > 1 and min(np.diff(levels)) / levels[-1] * width > 3.2:
        axes.set_xticks(levels)
        axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
    else:
        most = max(2, min(9, int(width / 8.0)))
        axes.xaxis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))
