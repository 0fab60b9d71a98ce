"""A walk over a graph, as a machine was asked for it and as it went, with what it read on the way
(as in figure 3 of the DNC's paper)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from tapehead.viewing.header import Header, text_mm
from tapehead.viewing.maps import GraphMap
from tapehead.viewing.origins import Origins
from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    READ,
    SMALL,
    TEXT,
    Number,
    new_figure,
    place,
    styled,
)

LEAST_SHARE = 0.2
"""Of what a head read: what an edge must have of it to be named."""
MOST_NAMES = 60
"""Nodes up to which all have their names; of larger graphs those of the walk."""
_NAME = 4.8
"""Size of the names on the map, in points."""
_MAP, _LINE, _GAP = 84.0, 3.1, 1.9
"""Side of the map, height of a line of text and the room between steps, in millimetres."""


_CAPTION = "(in brackets: the edge's share of what a head read)"


class Found(NamedTuple):
    """An edge that a machine read: its number, and its share of what the head read."""

    edge: int
    share: float


def edges_read(graph: GraphMap, origins: Origins) -> list[list[Found]]:
    """For each step of the answer, the edges that the heads read at it, the largest shares first,
    each edge once."""
    number = {step: edge for edge, step in enumerate(graph.told)}
    found = []
    for step, _, _ in graph.walk:
        best: dict[int, float] = defaultdict(float)
        for shares in origins.reads[step]:
            for written in np.flatnonzero(shares[1:] >= LEAST_SHARE):
                edge = number.get(int(written) // origins.heads)
                if edge is not None:
                    best[edge] = max(best[edge], float(shares[1 + written]))
        order = sorted(best.items(), key=lambda item: (-item[1], item[0]))
        found.append([Found(edge, min(share, 1.0)) for edge, share in order])
    return found


@styled
def walk_figure(
    graph: GraphMap,
    read: Sequence[Sequence[Found]] = (),
    *,
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """The map on the left, with the steps that were right and those that were wrong; on the right
    what was asked for, what was answered if that is something else, and the edges that were read.

    Args:
        read: of each step, as `edges_read` gives it; left out: nothing is said of it.
        width: in millimetres.
    """
    header = Header(width=width - 3, left=3.0, title=title)
    steps = _steps_in_words(graph, read)
    tall = sum(len(lines) * _LINE + _GAP for lines in steps) + _LINE
    top = header.height
    figure = new_figure(width, top + max(_MAP, tall) + 4.0)
    axes = place(figure, 3.0, top, _MAP, _MAP)
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
    _draw_map(axes, graph)
    side = place(figure, _MAP + 8.0, top, width - _MAP - 11.0, max(_MAP, tall))
    side.set_axis_off()
    side.set(xlim=(0.0, width - _MAP - 11.0), ylim=(max(_MAP, tall), 0.0))
    at = 0.0
    for number, lines in enumerate(steps, 1):
        side.text(2.5, at, str(number), ha="right", va="top", fontsize=SMALL, weight="bold")
        for words, colour in lines:
            side.text(4.5, at, words, va="top", fontsize=SMALL, color=colour)
            at += _LINE
        at += _GAP
    if any(read):
        side.text(4.5, at, _CAPTION, va="top", fontsize=SMALL, color=FAINT)
    header.draw(figure)
    return figure


def _steps_in_words(
    graph: GraphMap, read: Sequence[Sequence[Found]]
) -> list[list[tuple[str, str]]]:
    """For each step of the answer its lines and their colours."""
    steps = []
    for number, (_, asked, said) in enumerate(graph.walk):
        lines = [(_in_words(graph, asked), TEXT if asked == said else FAINT)]
        if asked != said:
            lines.append((f"answered: {_in_words(graph, said, 'no edge of the graph')}", ERROR))
        if read and asked is not None:
            edges = [f"{_in_words(graph, edge)} ({share:.0%})" for edge, share in read[number][:2]]
            lines += [(f"read: {edge}", READ) for edge in edges] or [("read: no edge", FAINT)]
        steps.append(lines)
    return steps


def _in_words(graph: GraphMap, edge: int | None, nothing: str = "the end") -> str:
    if edge is None:
        return nothing
    start, end = graph.edges[edge]
    return f"{graph.names[start]} \N{RIGHTWARDS ARROW} {graph.names[end]}, {graph.labels[edge]}"


def _draw_map(axes: Axes, graph: GraphMap) -> None:
    xy = np.asarray(graph.xy)
    for start, end in {tuple(sorted(edge)) for edge in graph.edges}:
        axes.plot(
            xy[[start, end], 0], xy[[start, end], 1], lw=0.5, color=FAINT, alpha=0.4, zorder=1
        )
    ways: dict[tuple[int, int, bool], list[int]] = defaultdict(list)
    for number, (_, asked, said) in enumerate(graph.walk, 1):
        if said is not None:
            ways[(*graph.edges[said], said == asked)].append(number)
        if asked is not None and asked != said:
            start, end = graph.edges[asked]
            axes.add_patch(_arrow(xy[start], xy[end], FAINT, ls=(0, (2, 1.5))))
    visited = set()
    for (start, end, right), numbers in ways.items():
        visited |= {start, end}
        colour = READ if right else ERROR
        axes.add_patch(_arrow(xy[start], xy[end], colour))
        _write(axes, _beside(xy[start], xy[end]), ", ".join(map(str, numbers)), colour, bold=True)
    axes.plot(xy[:, 0], xy[:, 1], "o", ms=2.4, color=TEXT, mec="white", mew=0.4, zorder=4)
    named = sorted(range(len(xy)), key=lambda node: node not in visited)
    if len(xy) > MOST_NAMES:
        named = named[: len(visited)]
    room = [(x, y, 0.02, 0.02) for x, y in xy]
    room += [(*_beside(xy[start], xy[end]), 0.05, 0.03) for start, end, _ in ways]
    for node in named:
        name = graph.names[node]
        size = text_mm(name, _NAME) / _MAP, 0.026
        at = _free_place(xy[node], size, room)
        room.append((*at, *size))
        _write(axes, at, name, TEXT if node in visited else FAINT)


def _free_place(
    point: np.ndarray, size: tuple[float, float], taken: Sequence[tuple[float, ...]]
) -> tuple[float, float]:
    """The middle of a name beside a point, where it covers least of what there is."""
    x, y = point
    wide, high = size
    beside = wide / 2 + 0.016
    places = [(x, y + 0.026), (x, y - 0.026), (x + beside, y), (x - beside, y)]

    def covered(at: tuple[float, float]) -> float:
        gaps = [
            (max(0.0, (wide + w) / 2 - abs(at[0] - a)), max(0.0, (high + h) / 2 - abs(at[1] - b)))
            for a, b, w, h in taken
        ]
        outside = max(0.0, wide / 2 - at[0], at[0] + wide / 2 - 1)
        return sum(across * down for across, down in gaps) + outside * high

    return min(places, key=covered)


_BEND = 0.18
"""Of its length: how far an arrow bends aside, to leave room for one in the other direction."""


def _arrow(start: np.ndarray, end: np.ndarray, colour: str, ls: Any = "-") -> FancyArrowPatch:
    return FancyArrowPatch(
        tuple(start), tuple(end), connectionstyle=f"arc3,rad={_BEND}", arrowstyle="-|>",
        mutation_scale=6, lw=1.2, ls=ls, color=colour, shrinkA=2, shrinkB=2.5, zorder=3,
    )  # fmt: skip


def _beside(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """A little outside the middle of the bent arrow."""
    along = end - start
    across = np.array([along[1], -along[0]])
    away = across / max(float(np.linalg.norm(across)), 1e-9)
    return (start + end) / 2 + _BEND / 2 * across + 0.016 * away


def _write(
    axes: Axes, at: Sequence[float] | np.ndarray, words: str, colour: str, *, bold: bool = False
) -> None:
    axes.text(
        at[0], at[1], words, fontsize=_NAME, color=colour, ha="center", va="center",
        weight="bold" if bold else "normal", zorder=6,
        path_effects=[withStroke(linewidth=1.4, foreground="white")],
    )  # fmt: skip
