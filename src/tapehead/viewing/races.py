"""Races: learning curves of several machines or estimators, a column for each kind or task."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from tapehead.tasks import make_task
from tapehead.tasks.metrics import PassMark
from tapehead.viewing.bands import MANY, band_of
from tapehead.viewing.curves import plain_number
from tapehead.viewing.estimators import STYLES as ESTIMATORS
from tapehead.viewing.legend import line_up, strip
from tapehead.viewing.multiples import Block, crowded, faintly, multiples
from tapehead.viewing.seeds import Seed, over_seeds, points_of, position_of
from tapehead.viewing.solved import Panel, draw_solved
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    SMALL,
    MachineStyle,
    Number,
    letter,
    machine_styles,
    new_figure,
    open_frame,
    place,
    styled,
)

Cells = Sequence[Mapping[str, Any]]


def seeds_of(cell: Mapping[str, Any]) -> list[Seed]:
    """The learning curves of a cell, as figures take them: checks, and probes of the gradient."""
    probes = cell.get("variances") or [[]] * len(cell["curves"])
    return [
        Seed(
            rows=[{"kind": "check", **row} for row in rows]
            + [{"kind": "probe", **row} for row in probed],
            solved_at=sequences if solved else None,
        )
        for rows, probed, sequences, solved in zip(
            cell["curves"], probes, cell["sequences"], cell["solved_by_seed"], strict=True
        )
    ]


@styled
def race_figure(
    columns: Mapping[str, Mapping[str, Sequence[Seed]]],
    panels: Sequence[Panel],
    styles: Mapping[str, MachineStyle],
    *,
    discrete_from: Mapping[str, int] = MappingProxyType({}),
    width: Number = DOUBLE,
) -> Figure:
    """A column for each machine or task, a row for each panel, one legend for all.

    Thick lines are medians over seeds, thin ones the seeds. A filled mark stands where a seed was
    done; from there on it keeps its last value. Of ten seeds and more there is a band from the
    first quartile to the third instead, without marks. If a column has more than five contestants,
    each has panels of its own.

    Args:
        columns: title -> contestant -> learning curves. A contestant without a panel's metric is
            left out of it.
        styles: the look of every contestant.
        discrete_from: title -> sequences after which the machines of that column are soft no more.
        width: millimetres.
    """
    if any(map(crowded, columns.values())):
        return _crowded_race(columns, panels, styles, discrete_from, width)
    left, between, right, height, gap = 15.0, 16.0, 4.0, 36.0, 12.0
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    keys = line_up([styles[name].label for name in names], width - 8.0)
    top = 8.0 + max(y for _, y in keys)
    inner = (width - left - right - between * (len(columns) - 1)) / len(columns)
    figure = new_figure(width, top + len(panels) * (height + gap))
    drawn = []
    for number, (title, contestants) in enumerate(columns.items()):
        for row, panel in enumerate(panels):
            x, y = left + number * (inner + between), top + row * (height + gap)
            axes = place(figure, x, y, inner, height)
            drawn.append((row, axes))
            _draw_race(contestants, panel, styles, discrete_from.get(title), axes)
            if number:
                axes.set_ylabel("")
            if not row:
                axes.set_title(title)
            letter(axes, "abcdefghij"[row * len(columns) + number], 11.0)
    for row in range(len(panels)):
        _share_limits([axes for at, axes in drawn if at == row])
    axes = strip(figure, width, top)
    marked = any(len(seeds) < MANY for column in columns.values() for seeds in column.values())
    for name, (x, y) in zip(names, keys, strict=True):
        style = styles[name]
        axes.plot([x, x + 7], [y, y], color=style.colour, ls=style.dashes)
        if marked:
            look: dict[str, Any] = {"color": style.colour, "ms": 4.0, "mec": "white", "mew": 0.5}
            axes.plot([x + 3.5], [y], style.marker, **look)
        axes.text(x + 8.5, y, style.label, va="center_baseline", fontsize=SMALL)
    return figure


def _crowded_race(
    columns: Mapping[str, Mapping[str, Sequence[Seed]]],
    panels: Sequence[Panel],
    styles: Mapping[str, MachineStyle],
    discrete_from: Mapping[str, int],
    width: Number,
) -> Figure:
    """A block of panels for each column and panel, one for each contestant that has the metric."""
    blocks = []
    for title, contestants in columns.items():
        for panel in panels:
            draw = partial(_draw_race, contestants, panel, styles, discrete_from.get(title))
            titles = {name: styles[name].label for name in _with(panel, contestants)}
            if titles:
                blocks.append(Block(titles, draw, title))
    note = (
        "median over seeds, and thin each seed, with a mark where it was done; the others in grey"
    )
    return multiples(blocks, note=note, width=width)


def _with(panel: Panel, contestants: Mapping[str, Sequence[Seed]]) -> list[str]:
    """Those that have the panel's metric."""
    return [
        name
        for name, seeds in contestants.items()
        if all(len(_points(seed, panel)[0]) for seed in seeds)
    ]


