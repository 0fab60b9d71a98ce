"""The machines' names above the panels, and numbers beside them that must not touch."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.bands import notes
from tapehead.viewing.header import text_mm
from tapehead.viewing.seeds import Seed, any_solved
from tapehead.viewing.style import FAINT, SMALL, Number, machine_styles, place, size_of

_ROW = 3.8
LINE = 2.6
"""Millimetres from one line of small text to the next."""


class MachineLegend:
    """A title and the machines in rows above the panels, never over the data.

    Args:
        machines: name to its seeds, or to None; where any seed solved the task, each machine with
            seeds tells how many did.
        left, width: where the text starts and how wide the figure is, in millimetres.
        published: whether to explain the open markers.
        seeds: how many each line rests on; if any has several, band and line are explained.
        dots: whether there are some, for seeds outside a band.
    """

    def __init__(
        self,
        machines: Mapping[str, Sequence[Seed] | None],
        *,
        left: Number,
        width: Number,
        title: str = "",
        published: bool = False,
        seeds: Collection[int] = (),
        dots: bool = False,
    ) -> None:
        self._left, self._title = left, title
        self._styles = machine_styles(machines)
        counted = any_solved(machines)
        entries: list[tuple[str | None, str]] = []
        for name, runs in machines.items():
            label = self._styles[name].label
            if counted and runs:
                solved = sum(seed.solved_at is not None for seed in runs)
                label += f": {solved} of {len(runs)} solved"
            entries.append((name, label))
        if published:
            entries.append(("", "published"))
        entries += [(None, note) for note in notes(seeds, machines=machines, dots=dots)]
        self._rows: list[list[tuple[float, str | None, str]]] = []
        room = used = width - left
        for name, label in entries:
            mark = {None: 0.0, "": 3.5}.get(name, 9.0)
            wide = mark + text_mm(label, SMALL) + 3.5
            if used + wide - 3.5 > room:
                self._rows.append([])
                used = 0.0
            self._rows[-1].append((used, name, label))
            used += wide

    @property
    def height(self) -> float:
        """Millimetres from the top of the figure to the axes, panel notes included."""
        return 1.0 + (4.2 if self._title else 0.0) + _ROW * len(self._rows) + 4.0

    def draw(self, figure: Figure) -> None:
        width, height = figure.get_size_inches() * 25.4
        top = 1.0
        if self._title:
            figure.text(
                self._left / width, 1 - 2.7 / height, self._title, va="center", weight="bold"
            )
            top += 4.2
        rows = _ROW * len(self._rows)
        axes = place(figure, self._left, top, width - self._left, rows)
        axes.set(xlim=(0, width - self._left), ylim=(rows, 0), label="legend")
        axes.set_axis_off()
        for number, row in enumerate(self._rows):
            y = _ROW * (number + 0.5)
            for x, name, label in row:
                if name:
                    style = self._styles[name]
                    axes.plot([x, x + 7.5], [y, y], color=style.colour, ls=style.dashes)
                    axes.plot(
                        [x + 3.75], [y], style.marker, color=style.colour, ms=4, mec="white",
                        mew=0.5,
                    )  # fmt: skip
                    x += 9.0
                elif name == "":
                    axes.plot([x + 1.2], [y], "o", mfc="none", mec=FAINT, mew=0.9, ms=4)
                    x += 3.5
                axes.text(
                    x, y, label, va="center_baseline", fontsize=SMALL,
                    color=FAINT if name is None else None,
                )  # fmt: skip


def spread(
    values: Sequence[Number], gap: Number, low: Number = -np.inf, high: Number = np.inf
) -> list[float]:
    """The positions nearest to `values`, in their order, at least `gap` apart.

    They stay between `low` and `high` if there is room for all.
    """
    order = np.argsort(values, kind="stable")
    # Runs that touch move as one block around the mean of what they want.
    blocks: list[list[float]] = []
    for value in np.asarray(values, float)[order]:
        blocks.append([value])
        while len(blocks) > 1 and _first(blocks[-1], gap) - _last(blocks[-2], gap) < gap:
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    placed = np.array([_first(block, gap) + gap * i for block in blocks for i in range(len(block))])
    steps = gap * np.arange(len(placed))
    placed = np.maximum(np.minimum(placed, high - steps[::-1]), low + steps)
    result = np.empty(len(placed))
    result[order] = placed
    return result.tolist()


def beside(axes: Axes, labels: Mapping[str, tuple[Number, Any]], *, gap: Number = 2.0) -> None:
    """Names at the right ends of their lines, moved apart so that none touches another.

    Args:
        labels: text -> height in data where its line ends, and its colour.
        gap: millimetres between the axes and the text.
    """
    ends = np.array([height for height, _ in labels.values()], float)
    across = axes.transData.transform(np.column_stack([np.ones_like(ends), ends]))[:, 1]
    box = axes.transAxes.transform([(0, 0), (0, 1)])[:, 1]
    tall = size_of(axes)[1]
    heights = (across - box[0]) / (box[1] - box[0]) * tall
    for (text, (_, colour)), y in zip(
        labels.items(), spread(heights.tolist(), LINE, 0.0, tall), strict=True
    ):
        axes.annotate(
            text, (1.0, y / tall), (gap / 25.4 * 72, 0), xycoords="axes fraction",
            textcoords="offset points", va="center_baseline", color=colour, fontsize=SMALL,
        )  # fmt: skip


def _first(block: Sequence[Number], gap: Number) -> float:
    return float(np.mean(block)) - gap * (len(block) - 1) / 2


def _last(block: Sequence[Number], gap: Number) -> float:
    return float(np.mean(block)) + gap * (len(block) - 1) / 2


def line_up(labels: Sequence[str], width: Number) -> list[tuple[float, float]]:
    """Where the keys of these labels stand, line by line, in millimetres."""
    places, x, y = [], 0.0, 2.0
    for label in labels:
        needed = 8.5 + text_mm(label, SMALL) + 5.0
        if x and x + needed - 5.0 > width:
            x, y = 0.0, y + 4.0
        places.append((x, y))
        x += needed
    return places


def strip(figure: Figure, width: Number, height: Number) -> Axes:
    """Axes without a frame along the top, in millimetres, for keys."""
    axes = place(figure, 4.0, 1.5, width - 8.0, height)
    axes.set(xlim=(0, width - 8.0), ylim=(height, 0))
    axes.set_axis_off()
    return axes
