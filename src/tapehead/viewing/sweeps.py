"""A search for settings: what each trial came to, option by option."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    left, gap, tall, top = 13.0, 9.0, 34.0, 12.0
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    wide = (width - left - 3.0 - gap * (COLUMNS - 1)) / COLUMNS
    height = top + rows * (tall + 16.0)
    figure = new_figure(width, height)
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        axes = place(figure, left + column * (wide + gap), top + row * (tall + 16.0), wide, tall)
        _panel(axes, name, whole)
        if name in importances:
            axes.set_title(f"explains {importances[name]:.0%}", fontsize=SMALL)
        if column == 0:
            axes.set_ylabel("sequences (median)")
    note = "filled: all seeds solved;  ring: some, or none"
    figure.text(
        left / width, 1 - 4.0 / (top + rows * (tall + 16.0)), note, fontsize=SMALL, color=TEXT
    )
    return figure


def _panel(axes: Axes, name: str, trials: Sequence[Any]) -> None:
    values = [trial.values[name] for trial in trials]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    choices = [] if numbers else sorted({str(value) for value in values})
    for trial, value in zip(trials, values, strict=True):
        x = value if numbers else choices.index(str(value))
        all_solved = trial.solved == trial.seeds
        axes.plot(
            [x], [trial.sequences], "o", ms=3.5, mew=0.8, mec=READ if all_solved else ERROR,
            mfc=READ if all_solved else "none", alpha=0.85,
        )  # fmt: skip
    if numbers and min(values) > 0 and max(values) / min(values) >= 10:
        axes.set_xscale("log")
    if not numbers:
        axes.set_xticks(range(len(choices)), choices)
        axes.set_xlim(-0.5, len(choices) - 0.5)
    axes.set_yscale("log")
    axes.grid(axis="y", color=FAINT, lw=0.25, alpha=0.6)
    axes.set_xlabel(name.replace("_", " "))
    open_frame(axes)
