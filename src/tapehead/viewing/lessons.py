"""How machines climb a curriculum: the lesson they are at, over the sequences they have seen."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tapehead.viewing.legend import MachineLegend
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
    climbs: Mapping[str, Mapping[str, Sequence[Climb]]],
    lessons: Mapping[str, int],
    *,
    width: Number = DOUBLE,
) -> Figure:
    """One panel for each task, one line for each seed of each machine, and the last lesson as a
    broken line.

    Args:
        climbs: by task and machine, for each seed (sequences, lesson) of its reports.
        lessons: by task, how many there are.
        width: millimetres.
    """
    names = dict.fromkeys(name for task in climbs.values() for name in task)
    styles = machine_styles(names)
    gap, left, panel = 12.0, 10.0, 34.0
    legend = MachineLegend(names, left=left, width=width) if len(names) > 1 else None
    top = 7.0 if legend is None else 3.0 + legend.height
    figure = new_figure(width, panel + top + 9.0)
    across = (width - left - 3 - gap * (len(climbs) - 1)) / max(len(climbs), 1)
    for number, (task, machines) in enumerate(climbs.items()):
        axes = place(figure, left + number * (across + gap), top, across, panel)
        open_frame(axes)
        for name, seeds in machines.items():
            for climb in seeds:
                sequences, at = zip(*climb, strict=True)
                thousands = [count / 1000 for count in sequences]
                axes.step(
                    thousands, at, where="post", color=styles[name].colour, ls=styles[name].dashes
                )
        axes.axhline(lessons[task], color=FAINT, lw=0.6, dashes=(2, 2), zorder=0)
        axes.set_xlim(left=0)
        axes.set_ylim(0, lessons[task] + 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_title(task)
        axes.set_xlabel("sequences seen (thousands)")
        if number == 0:
            axes.set_ylabel("lesson")
    if legend is not None:
        legend.draw(figure)
    return figure
