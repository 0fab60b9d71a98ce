"""Points, what a machine pointed at, and what it looked at on the way."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon
from matplotlib.patheffects import withStroke

from tapehead.viewing.header import Header, Key
from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    INK,
    READ,
    SMALL,
    TEXT,
    Number,
    new_figure,
    place,
    styled,
)

NUMBERED = 20
"""Points up to which each has its number beside it."""
MOST_STEPS = 24
"""Steps that fit into a figure."""
_ACROSS = 6


class Pointed(NamedTuple):
    """One problem, the right answer, and a machine's.

    xy: (points, 1 or 2).
    right, said: pointers from 1, without the end.
    attention: (steps, points + 1) the chance of the end and of each point at each step of what was
        said, that of its end included.
    shape: what an answer draws.
    solved: whether the answer is right, by whatever way round.
    note: scores in words.

    >>> import numpy as np
    >>> from tapehead.viewing.points import Pointed, answer_figure
    >>> answer = np.array([1, 2, 3])
    >>> pointed = Pointed(
    ...     xy=np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), right=answer, said=answer,
    ...     attention=np.eye(4)[[1, 2, 3, 0]], shape="polygon", solved=True,
    ... )
    >>> type(answer_figure(pointed)).__name__
    'Figure'
    """

    xy: np.ndarray
    right: np.ndarray
    said: np.ndarray
    attention: np.ndarray
    shape: Literal["order", "polygon", "tour", "triangles"]
    solved: bool
    note: str = ""


class Arrow(NamedTuple):
    """What an answer draws at one of its steps (from 0): from one point to another, by their
    numbers from 0, and whether that is right."""

    step: int
    start: int
    end: int
    right: bool


def arrows_of(pointed: Pointed) -> list[Arrow]:
    """How a machine's answer is drawn, step by step; of numbers in order nothing is."""
    if pointed.shape == "order":
        return []
    arrows = []
    if pointed.shape == "triangles":
        known = {frozenset(each) for each in _threes(pointed.right)}
        for number, (a, b, c) in enumerate(_threes(pointed.said)):
            right, step = frozenset((a, b, c)) in known, 3 * number
            for at, (start, end) in ((1, (a, b)), (2, (b, c)), (2, (c, a))):
                arrows.append(Arrow(step + at, start - 1, end - 1, right))
        return arrows
    known = {frozenset(edge) for edge in _edges(pointed.right)}
    for step, (start, end) in enumerate(_edges(pointed.said), start=1):
        right = pointed.solved or frozenset((start, end)) in known
        arrows.append(Arrow(step, start - 1, end - 1, right))
    return arrows


def sides_of(pointed: Pointed) -> list[tuple[int, int]]:
    """The lines of the right answer, from point to point by their numbers from 0."""
    if pointed.shape == "order":
        return []
    if pointed.shape != "triangles":
        return [(start - 1, end - 1) for start, end in _edges(pointed.right)]
    threes = _threes(pointed.right)
    sides = {tuple(sorted(side)) for three in threes for side in _edges(np.array(three))}
    return sorted((start - 1, end - 1) for start, end in sides)


@styled
def answer_figure(pointed: Pointed, *, title: str = "", width: Number = DOUBLE) -> Figure:
    """The right answer on the left, the machine's on the right, what is wrong in colour; of
    numbers, the attention at each step instead.

    `width` in millimetres.
    """
    if pointed.shape == "order":
        return _order_figure(pointed, title, width)
    header = Header(width=width - 3, left=3.0, title=title)
    gap, top = 8.0, header.height + 3.0
    side = (width - 6.0 - gap) / 2
    figure = new_figure(width, top + side + 8.0)
    for number, (answer, name) in enumerate(((pointed.right, "Right"), (pointed.said, "Answered"))):
        axes = place(figure, 3.0 + number * (side + gap), top, side, side)
        _square(axes)
        wrong = _draw_answer(axes, pointed, answer, judged=number == 1)
        _draw_points(axes, pointed.xy, numbered=len(pointed.xy) <= NUMBERED)
        axes.set_title(name)
        if number == 1:
            colour = ERROR if wrong or not pointed.solved else TEXT
            axes.set_xlabel(pointed.note, loc="left", fontsize=SMALL, color=colour)
    header.draw(figure)
    return figure


