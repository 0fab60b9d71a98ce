"""How machines climb a curriculum: the lesson they are at, over the sequences they have seen."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    Number,
    machine_styles,
    new_figure,
    open_frame,
    place,
    styled,
)

Climb = Sequence[tuple[int, int]]


@styled
def lessons_figure(
    climbs: Mapping[str, Sequence[Climb]],
    lessons: Mapping[str, int],
    *,
    machine: str = "dnc",
    width: Number = DOUBLE,
) -> Figure:
    """One panel for each task, one line for each seed, and the last lesson as a broken line.

    Args:
        climbs: by task, for each seed (sequences, lesson) of its reports.
        lessons: by task, how many there are.
    """
    style = machine_styles([machine])[machine]
    gap, left, panel = 12.0, 10.0, 34.0
    figure = new_figure(width, panel + 16)
    across = (width - left - 3 - gap * (len(climbs) - 1)) / max(len(climbs), 1)
    for number, (task, seeds) in enumerate(climbs.items()):
        axes = place(figure, left + number * (across + gap), 7, across, panel)
        open_frame(axes)
        for climb in seeds:
            sequences, at = zip(*climb, strict=True)
            axes.step([count / 1000 for count in sequences], at, where="post", color=style.colour)
        axes.axhline(lessons[task], color=FAINT, lw=0.6, dashes=(2, 2), zorder=0)
        axes.set_xlim(left=0)
        axes.set_ylim(0, lessons[task] + 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(task)
        axes.set_xlabel("sequences seen (thousands)")
        if number == 0:
            axes.set_ylabel("lesson")
    return figure
