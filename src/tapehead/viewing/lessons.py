"""How machines climb a curriculum: the lesson they are at, over the sequences they have seen."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tapehead.viewing.legend import line_up, strip
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    SMALL,
    MachineStyle,
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
    styles = machine_styles(dict.fromkeys(name for task in climbs.values() for name in task))
    gap, left, panel = 12.0, 10.0, 34.0
    top = 12.0 if len(styles) > 1 else 7.0
    figure = new_figure(width, panel + top + 9.0)
    across = (width - left - 3 - gap * (len(climbs) - 1)) / max(len(climbs), 1)
    for number, (task, machines) in enumerate(climbs.items()):
        axes = place(figure, left + number * (across + gap), top, across, panel)
        open_frame(axes)
        for name, seeds in machines.items():
            for climb in seeds:
                sequences, at = zip(*climb, strict=True)
                thousands = [count / 1000 for count in sequences]
                axes.step(thousands, at, where="post", color=styles[name].colour)
        axes.axhline(lessons[task], color=FAINT, lw=0.6, dashes=(2, 2), zorder=0)
        axes.set_xlim(left=0)
        axes.set_ylim(0, lessons[task] + 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(task)
        axes.set_xlabel("sequences seen (thousands)")
        if number == 0:
            axes.set_ylabel("lesson")
    if len(styles) > 1:
        _draw_keys(styles.values(), figure, width)
    return figure


def _draw_keys(styles: Iterable[MachineStyle], figure: Figure, width: Number) -> None:
    """What each colour is, in a row above the panels."""
    styles = list(styles)
    axes = strip(figure, width, 6.0)
    for style, (x, y) in zip(
        styles, line_up([style.label for style in styles], width - 8.0), strict=True
    ):
        axes.plot([x, x + 7], [y, y], color=style.colour)
        axes.text(x + 8.5, y, style.label, va="center_baseline", fontsize=SMALL)
