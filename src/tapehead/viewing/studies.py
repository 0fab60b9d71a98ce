"""Figures of the studies with discrete choices: races of estimators, and shares of seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tapehead.viewing.curves import plain_number
from tapehead.viewing.estimators import STYLES as ESTIMATORS
from tapehead.viewing.header import text_mm
from tapehead.viewing.seeds import Seed, over_seeds, points_of, position_of
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    SMALL,
    TEXT,
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


class Panel(NamedTuple):
    """A row of a race: what is drawn over what.

    `mark`: a value under which the task counts as solved.
    """

    metric: str
    x: str
    ylabel: str
    log: bool = False
    mark: float | None = None


def seeds_of(cell: Mapping[str, Any]) -> list[Seed]:
    """The learning curves of a cell, as figures take them."""
    return [
        Seed(
            rows=[{"kind": "check", **row} for row in rows],
            solved_at=sequences if solved else None,
        )
        for rows, sequences, solved in zip(
            cell["curves"], cell["sequences"], cell["solved_by_seed"], strict=True
        )
    ]


@styled
def race_figure(
    columns: Mapping[str, Mapping[str, Sequence[Seed]]],
    panels: Sequence[Panel],
    styles: Mapping[str, MachineStyle],
    *,
    width: Number = DOUBLE,
) -> Figure:
    """A column for each machine or task, a row for each panel, one legend for all.

    Thick lines are medians over seeds, thin ones the seeds. A filled mark stands where a seed was
    done; from there on it keeps its last value.

    Args:
        columns: title -> contestant -> learning curves. A contestant without a panel's metric is
            left out of it.
        styles: the look of every contestant.
        width: millimetres.
    """
    left, between, right, height, gap = 15.0, 16.0, 4.0, 36.0, 12.0
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    keys = _places([styles[name].label for name in names], width - 8.0)
    top = 8.0 + max(y for _, y in keys)
    inner = (width - left - right - between * (len(columns) - 1)) / len(columns)
    figure = new_figure(width, top + len(panels) * (height + gap))
    drawn = []
    for number, (title, contestants) in enumerate(columns.items()):
        for row, panel in enumerate(panels):
            x, y = left + number * (inner + between), top + row * (height + gap)
            axes = place(figure, x, y, inner, height)
            drawn.append((row, axes))
            for name, seeds in contestants.items():
                if all(line.get(panel.metric) is not None for line in seeds[0].rows):
                    _race(axes, seeds, panel, styles[name])
            axes.set_xlabel(_X[panel.x][0])
            axes.set_xlim(0, axes.dataLim.x1)
            if panel.log:
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
                axes.yaxis.set_minor_formatter(NullFormatter())
            open_frame(axes)
            axes.set_ylabel(panel.ylabel if not number else "")
            if panel.mark is not None:
                axes.axhline(panel.mark, color=FAINT, lw=0.6, dashes=(2, 2), zorder=0)
            if not row:
                axes.set_title(title)
            letter(axes, "abcdefghij"[row * len(columns) + number], 11.0)
    for row in range(len(panels)):
        _share_limits([axes for at, axes in drawn if at == row])
    axes = _strip(figure, width, top)
    for name, (x, y) in zip(names, keys, strict=True):
        style = styles[name]
        axes.plot([x, x + 7], [y, y], color=style.colour, ls=style.dashes)
        axes.plot([x + 3.5], [y], style.marker, color=style.colour, ms=4.0, mec="white", mew=0.5)
        axes.text(x + 8.5, y, style.label, va="center_baseline", fontsize=SMALL)
    return figure


_X = {"sequences": ("sequences seen (thousands)", 1e-3), "seconds": ("CPU time of training (s)", 1)}
_FLOOR = 1e-2
"""Of a logarithmic axis: no wrong bit at all stands here."""


def _race(axes: Axes, seeds: Sequence[Seed], panel: Panel, style: MachineStyle) -> None:
    scale, least = _X[panel.x][1], _FLOOR if panel.log else -np.inf
    axis, values = over_seeds(seeds, kind="check", x=panel.x, metric=panel.metric)
    axis, values = axis * scale, np.maximum(values, least)
    for seed in seeds:
        where, height = points_of(seed, "check", panel.x, panel.metric)
        axes.plot(
            where * scale, np.maximum(height, least), color=style.colour, lw=0.4, alpha=0.45
        )  # fmt: skip
    axes.plot(axis, np.median(values, 0), color=style.colour, ls=style.dashes, zorder=3)
    for seed in seeds:
        if seed.solved_at is not None:
            where, height = position_of(
                seed, seed.solved_at, kind="check", x=panel.x, metric=panel.metric
            )
            axes.plot(
                [where * scale], [max(height, least)], style.marker, color=style.colour, ms=4.0,
                mec="white", mew=0.5, zorder=4, clip_on=False,
            )  # fmt: skip


def _share_limits(row: Sequence[Axes]) -> None:
    low, high = zip(*(axes.get_ylim() for axes in row), strict=True)
    for axes in row:
        axes.set_ylim(min(low), max(high))


def _places(labels: Sequence[str], width: Number) -> list[tuple[float, float]]:
    """Where the keys of these labels stand, line by line, in millimetres."""
    places, x, y = [], 0.0, 2.0
    for label in labels:
        needed = 8.5 + text_mm(label, SMALL) + 5.0
        if x and x + needed - 5.0 > width:
            x, y = 0.0, y + 4.0
        places.append((x, y))
        x += needed
    return places


def _strip(figure: Figure, width: Number, height: Number) -> Axes:
    """Axes without a frame along the top, in millimetres, for keys."""
    axes = place(figure, 4.0, 1.5, width - 8.0, height)
    axes.set(xlim=(0, width - 8.0), ylim=(height, 0))
    axes.set_axis_off()
    return axes


_ERROR, _VARIANCE = "wrong bits per sequence", "log-variance of the gradient\nat a logit"
_SOFT = MachineStyle(label="soft NTM", colour="#4d4d4d", marker="D", dashes=(0, (5, 1.4)))


def estimator_figure(cells: Cells, kinds: Sequence[str], soft: str) -> Figure:
    """A column for each kind of machine: error against sequences and time, and the variance of the
    gradient, a line for each estimator.

    Args:
        cells: as in `result.json`; a machine is called "<kind> <estimator>".
        soft: the machine without choices that stands in every column.
    """
    curves = {cell["machine"]: seeds_of(cell) for cell in cells}
    columns = {}
    for kind in kinds:
        own = {
            name.removeprefix(f"{kind} "): seeds
            for name, seeds in curves.items()
            if name.startswith(f"{kind} ")
        }
        if own:
            columns[machine_styles([kind])[kind].label] = own | (
                {soft: curves[soft]} if soft in curves else {}
            )
    panels = [
        Panel("bit_errors", "sequences", _ERROR, log=True, mark=0.1),
        Panel("bit_errors", "seconds", _ERROR, log=True, mark=0.1),
        Panel("log_variance", "sequences", _VARIANCE),
    ]
    return race_figure(columns, panels, ESTIMATORS | {soft: _SOFT})


def task_figure(cells: Cells, titles: Mapping[str, str]) -> Figure:
    """A column for each task: error against sequences and time, a line for each machine.

    Args:
        titles: task -> what the figure calls it.
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
    panels = [
        Panel("bit_errors", "sequences", _ERROR, log=True, mark=0.1),
        Panel("bit_errors", "seconds", _ERROR, log=True, mark=0.1),
    ]
    return race_figure(columns, panels, styles)