def _draw_race(
    contestants: Mapping[str, Sequence[Seed]],
    panel: Panel,
    styles: Mapping[str, MachineStyle],
    soft_until: int | None,
    axes: Axes,
    only: str | None = None,
) -> None:
    for name in _with(panel, contestants):
        if panel.solved:
            style = styles[name] if only in (None, name) else None
            draw_solved(axes, contestants[name], panel, _X[panel.x][1], style)
        elif only in (None, name):
            _race(axes, contestants[name], panel, styles[name])
        else:
            axis, values = over_seeds(
                contestants[name], kind=panel.kind, x=panel.x, metric=panel.metric
            )
            middle = np.maximum(np.median(values, 0), panel.least)
            faintly(axes, axis * _X[panel.x][1], middle, name)
    axes.set_xlabel(_X[panel.x][0])
    if axes.lines:
        axes.set_xlim(0, axes.dataLim.x1)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.yaxis.set_minor_formatter(NullFormatter())
    open_frame(axes)
    axes.set_ylabel(panel.ylabel)
    if panel.mark is not None:
        axes.axhline(panel.mark, color=FAINT, lw=0.6, dashes=(2, 2), zorder=0)
    if panel.x == "sequences" and soft_until is not None:
        # Away from where lines begin.
        _soft_until(axes, soft_until * _X[panel.x][1], "top" if panel.solved else "bottom")


_X = {"sequences": ("sequences seen (thousands)", 1e-3), "seconds": ("CPU time of training (s)", 1)}


def _soft_until(axes: Axes, sequences: float, side: Literal["top", "bottom"]) -> None:
    axes.axvspan(0, sequences, color=FAINT, alpha=0.15, lw=0, zorder=0)
    y = {"top": 0.97, "bottom": 0.03}[side]
    axes.text(
        0.02, y, "soft, or\npartly", transform=axes.transAxes, va=side, fontsize=SMALL,
        color=FAINT, zorder=0,
    )  # fmt: skip


def _race(axes: Axes, seeds: Sequence[Seed], panel: Panel, style: MachineStyle) -> None:
    scale, least = _X[panel.x][1], panel.least
    axis, values = over_seeds(seeds, kind=panel.kind, x=panel.x, metric=panel.metric)
    axis, values = axis * scale, np.maximum(values, least)
    if len(seeds) >= MANY:
        low, middle, high = band_of(values)
        axes.fill_between(axis, low, high, color=style.colour, alpha=0.16, lw=0)
        axes.plot(axis, middle, color=style.colour, ls=style.dashes, zorder=3)
        return
    for seed in seeds:
        where, height = _points(seed, panel)
        axes.plot(
            where * scale, np.maximum(height, least), color=style.colour, lw=0.4, alpha=0.45
        )  # fmt: skip
    axes.plot(axis, np.median(values, 0), color=style.colour, ls=style.dashes, zorder=3)
    for seed in seeds:
        if seed.solved_at is not None:
            where, height = position_of(
                seed, seed.solved_at, kind=panel.kind, x=panel.x, metric=panel.metric
            )
            axes.plot(
                [where * scale], [max(height, least)], style.marker, color=style.colour, ms=4.0,
                mec="white", mew=0.5, zorder=4, clip_on=False,
            )  # fmt: skip


