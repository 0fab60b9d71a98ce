"""Learning curves of several machines: medians over seeds in bands (NTM figures 3, 7, 10 ...)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import ScaledTranslation

from tapehead.tasks.metrics import BITS, Metric, metric_of
from tapehead.viewing.bands import band_of, called, failing
from tapehead.viewing.legend import MachineLegend, spread
from tapehead.viewing.multiples import (
    Block,
    counted_titles,
    crowded,
    explained,
    faintly,
    multiples,
)
from tapehead.viewing.seeds import Seed, choose_kind, over_seeds, points_of, position_of
from tapehead.viewing.style import (
    COLUMN,
    DOUBLE,
    FAINT,
    SMALL,
    MachineStyle,
    Number,
    machine_styles,
    new_figure,
    open_frame,
    place,
    size_of,
    styled,
)

_X = {"sequences": "sequences seen (thousands)", "seconds": "training time (s)"}
_SCALE = {"sequences": 1e-3}


def draw_curves(
    axes: Axes,
    machines: Mapping[str, Sequence[Seed]],
    *,
    x: str = "sequences",
    metric: Metric | str = BITS,
    kind: str | None = None,
    log: bool = False,
    floor: Number = 1e-2,
    published: Mapping[str, Number] | None = None,
    only: str | None = None,
) -> None:
    """Draw median lines in their bands, solved marks and published end values into `axes`.

    Args:
        only: the one machine that is drawn so; the others are faint medians behind it.
    """
    scale, column = _SCALE.get(x, 1.0), metric_of(metric).name
    kind = choose_kind(machines, column) if kind is None else kind
    styles = machine_styles([*machines, *(published or {})])
    lost = failing(machines)
    for name, seeds in machines.items():
        style = styles[name]
        axis, values = over_seeds(seeds, kind=kind, x=x, metric=column)
        axis = axis * scale
        values = np.maximum(values, floor) if log else values
        low, middle, high = band_of(values)
        if only not in (None, name):
            faintly(axes, axis, middle, name)
            continue
        if len(seeds) > 1:
            axes.fill_between(
                axis, low, high, color=style.colour, alpha=0.16, lw=0,
                label=f"{name} {called(len(seeds))}",
            )  # fmt: skip
        for seed in lost.get(name, ()):
            where, height = points_of(seed, kind, x, column)
            axes.plot(
                where * scale, np.maximum(height, floor) if log else height, color=style.colour,
                ls=style.dashes, lw=0.5, alpha=0.7, label=f"{name} not solved",
            )  # fmt: skip
        # A line of a single point would not be seen; a filled mark would say that it was solved.
        dash: dict[str, Any] = (
            {"marker": "_", "ms": 5.0, "mew": 1.1, "clip_on": False} if len(axis) == 1 else {}
        )
        axes.plot(axis, middle, color=style.colour, ls=style.dashes, label=name, zorder=3, **dash)
        solved = [
            position_of(seed, seed.solved_at, kind=kind, x=x, metric=column)
            for seed in seeds
            if seed.solved_at is not None
        ]
        if solved:
            where, height = np.array(solved).T
            axes.plot(
                where * scale, np.maximum(height, floor) if log else height, style.marker,
                color=style.colour, markersize=4.0, mec="white", mew=0.5, zorder=4,
                label=f"{name} solved", clip_on=False,
            )  # fmt: skip
    axes.set_xlabel(_X.get(x, x))
    axes.set_ylabel(metric_of(metric).heading)
    axes.set_xlim(0, axes.dataLim.x1)
    if log:
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(floor, 0.6 * axes.dataLim.y0))
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif axes.dataLim.y0 < 0.5 * axes.dataLim.y1:
        axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))
    open_frame(axes)
    if published and only is not None:
        published = {name: value for name, value in published.items() if name == only}
    if published:
        _mark_published(axes, published, styles, floor if log else None)


@styled
def learning_curves(
    machines: Mapping[str, Sequence[Seed]],
    *,
    x: str | Sequence[str] = "sequences",
    metric: Metric | str = BITS,
    kind: str | None = None,
    log: bool = False,
    floor: Number = 1e-2,
    published: Mapping[str, Number] | None = None,
    title: str = "",
    width: Number | None = None,
) -> Figure:
    """Cost against sequences seen, a line per machine: the median over seeds in their range, or of
    ten and more from the first to the third quartile, with a thin line for each that fails.

    A filled mark stands where a seed solved the task; there its run may stop, and it keeps its last
    value for the median. Published end values are ticks at the right edge. More than five machines
    have a panel each.

    Args:
        machines: name to seeds; the names in `style.machine_styles` have fixed looks.
        x: "sequences" or "seconds"; several give a panel each.
        metric: what is drawn, or the name of its column in the rows: "bits", "bit_errors".
        kind: "train" or "validation" rows; None takes training rows unless a curriculum made them
            easier than the task.
        log: logarithmic cost; values below `floor` are drawn on it.
        published: end value per machine, in the unit of `metric`.
        width: millimetres; None takes one column of a paper for one panel and two for more.

    Raises:
        ValueError: no machines, or a seed without such rows.
    """
    if not machines or not all(machines.values()):
        raise ValueError("machines must hold at least one machine, each with at least one seed")
    xs = [x] if isinstance(x, str) else list(x)
    if width is None:
        width = COLUMN if len(xs) == 1 else DOUBLE
    if crowded(machines):
        options = {"metric": metric, "kind": kind, "log": log, "floor": floor}
        marked = {"sequences": published}
        return multiples(
            [
                Block(
                    counted_titles(machines),
                    lambda axes, only, x=x: draw_curves(
                        axes, machines, x=x, published=marked.get(x), only=only, **options
                    ),
                )
                for x in xs
            ],
            title=title,
            note=explained([*map(len, machines.values())], machines),
            width=width,
            beside=9.0 if published else 0.0,
        )
    left, right = 10.5, 3.5
    # Published values hold for a number of sequences, not for a time on some machine.
    beside = [9.0 if published and name == "sequences" else 0.0 for name in xs]
    between = 12.0
    legend = MachineLegend(
        machines, left=left, width=width, title=title, seeds=[*map(len, machines.values())]
    )
    top = legend.height
    inner = (width - left - right - between * (len(xs) - 1) - sum(beside)) / len(xs)
    height = min(52.0, max(38.0, 0.62 * inner))
    figure = new_figure(width, top + height + 9.0)
    start = left
    for name, room in zip(xs, beside, strict=True):
        axes = place(figure, start, top, inner, height)
        draw_curves(
            axes, machines, x=name, metric=metric, kind=kind, log=log, floor=floor,
            published=published if room else None,
        )  # fmt: skip
        if start > left:
            axes.set_ylabel("")
        start += inner + room + between
    legend.draw(figure)
    return figure


def plain_number(value: Number, position: Number | None = None) -> str:
    """0.01, 1, 1000; as a formatter of ticks too."""
    return f"{value:g}"


def _mark_published(
    axes: Axes,
    published: Mapping[str, Number],
    styles: Mapping[str, MachineStyle],
    floor: Number | None,
) -> None:
    """Open markers at the right edge with their values, side by side where they would overlap.

    One value for all machines that share it, moved aside where two would touch.
    """
    groups: dict[Number, list[str]] = {}
    for name in sorted(published, key=lambda name: published[name]):
        groups.setdefault(published[name], []).append(name)
    drawn = [max(value, floor) if floor is not None else value for value in groups]
    low, high = axes.get_ylim()
    low, high = min(low, min(drawn)), max(high, max(drawn))
    axes.set_ylim(low, high)
    if floor is not None:
        fractions = [float(np.log(value / low) / np.log(high / low)) for value in drawn]
    else:
        fractions = [float((value - low) / (high - low)) for value in drawn]
    points = size_of(axes)[1] / 25.4 * 72
    placed = spread(fractions, (SMALL + 0.5) / points)
    places = _beside([fraction * points for fraction in fractions], [*map(len, groups.values())])
    at_edge = axes.get_yaxis_transform()
    for number, (value, names) in enumerate(groups.items()):
        for order, name in enumerate(names, start=places[number][0]):
            right = ScaledTranslation((4.0 + 5.5 * order) / 72, 0, axes.figure.dpi_scale_trans)
            axes.plot(
                [1.0], [drawn[number]], styles[name].marker, mfc="white", mec=styles[name].colour,
                mew=0.9, ms=4.0, transform=at_edge + right, clip_on=False, zorder=5,
                label=f"{name} published",
            )  # fmt: skip
        moved = (placed[number] - fractions[number]) * points
        axes.annotate(
            plain_number(value), (1.0, drawn[number]),
            (3.0 + 5.5 * places[number][1], moved), xycoords=at_edge,
            textcoords="offset points", fontsize=SMALL, va="center", annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "published", (1.0, 1.0), (1, 3.0), xycoords="axes fraction", textcoords="offset points",
        fontsize=SMALL, color=FAINT, ha="center", va="baseline",
    )  # fmt: skip


def _beside(heights: Sequence[Number], counts: Sequence[int]) -> list[tuple[int, int]]:
    """For each group of markers, from the lowest up: where in its row its first one stands, and how
    many the row holds. Groups closer than a marker's size, in points, share a row.
    """
    rows: list[list[int]] = []
    for number, height in enumerate(heights):
        if rows and height - heights[rows[-1][-1]] < 5.0:
            rows[-1].append(number)
        else:
            rows.append([number])
    return [
        (sum(counts[other] for other in row[:order]), sum(counts[other] for other in row))
        for row in rows
        for order in range(len(row))
    ]
