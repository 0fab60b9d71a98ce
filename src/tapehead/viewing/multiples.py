"""Small multiples: more contestants than one panel can hold, each in a panel of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.bands import notes
from tapehead.viewing.header import text_mm
from tapehead.viewing.seeds import Seed, any_solved
from tapehead.viewing.style import (
    FAINT,
    SIZE,
    SMALL,
    Number,
    letter,
    machine_styles,
    new_figure,
    place,
)

MOST_TOGETHER = 5
"""Lines with their bands that can be told apart in one panel."""

Draw = Callable[[Axes, str], None]
"""Draws one contestant in full, and the others as faint lines behind it."""

_LEFT, _RIGHT, _GAP, _TALL, _BETWEEN = 11.5, 3.5, 5.0, 22.0, 8.0
_WIDE = 34.0
"""Millimetres that a panel should have at least."""


def crowded(names: Sequence[str] | Mapping[str, object]) -> bool:
    """Whether so many contestants are drawn as small multiples."""
    return len(names) > MOST_TOGETHER


class Block(NamedTuple):
    """Panels with the same axes, one for each contestant.

    titles: contestant -> what stands above its panel.
    heading: what stands above them all.
    """

    titles: Mapping[str, str]
    draw: Draw
    heading: str = ""


def multiples(
    blocks: Sequence[Block],
    *,
    title: str = "",
    note: str = "",
    width: Number,
    beside: Number = 0.0,
) -> Figure:
    """Blocks of panels below each other; in each only the outer panels are labelled.

    Args:
        note: faint, at the top: what lines and bands mean.
        beside: millimetres to the right of each panel, for what stands there.
    """
    gap = _GAP + beside
    fitting = int((width - _LEFT - _RIGHT + _GAP) // (_WIDE + gap))
    columns = max(1, min(fitting, max(len(block.titles) for block in blocks)))
    inner = (width - _LEFT - _RIGHT - beside - gap * (columns - 1)) / columns
    over = 4.5 if any(block.heading for block in blocks) else 0.0
    rows = [-(-len(block.titles) // columns) for block in blocks]
    tall = [over + count * (_TALL + _BETWEEN) + 8.0 for count in rows]
    lines = _broken(note, width - _LEFT - _RIGHT)
    top = 1.0 + (4.2 if title else 0.0) + 3.4 * len(lines) + 5.0
    figure = new_figure(width, top + sum(tall) - _BETWEEN + 1.0)
    _heading(figure, title, lines)
    for number, block in enumerate(blocks):
        start = top + sum(tall[:number]) + over
        panels = []
        for order, (name, text) in enumerate(block.titles.items()):
            row, column = divmod(order, columns)
            axes = place(
                figure, _LEFT + column * (inner + gap), start + row * (_TALL + _BETWEEN), inner,
                _TALL,
            )  # fmt: skip
            block.draw(axes, name)
            axes.set_title(_cut(text, inner + gap - 1.0), fontsize=SMALL)
            if column:
                axes.tick_params(labelleft=False)
            ylabel = axes.get_ylabel()
            axes.set_ylabel("")
            if order + columns < len(block.titles):
                axes.set_xlabel("")
                axes.tick_params(labelbottom=False)
            panels.append(axes)
        _share_limits(panels)
        _upright(figure, ylabel, start + (rows[number] * (_TALL + _BETWEEN) - _BETWEEN) / 2)
        mark = "abcdefghijkl"[number] if len(blocks) > 1 else ""
        _above(figure, block.heading, start - over, mark if block.heading else "")
        if mark and not block.heading:
            letter(panels[0], mark, _LEFT - 1.0)
    return figure


def counted_titles(machines: Mapping[str, Sequence[Seed] | None]) -> dict[str, str]:
    """What stands above the panel of each machine: its name, and where any seed of any machine
    solved the task, how many of its own did."""
    counted = any_solved(machines)
    titles = {name: style.label for name, style in machine_styles(machines).items()}
    for name, seeds in machines.items():
        if counted and seeds:
            solved = sum(seed.solved_at is not None for seed in seeds)
            titles[name] += f": {solved} of {len(seeds)}"
    return titles


def explained(
    seeds: Sequence[int],
    machines: Mapping[str, Sequence[Seed] | None],
    *,
    published: bool = False,
    trained: bool = False,
    dots: bool = False,
) -> str:
    """The note above: what lines, bands and marks mean, for so many seeds of each line.

    Args:
        machines: those whose learning curves are drawn.
        dots: whether there are some, for seeds outside a band.
    """
    parts = [*notes(seeds, machines=machines, dots=dots), "the others in grey"]
    if any_solved(machines):
        parts.append("counted: seeds that solved the task, each with a mark where it did")
    if published:
        parts.append("open marks: published")
    if trained:
        parts.append("shaded: sizes of training")
    return "; ".join(parts)


def faintly(axes: Axes, x: np.ndarray, y: np.ndarray, name: str) -> None:
    """Another contestant's line, behind the one that a panel is for."""
    axes.plot(x, y, color=FAINT, lw=0.5, alpha=0.6, zorder=1, label=f"{name} behind")


def _share_limits(panels: Sequence[Axes]) -> None:
    for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        low, high = zip(*(getattr(axes, get)() for axes in panels), strict=True)
        for axes in panels:
            getattr(axes, put)(min(low), max(high))


def _heading(figure: Figure, title: str, lines: Sequence[str]) -> None:
    width, height = figure.get_size_inches() * 25.4
    top = 2.7
    if title:
        figure.text(_LEFT / width, 1 - top / height, title, va="center", weight="bold", size=SIZE)
        top += 4.0
    for number, line in enumerate(lines):
        y = 1 - (top + 3.4 * number) / height
        figure.text(_LEFT / width, y, line, va="center", size=SMALL, color=FAINT)


def _upright(figure: Figure, label: str, middle: Number) -> None:
    """One label for the vertical axes of a block, beside its middle."""
    width, height = figure.get_size_inches() * 25.4
    figure.text(2.4 / width, 1 - middle / height, label, rotation=90, ha="center", va="center")


def _above(figure: Figure, heading: str, top: Number, mark: str) -> None:
    """The letter of a block and what it is about, over the titles of its panels."""
    width, height = figure.get_size_inches() * 25.4
    y = 1 - (top - 1.2) / height
    figure.text(_LEFT / width, y, heading, va="center", size=SIZE)
    if mark:
        figure.text(1.0 / width, y, mark, va="center", size=SIZE + 1, weight="bold")


def _broken(note: str, width: Number) -> list[str]:
    """A note as lines of at most so many millimetres."""
    lines: list[str] = []
    for word in note.split():
        if lines and text_mm(f"{lines[-1]} {word}", SMALL) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _cut(text: str, width: Number) -> str:
    """The text, or as much of it as so many millimetres hold."""
    while text_mm(text, SMALL) > width and len(text) > 4:
        text = text[:-2].rstrip(" .") + "."
    return text
