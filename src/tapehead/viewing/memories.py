"""One machine with several memories: its errors over the length, a panel for each."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.tasks.metrics import BIT_ERRORS, Metric
from tapehead.viewing.generalisation import Level, draw_generalisation
from tapehead.viewing.multiples import Block, multiples
from tapehead.viewing.style import DOUBLE, Number, machine_styles, styled


@styled
def memories_figure(
    errors: Mapping[str, Mapping[str, Mapping[int, Sequence[Number]]]],
    *,
    machine: str = "ntm-lstm",
    trained: tuple[Number, Number] | None = None,
    metric: Metric | str = BIT_ERRORS,
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """Thick lines are medians over seeds, thin ones the seeds; logarithmic above 1, linear below.

    Args:
        errors: what stands above a row of panels -> what a panel is called -> length -> one value
            per seed, always in the same order.
        trained: lowest and highest length of training, shaded.
        width: millimetres.
    """
    style = machine_styles([machine])[machine]

    def draw(axes: Axes, levels: Mapping[int, Sequence[Number]]) -> None:
        lengths = sorted(levels)
        values = np.array([levels[length] for length in lengths], float)
        middle: dict[Level, list[float]] = {
            length: [float(np.median(seeds))] for length, seeds in zip(lengths, values, strict=True)
        }
        draw_generalisation(axes, {machine: middle}, trained=trained, log=True, metric=metric)
        for seed in values.T:
            axes.plot(lengths, seed, color=style.colour, lw=0.5, alpha=0.7, zorder=2, clip_on=False)
        axes.set_ylim(0, 1.25 * max(1.0, values.max()))
        for text in axes.texts:  # what is shaded is said above
            text.set_visible(False)

    seeds = max(
        len(values)
        for panels in errors.values()
        for levels in panels.values()
        for values in levels.values()
    )
    note = f"thick: median of {seeds} seeds, thin: each seed" if seeds > 1 else ""
    if trained is not None:
        note += f"{'; ' if note else ''}shaded: lengths of training"
    blocks = [
        Block(
            {name: name for name in panels},
            lambda axes, name, panels=panels: draw(axes, panels[name]),
            heading,
        )
        for heading, panels in errors.items()
    ]
    return multiples(blocks, title=title, note=note, width=width)
