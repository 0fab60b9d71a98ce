"""A score at several sizes of a problem, task by task, and how it was learned."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from tapehead.viewing.legend import MachineLegend
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    TEXT,
    MachineStyle,
    Number,
    machine_styles,
    new_figure,
    open_frame,
    place,
    styled,
)


@styled
def sizes_figure(
    cells: Sequence[Mapping[str, Any]],
    *,
    ylabel: str,
    titles: Mapping[str, str],
    share: bool = False,
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """The score of every seed at each size that was tested, a line through the medians of a task,
    and what is published; and for each task the score of the validations.

    Args:
        cells: of a result; those of tests have a size as their `test`, one of each machine and task
            has `curves`, the validations of each seed.
        titles: of the tasks, in the order in which they are drawn.
        share: whether scores are shares, from 0 to 1.
        width: in millimetres.
    """
    tasks = [task for task in titles if any(cell["task"] == task for cell in cells)]
    machines = list(dict.fromkeys(cell["machine"] for cell in cells))
    styles = machine_styles(machines)
    left, gap, tall = 13.0, 11.0, 38.0
    legend = MachineLegend(
        dict.fromkeys(machines), left=left, width=width, title=title,
        published=any(cell.get("published") is not None for cell in cells),
    )  # fmt: skip
    top = legend.height + 3.0
    # Of one task beside each other, of several one below the other.
    beside = len(tasks) == 1
    columns = 2 if beside else max(1, len(tasks))
    wide = (width - left - 3.0 - gap * (columns - 1)) / columns
    figure = new_figure(width, top + (tall + 10.0 if beside else 2 * tall + 26.0))
    legend.draw(figure)
    sizes = place(figure, left, top, wide if beside else width - left - 3.0, tall)
    _sizes(sizes, cells, styles, wide if beside else width - left - 3.0)
    sizes.set_title(titles[tasks[0]] if beside else "At each size")
    panels = [sizes]
    for number, task in enumerate(tasks):
        x = left + (number + beside) * (wide + gap)
        learned = place(figure, x, top if beside else top + tall + 14.0, wide, tall)
        _curves(learned, [cell for cell in cells if cell["task"] == task], styles)
        learned.set_title("Validation" if beside else f"Validation, {titles[task]}")
        panels.append(learned)
    for number, axes in enumerate(panels):
        open_frame(axes)
        if share:
            axes.set_ylim(-0.02, 1.02)
        if number == 0 or (number == 1 and not beside):
            axes.set_ylabel(ylabel)
    return figure


def _sizes(
    axes: Axes,
    cells: Sequence[Mapping[str, Any]],
    styles: Mapping[str, MachineStyle],
    width: Number,
) -> None:
    tested = sorted(
        (cell for cell in cells if cell["test"] is not None), key=lambda cell: int(cell["test"])
    )
    sizes = sorted({int(cell["test"]) for cell in tested})
    for name, task in dict.fromkeys((cell["machine"], cell["task"]) for cell in tested):
        style = styles[name]
        own = [cell for cell in tested if (cell["machine"], cell["task"]) == (name, task)]
        for cell in own:
            values = cell["values"]
            axes.plot(
                [int(cell["test"])] * len(values), values, style.marker, color=style.colour, ms=3,
                mew=0.5, mec="white", alpha=0.8,
            )  # fmt: skip
        axes.plot(
            [int(cell["test"]) for cell in own],
            [statistics.median(cell["values"]) for cell in own],
            color=style.colour, ls=style.dashes,
        )  # fmt: skip
    known = [cell for cell in tested if cell.get("published") is not None]
    axes.plot(
        [int(cell["test"]) for cell in known], [cell["published"] for cell in known], "o",
        mfc="none", mec=TEXT, mew=0.9, ms=5, zorder=5,
    )  # fmt: skip
    axes.set_xscale("log")
    _label(axes, sizes, width)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if sizes:
        axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    axes.set_xlabel("points")
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)


def _label(axes: Axes, sizes: Sequence[int], width: Number) -> None:
    """A tick at each size; a number where there is room beside the one before."""
    labels, last = [], -10.0
    span = math.log(1.69 * sizes[-1] / sizes[0]) if sizes else 1.0
    for size in sizes:
        at = float(width) * math.log(size / sizes[0]) / span
        shown = at - last >= 5.0
        last = at if shown else last
        labels.append(str(size) if shown else "")
    axes.set_xticks(sizes, labels)


def _curves(
    axes: Axes, cells: Sequence[Mapping[str, Any]], styles: Mapping[str, MachineStyle]
) -> None:
    for cell in cells:
        style = styles[cell["machine"]]
        for rows in cell.get("curves", ()):
            axes.plot(
                [row["sequences"] / 1000 for row in rows], [row[cell["metric"]] for row in rows],
                color=style.colour, ls=style.dashes, lw=0.8, alpha=0.8,
            )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_xlabel("problems seen (thousands)")
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)
