"""Errors on many tasks: a line for each task, a point for each seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tapehead.viewing.header import Header, text_mm
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    READ,
    SMALL,
    TEXT,
    Number,
    machine_styles,
    new_figure,
    open_frame,
    place,
    styled,
)


@styled
def error_figure(
    cells: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    *,
    failed: float = 0.05,
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """The error of every seed on every task, the best by validation filled, and the published one.

    Args:
        cells: of a result, one for each task: `task`, `values`, `best`, `published`, from 0 to 1.
        labels: of tasks, in the order in which they are drawn.
        failed: share of errors from which a task counts as failed.
        width: in millimetres.
    """
    by_task = {cell["task"]: cell for cell in cells}
    drawn = [task for task in labels if task in by_task]
    machine = machine_styles([cells[0]["machine"]])[cells[0]["machine"]].label if cells else ""
    left = 5.0 + max((text_mm(labels[task], SMALL) for task in drawn), default=0.0)
    header = Header(width=width - 3, left=left, title=title or machine)
    tall = 3.6 * max(1, len(drawn))
    figure = new_figure(width, header.height + tall + 13)
    axes = place(figure, left, header.height, width - left - 5, tall)
    axes.axvline(100 * failed, color=FAINT, lw=0.6, ls=":")
    for line, task in enumerate(drawn):
        cell = by_task[task]
        values = [100 * value for value in cell["values"]]
        axes.plot(values, [line] * len(values), "o", ms=3.2, mec=READ, mfc="none", mew=0.7,
                  label="a seed" if line == 0 else None)  # fmt: skip
        axes.plot([100 * cell["best"]], [line], "o", ms=3.2, color=READ,
                  label="best by validation" if line == 0 else None)  # fmt: skip
        if cell.get("published") is not None:
            axes.plot([100 * cell["published"]], [line], "|", ms=7, mew=1.1, color=TEXT,
                      label="published" if line == 0 else None)  # fmt: skip
    axes.set_yticks(range(len(drawn)), [labels[task] for task in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(-0.05, 100)
    axes.set_xticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlabel("wrong answers (% of the test questions)")
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)
    axes.tick_params(axis="y", length=0)
    open_frame(axes)
    figure.legend(loc="upper right", ncols=3, bbox_to_anchor=(1 - 2 / width, 1.0))
    header.draw(figure)
    return figure