def _points(seed: Seed, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    return points_of(seed, panel.kind, panel.x, panel.metric)


def _share_limits(row: Sequence[Axes]) -> None:
    low, high = zip(*(axes.get_ylim() for axes in row), strict=True)
    for axes in row:
        axes.set_ylim(min(low), max(high))


_VARIANCE = "log-variance of the gradient\nat a logit"
_NO_ERROR, _NO_VARIANCE = 1e-2, -40.0
"""Where on an axis no wrong bit at all stands, and choices so sure that nothing varies."""
_SOFT = MachineStyle(label="", colour="#4d4d4d", marker="D", dashes=(0, (5, 1.4)))


def _error_panels(cells: Cells, mark: PassMark | None) -> list[Panel]:
    """The task's own measure against sequences and against time, or where there are many seeds how
    many of them are done; several tasks share theirs."""
    metric, threshold = mark or make_task(cells[0]["task"]).pass_mark
    if all(len(cell["seeds"]) >= MANY for cell in cells) and any(cell["solved"] for cell in cells):
        return [Panel(metric.name, x, "seeds that solved it (%)", solved=True) for x in _X]
    return [
        Panel(metric.name, x, metric.heading, log=True, mark=threshold, least=_NO_ERROR) for x in _X
    ]


def estimator_figure(
    cells: Cells,
    titles: Mapping[str, str],
    soft: str,
    *,
    soft_title: str = "soft NTM",
    mark: PassMark | None = None,
) -> Figure:
    """A column for each kind of machine: error against sequences and time, and the variance of the
    gradient, a line for each estimator.

    Args:
        cells: as in `result.json`; a machine is called "<kind> <estimator>". "soft_until" of one
            that is annealed: sequences after which it is soft no more.
        titles: kind -> what the figure calls it.
        soft: the machine without choices that stands in every column.
        soft_title: what the figure calls that.
        mark: of the tasks; left out: that of the first cell's.
    """
    curves = {cell["machine"]: seeds_of(cell) for cell in cells}
    columns, discrete_from = {}, {}
    for kind, title in titles.items():
        own = {
            name.removeprefix(f"{kind} "): seeds
            for name, seeds in curves.items()
            if name.startswith(f"{kind} ")
        }
        if own:
            columns[title] = own | ({soft: curves[soft]} if soft in curves else {})
            first = f"{kind} {next(iter(own))}"
            soft_until = next(c.get("soft_until") for c in cells if c["machine"] == first)
            if soft_until:
                discrete_from[title] = soft_until
    if not columns:  # nothing has been trained yet that chooses
        columns[soft_title] = {soft: curves[soft]}
    panels = [
        *_error_panels(cells, mark),
        Panel("log_variance", "sequences", _VARIANCE, least=_NO_VARIANCE, kind="probe"),
    ]
    styles = ESTIMATORS | {soft: dataclasses.replace(_SOFT, label=soft_title)}
    return race_figure(columns, panels, styles, discrete_from=discrete_from)


def task_figure(cells: Cells, titles: Mapping[str, str], *, mark: PassMark | None = None) -> Figure:
    """A column for each task: error against sequences and time, a line for each machine.

    Args:
        titles: task -> what the figure calls it.
        mark: of the tasks; left out: that of the first cell's.
    """
    columns: dict[str, dict[str, list[Seed]]] = {}
    for cell in cells:
        columns.setdefault(titles[cell["task"]], {})[cell["machine"]] = seeds_of(cell)
    names = dict.fromkeys(cell["machine"] for cell in cells)
    styles = machine_styles([name for name in names if " " not in name])
    for name in names:
        kind, _, estimator = name.partition(" ")
        if estimator:
            look = ESTIMATORS[estimator]
            label = f"{machine_styles([kind])[kind].label}, {look.label}"
            styles[name] = dataclasses.replace(look, label=label)
    return race_figure(columns, _error_panels(cells, mark), styles)
