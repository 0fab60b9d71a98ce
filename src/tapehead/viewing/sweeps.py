"""A search for settings: what each trial came to, option by option."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    READ,
    SMALL,
    TEXT,
    Number,
    new_figure,
    open_frame,
    place,
    styled,
)

COLUMNS = 3
FEW = 6
"""Values up to which each has a place of its own."""


@styled
def sweep_figure(
    trials: Sequence[Any], importances: Mapping[str, float], *, width: Number = DOUBLE
) -> Figure:
    """For each option its values and how many sequences the trials took, and the share of the
    differences that it explains.

    Args:
        trials: of a `tapehead.training.sweeping.Sweep`; those without a result are left out.
        importances: by name; may be empty.
        width: in millimetres.
    """
    whole = [trial for trial in trials if trial.is_whole]
    names = list(importances) or list(dict.fromkeys(n for t in whole for n in t.values))
    left, gap, tall, top = 15.0, 11.0, 34.0, 10.0
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    wide = (width - left - 3.0 - gap * (COLUMNS - 1)) / COLUMNS
    height = top + rows * (tall + 14.0) - 4.0
    figure = new_figure(width, height)
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        axes = place(figure, left + column * (wide + gap), top + row * (tall + 14.0), wide, tall)
        _panel(axes, name, whole)
        if name in importances:
            axes.set_title(f"explains {importances[name]:.0%}", fontsize=SMALL)
        if column == 0:
            axes.set_ylabel("sequences (median)")
    note = "filled: all seeds solved;  ring: some, or none"
    figure.text(left / width, 1 - 3.5 / height, note, fontsize=SMALL, color=TEXT)
    return figure


def _panel(axes: Axes, name: str, trials: Sequence[Any]) -> None:
    values = [trial.values[name] for trial in trials]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    few = len(set(values)) <= FEW
    choices = sorted(set(values)) if numbers else sorted(set(values), key=str)
    for trial, value in zip(trials, values, strict=True):
        x = choices.index(value) if few or not numbers else value
        all_solved = trial.solved == trial.seeds
        axes.plot(
            [x], [trial.sequences], "o", ms=3.5, mew=0.8, mec=READ if all_solved else ERROR,
            mfc=READ if all_solved else "none", alpha=0.85,
        )  # fmt: skip
    if few or not numbers:
        axes.set_xticks(range(len(choices)), [_word(choice) for choice in choices])
        axes.set_xlim(-0.5, len(choices) - 0.5)
    elif min(values) > 0 and max(values) / min(values) >= 10:
        axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)
    axes.set_xlabel(name.replace("_", " "))
    open_frame(axes)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