# --- shares of seeds -----------------------------------------------------------------------------


@styled
def success_figure(cells: Cells, titles: Mapping[str, str], *, width: Number = DOUBLE) -> Figure:
    """How many seeds solved each task, beside the paper's verdict, and how soon.

    Args:
        cells: as in `result.json`, one for each machine and task; `published` is 1 where the paper
            solved the task and 0 where it did not.
        titles: task -> what the figure calls it.
        width: millimetres.
    """
    tasks = [task for task in titles if any(cell["task"] == task for cell in cells)]
    machines = list(dict.fromkeys(cell["machine"] for cell in cells))
    looks = _looks(machines)
    left, between, right, top = 30.0, 12.0, 12.0, 12.0
    height, inner = 11.0 * len(tasks), (width - left - between - right) / 2
    figure = new_figure(width, top + height + 12.0)
    share = place(figure, left, top, inner, height)
    soon = place(figure, left + inner + between, top, inner, height)
    most = max(max(cell["sequences"]) for cell in cells)
    for cell in cells:
        look = looks[cell["machine"]]
        order = machines.index(cell["machine"])
        y = tasks.index(cell["task"]) + 0.4 * (order - (len(machines) - 1) / 2)
        share.barh(y, cell["success_rate"], 0.32, color=look.colour, alpha=0.85, lw=0)
        note = f"{cell['solved']} of {len(cell['seeds'])}"
        share.text(cell["success_rate"] + 0.02, y, note, va="center", fontsize=SMALL, color=TEXT)
        if cell["published"] is not None:
            share.plot(
                [cell["published"]], [y], "o", mfc="white", mec=look.colour, mew=1.0, ms=4.5,
                zorder=5, clip_on=False,
            )  # fmt: skip
        done = [
            sequences
            for sequences, solved in zip(cell["sequences"], cell["solved_by_seed"], strict=True)
            if solved
        ]
        soon.plot(
            done, [y] * len(done), look.marker, color=look.colour, ms=4.0, mec="white", mew=0.5,
            alpha=0.85, clip_on=False,
        )  # fmt: skip
        if len(done) < len(cell["seeds"]):
            note = f"× {len(cell['seeds']) - len(done)}"
            soon.text(
                1.04, y, note, va="center", fontsize=SMALL, color=look.colour,
                transform=soon.get_yaxis_transform(),
            )  # fmt: skip
    for axes in (share, soon):
        axes.set_ylim(len(tasks) - 0.5, -0.5)
        axes.set_yticks(range(len(tasks)))
        axes.tick_params(axis="y", length=0)
        open_frame(axes)
        axes.spines["left"].set_visible(axes is share)
    share.set_yticklabels([titles[task] for task in tasks])
    soon.set_yticklabels([])
    share.set_xlim(0, 1.0)
    share.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    share.set_xlabel("seeds that solved the task")
    soon.set_xscale("log")
    soon.set_xlim(0.8 * min(min(cell["sequences"]) for cell in cells), most)
    soon.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    soon.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:,.0f}"))
    soon.xaxis.set_minor_formatter(NullFormatter())
    soon.set_xlabel("sequences until solved (thousands; ×: seeds not solved)")
    letter(share, "a", 26.0)
    letter(soon, "b", 6.0)
    _keys(figure, looks, width)
    return figure


def _looks(machines: Sequence[str]) -> dict[str, MachineStyle]:
    known = {
        "rl-ntm-direct": MachineStyle(
            label="direct-access controller", colour="#882255", marker="o", dashes="-"
        ),
        "rl-ntm-lstm": MachineStyle(
            label="LSTM controller", colour="#56b4e9", marker="s", dashes="-"
        ),
    }
    return {name: known.get(name) or machine_styles([name])[name] for name in machines}


def _keys(figure: Figure, looks: Mapping[str, MachineStyle], width: Number) -> None:
    said = "open marks: published (at 100% solved, at 0% not)"
    labels = [*(look.label for look in looks.values()), said]
    marks: list[dict[str, Any]] = [
        *({"marker": look.marker, "color": look.colour, "mec": "white"} for look in looks.values()),
        {"marker": "o", "mfc": "white", "mec": TEXT},
    ]
    axes = _strip(figure, width, 4.0)
    for label, mark, (x, y) in zip(labels, marks, _places(labels, width), strict=True):
        axes.plot([x + 5], [y], ls="", ms=4.5, mew=0.8, **mark)
        axes.text(x + 8.5, y, label, va="center_baseline", fontsize=SMALL)
