"""A table of errors as a picture: tasks from the top down, machines from left to right."""

from collections.abc import Sequence
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.tasks.babi.stories import FAILED
from tapehead.viewing.header import text_mm
from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    SMALL,
    TEXT,
    Number,
    new_figure,
    place,
    styled,
)

_FAILED = 100 * FAILED
_ROW = 3.9
"""Millimetres from row to row."""


class Entry(NamedTuple):
    """Errors on a task in percent; None where nothing has been run.

    note: a mark behind ours, explained elsewhere.
    """

    mean: float | None
    best: float | None
    published: float
    note: str = ""


class TableColumn(NamedTuple):
    """A machine.

    group: what it shares with its neighbours, written above them.
    run: whether anything of ours is shown.
    """

    title: str
    group: str
    entries: Sequence[Entry]
    run: bool

    @property
    def heads(self) -> tuple[str, ...]:
        """What its numbers are."""
        return ("mean", "best", "paper") if self.run else ("paper",)

    def texts(self, row: int) -> list[str]:
        """A row as text: mean, best and published, or an empty place and the last."""
        mean, best, published, note = self.entries[row]
        paper = f"{published:.1f}"
        if not self.run:
            return ["", paper]
        if mean is None or best is None:
            return ["", "", paper]
        return [f"{mean:.1f}{note}", f"{best:.1f}{note}", paper]

    def summary(self, label: str) -> list[str]:
        """The mean over tasks, or how many are failed, as text; ours only if all have been run."""

        def of(values: Sequence[float]) -> str:
            if label == "mean":
                return f"{fmean(values):.1f}"
            return str(sum(value > _FAILED for value in values))

        paper = of([entry.published for entry in self.entries])
        if not self.run:
            return ["", paper]
        means = [entry.mean for entry in self.entries if entry.mean is not None]
        bests = [entry.best for entry in self.entries if entry.best is not None]
        if len(means) < len(self.entries):
            return ["", "", paper]
        return [of(means), of(bests), paper]


@styled
def table_figure(
    labels: Sequence[str],
    columns: Sequence[TableColumn],
    *,
    notes: Sequence[str] = (),
    width: Number = DOUBLE,
) -> Figure:
    """Errors in percent, failed tasks in the colour of errors, published ones grey.

    Args:
        labels: of the rows.
        notes: lines below the table.
        width: in millimetres.
    """
    left = 4.0 + max(text_mm(label, SMALL) for label in labels)
    count = sum(len(column.heads) for column in columns)
    groups = [(name, list(members)) for name, members in groupby(columns, lambda c: c.group)]
    gap, between = 1.6, 4.0
    spaces = gap * (len(columns) - len(groups)) + between * (len(groups) - 1)
    each = (width - left - spaces - 2.0) / count
    rows = len(labels) + 2
    tall = (rows + 0.5) * _ROW
    top, foot = 13.0, 3.0 + 3.2 * len(notes)
    figure = new_figure(width, top + tall + foot)
    axes = place(figure, 0, top, width, tall)
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(tall, 0))
    heights = [(row + 0.5 + (0.5 if row >= len(labels) else 0.0)) * _ROW for row in range(rows)]
    for label, y in zip([*labels, "mean", "failed"], heights, strict=True):
        axes.text(1.0, y, label, fontsize=SMALL, va="center")
    for line, note in enumerate(notes):
        axes.text(1.0, tall + 3.2 * (line + 0.7), note, fontsize=SMALL - 1, color=FAINT)
    rule = (len(labels) + 0.25) * _ROW
    x = left
    for _, members in groups:
        start = x
        for column in members:
            _write_column(axes, column, len(labels), heights, x, each)
            x += each * len(column.heads) + gap
        end = x - gap
        for y in (0.0, rule):
            axes.plot([start, end], [y, y], color=TEXT, lw=0.5, clip_on=False)
        _write_group(axes, members[0].group, (start + end) / 2, end - start)
        x = end + between
    return figure


def _write_group(axes: Axes, group: str, x: float, room: float) -> None:
    lines = group.split(", ") if text_mm(group, SMALL) > room else [group]
    axes.text(x, -12.2, "\n".join(lines), fontsize=SMALL, color=FAINT, ha="center", va="top")


def _write_column(
    axes: Axes, column: TableColumn, tasks: int, heights: Sequence[float], x: float, each: float
) -> None:
    middle = x + each * len(column.heads) / 2
    axes.text(
        middle, -5.5, column.title, ha="center", va="center", fontsize=SMALL, weight="bold",
        color=TEXT if column.run else FAINT,
    )  # fmt: skip
    for place_, head in enumerate(column.heads):
        right = x + each * (place_ + 1) - 0.6
        axes.text(right, -2.0, head, ha="right", va="center", fontsize=SMALL - 1, color=FAINT)
        for row, y in enumerate(heights):
            texts = (
                column.texts(row)
                if row < tasks
                else column.summary(("mean", "failed")[row - tasks])
            )
            text = texts[place_] if column.run else texts[-1]
            if text:
                is_ours = head != "paper"
                failed = row < tasks and is_ours and float(text.rstrip("*")) > _FAILED
                colour = ERROR if failed else TEXT if is_ours else FAINT
                axes.text(right, y, text, ha="right", va="center", fontsize=SMALL, color=colour)
