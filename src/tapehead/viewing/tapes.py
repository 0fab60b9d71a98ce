"""What a machine does on a tape: where its heads are at each step, and what it writes when."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tapehead.viewing.header import Header, text_mm
from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    READ,
    SMALL,
    TEXT,
    WRITE,
    Number,
    new_figure,
    open_frame,
    place,
    styled,
)


class Walk(NamedTuple):
    """One tape, and what a machine did on it.

    tape: its symbols, as text. asked: those of the answer; said: what was written in their places.
    input_head, memory_head: (time,) places, the memory's counted from where its head began; None:
        there is no memory.
    wrote: (time,) whether a symbol was written.
    """

    tape: Sequence[str]
    asked: Sequence[str]
    said: Sequence[str]
    input_head: np.ndarray
    memory_head: np.ndarray | None
    wrote: np.ndarray

    @property
    def verdict(self) -> str:
        """ "2 of 11 symbols wrong", or "all 11 symbols right"."""
        wrong = sum(said != asked for said, asked in zip(self.said, self.asked, strict=True))
        total = len(self.asked)
        return f"{wrong} of {total} symbols wrong" if wrong else f"all {total} symbols right"


@styled
def tape_figure(walk: Walk, *, title: str = "", width: Number = DOUBLE) -> Figure:
    """The path of the input head over its tape, that of the memory head over its own, filled where
    a symbol was written; below, what was asked and what was written at those steps.

    `width` in millimetres.
    """
    longest = max(text_mm(word, SMALL) for word in [*walk.tape, *walk.asked, *walk.said])
    left, right = 11.0 + longest, 3.0
    inner, steps = width - left - right, len(walk.wrote)
    low, high = int(walk.input_head.min()), int(max(walk.input_head.max(), len(walk.tape) - 1))
    places = high - low + 1
    tall = min(max(2.9 * places, 18.0), 80.0)
    kept = 0.0 if walk.memory_head is None else 22.0
    upright = inner / steps < longest + 0.6
    line = longest + 0.8 if upright else 2.9
    header = Header(width=width, left=left, title=title)
    gap, words = 6.5, 2 * line + 1.5
    figure = new_figure(width, header.height + tall + (gap + kept if kept else 0) + gap + words + 9)
    top = header.height
    axes = place(figure, left, top, inner, tall)
    _path(axes, walk.input_head, walk.wrote, READ)
    shown = range(low, high + 1)
    every = -(-places // max(1, int(tall / 2.4)))
    axes.set_yticks(
        list(shown)[::every],
        [walk.tape[at] if 0 <= at < len(walk.tape) else "blank" for at in shown][::every],
    )
    axes.set_ylim(high + 0.6, low - 0.6)
    axes.set_title("Input tape")
    axes.set_title(walk.verdict, loc="right", fontsize=SMALL)
    top += tall
    if walk.memory_head is not None:
        memory = place(figure, left, top + gap, inner, kept)
        _path(memory, walk.memory_head, walk.wrote, WRITE)
        memory.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        memory.invert_yaxis()
        memory.set_title("Memory tape (places from the start)")
        top += gap + kept
    below = place(figure, left, top + gap, inner, words)
    _answer(below, walk, line / words, upright=upright)
    for each in figure.axes:
        each.set_xlim(0.5, steps + 0.5)
    below.set_xlabel("step")
    below.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
    header.draw(figure)
    return figure


def _path(axes: Axes, head: np.ndarray, wrote: np.ndarray, colour: str) -> None:
    time = np.arange(1, len(head) + 1)
    axes.plot(time, head, "-", color=colour, lw=0.8, zorder=2)
    for mask, face in ((~wrote, "white"), (wrote, colour)):
        axes.plot(
            time[mask], head[mask], "o", ms=3.4, mec=colour, mew=0.7, mfc=face, zorder=3,
            label="wrote a symbol" if face == colour else "read only",
        )  # fmt: skip
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)
    axes.tick_params(axis="x", labelbottom=False)
    open_frame(axes)


def _answer(axes: Axes, walk: Walk, line: float, *, upright: bool) -> None:
    """Asked over written, each at the step that wrote it; wrong ones in colour."""
    axes.set(ylim=(0, 1), yticks=[1 - line / 2, line / 2], yticklabels=["asked", "written"])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    times = np.flatnonzero(walk.wrote) + 1
    for step, said, asked in zip(times, walk.said, walk.asked, strict=True):
        for y, word, colour in (
            (1 - line / 2, asked, TEXT),
            (line / 2, said, TEXT if said == asked else ERROR),
        ):
            axes.text(
                int(step), y, word, ha="center", va="center", fontsize=SMALL, color=colour,
                rotation=90 if upright else 0,
            )  # fmt: skip