@styled
def steps_figure(pointed: Pointed, *, title: str = "", width: Number = DOUBLE) -> Figure:
    """An answer step by step: how likely each point was, as the area of a disc, and where the
    machine went; the chance of the end is written above.

    `width` in millimetres. Of an answer of more steps the first are shown.
    """
    shown = min(len(pointed.attention), MOST_STEPS)
    across = min(_ACROSS, shown)
    rows = -(-shown // across)
    header = Header(width=width - 3, left=3.0, title=title)
    gap, line = 3.0, 4.5
    side = (width - 6.0 - (_ACROSS - 1) * gap) / _ACROSS
    top = header.height
    figure = new_figure(width, top + rows * (side + line + 1.0) + 3.0)
    for step in range(shown):
        row, column = divmod(step, across)
        axes = place(
            figure, 3.0 + column * (side + gap), top + row * (side + line + 1.0) + line - 1.0,
            side, side,
        )  # fmt: skip
        _square(axes)
        _draw_step(axes, pointed, step)
    header.draw(figure)
    return figure


def _square(axes: Axes) -> None:
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def _draw_points(axes: Axes, xy: np.ndarray, *, numbered: bool) -> None:
    size = 4.0 if len(xy) <= 20 else 2.8 if len(xy) <= 60 else 1.6
    axes.plot(xy[:, 0], xy[:, 1], "o", ms=size, color=TEXT, mec="white", mew=0.5, zorder=4)
    if numbered:
        middle = xy.mean(0)
        for number, (x, y) in enumerate(xy, 1):
            # Away from the middle, where fewer lines are.
            away = np.sign(np.array([x, y]) - middle) * 4.0
            axes.annotate(
                str(number), (x, y), tuple(away), textcoords="offset points", fontsize=SMALL,
                color=FAINT, ha="center", va="center", zorder=3.5,
                path_effects=[withStroke(linewidth=1.5, foreground="white")],
            )  # fmt: skip


def _draw_answer(axes: Axes, pointed: Pointed, answer: np.ndarray, *, judged: bool) -> bool:
    """Draw an answer; whether anything of it is wrong."""
    xy = pointed.xy
    if pointed.shape == "triangles":
        right = {frozenset(each) for each in _threes(pointed.right)}
        wrong = False
        for triangle in _threes(answer):
            is_wrong = judged and frozenset(triangle) not in right
            wrong |= is_wrong
            colour = ERROR if is_wrong else READ
            patch = Polygon(
                xy[np.array(triangle) - 1], closed=True, fill=True, lw=0.9, ec=colour,
                fc=(*_rgb(colour), 0.18 if is_wrong else 0.06), zorder=3 if is_wrong else 2,
            )  # fmt: skip
            axes.add_patch(patch)
        return wrong
    if pointed.shape == "polygon" and len(answer) > 2:
        axes.add_patch(Polygon(xy[answer - 1], closed=True, fc=(*_rgb(READ), 0.07), lw=0, zorder=1))
    known = {frozenset(edge) for edge in _edges(pointed.right)}
    wrong = False
    for a, b in _edges(answer):
        is_wrong = judged and not pointed.solved and frozenset((a, b)) not in known
        wrong |= is_wrong
        axes.plot(
            xy[[a - 1, b - 1], 0], xy[[a - 1, b - 1], 1], lw=1.0,
            color=ERROR if is_wrong else READ, ls=(0, (3, 1.5)) if is_wrong else "-", zorder=3,
        )  # fmt: skip
    if len(answer):
        x, y = xy[answer[0] - 1]
        axes.plot([x], [y], "o", ms=8, mfc="none", mec=READ, mew=0.8, zorder=3)
    return wrong


def _draw_step(axes: Axes, pointed: Pointed, step: int) -> None:
    xy, chances = pointed.xy, pointed.attention[step]
    said = pointed.said[:step]
    axes.scatter(
        xy[:, 0], xy[:, 1], s=90 * np.maximum(chances[1:], 0), color=READ, alpha=0.45, lw=0,
        zorder=2,
    )  # fmt: skip
    axes.plot(xy[:, 0], xy[:, 1], "o", ms=1.4, color=TEXT, zorder=3)
    way = xy[said - 1]
    if pointed.shape == "triangles":
        for triangle in _threes(said):
            axes.add_patch(
                Polygon(xy[np.array(triangle) - 1], closed=True, fill=False, lw=0.5, ec=FAINT)
            )
        way = xy[said[3 * (len(said) // 3) :] - 1]
    axes.plot(way[:, 0], way[:, 1], "-", lw=0.8, color=FAINT, zorder=1)
    ends = step >= len(pointed.said)
    if not ends:
        to = xy[pointed.said[step] - 1]
        if len(way):
            arrow = FancyArrowPatch(
                tuple(way[-1]), tuple(to), arrowstyle="-|>", mutation_scale=5, lw=0.9, color=READ,
                shrinkA=1, shrinkB=1.5, zorder=4,
            )  # fmt: skip
            axes.add_patch(arrow)
        axes.plot(*to, "o", ms=4.5, mfc="none", mec=READ, mew=0.9, zorder=4)
    chance = chances[0 if ends else pointed.said[step]]
    name = "end" if ends else f"point {pointed.said[step]}"
    axes.set_title(f"{step + 1}: {name}, {chance:.0%}", fontsize=SMALL, pad=1.5)


def _order_figure(pointed: Pointed, title: str, width: Number) -> Figure:
    """Numbers from left to right as they came, steps from top to bottom."""
    steps, points = len(pointed.attention), len(pointed.xy)
    header = Header(width=width - 3, left=14.0, title=title, keys=[Key("chance", INK, 0, 1)])
    tall = max(18.0, min(90.0, 4.2 * steps))
    figure = new_figure(width, header.height + 4.0 + tall + 11.0)
    axes = place(figure, 14.0, header.height + 4.0, width - 18.0, tall)
    axes.imshow(pointed.attention, cmap=INK, vmin=-1, vmax=1, aspect="auto")
    for step in range(steps):
        right = pointed.right[step] if step < len(pointed.right) else 0
        said = pointed.said[step] if step < len(pointed.said) else 0
        if right != said:
            axes.plot([right], [step], "s", ms=5, mfc="none", mec=ERROR, mew=0.9)
    every = -(-points // 20)
    axes.set_xticks(
        [0, *range(1, points + 1, every)],
        ["end", *(f"{value:.2f}" for value in pointed.xy[::every, 0])],
    )
    axes.set_yticks(range(0, steps, -(-steps // 20)))
    axes.set_yticklabels([str(step + 1) for step in range(0, steps, -(-steps // 20))])
    axes.set_xlabel("number")
    axes.set_ylabel("step")
    axes.set_title("Where it points at each step")
    axes.set_title(
        pointed.note, loc="right", fontsize=SMALL, color=TEXT if pointed.solved else ERROR
    )
    header.draw(figure)
    return figure


def _edges(answer: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of neighbours, all the way round."""
    if len(answer) < 2:
        return []
    return list(zip(answer.tolist(), np.roll(answer, -1).tolist(), strict=True))


def _threes(answer: np.ndarray) -> Sequence[tuple[int, ...]]:
    whole = 3 * (len(answer) // 3)
    return [tuple(three) for three in answer[:whole].reshape(-1, 3).tolist()]


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
