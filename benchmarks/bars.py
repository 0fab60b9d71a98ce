"""Two bars for each thing measured: ours, and what it is compared with."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    READ,
    SMALL,
    new_figure,
    open_frame,
    place,
    styled,
)


@styled
def paired_bars(
    rows: Mapping[str, Sequence[float]],
    kinds: tuple[str, str],
    xlabel: str,
    *,
    left: float = 36.0,
) -> Figure:
    """
    Args:
        rows: what was measured -> two numbers, one for each of `kinds`.
        left: millimetres for the names.
    """
    figure = new_figure(DOUBLE, 16.0 + 5.7 * len(rows))
    axes = place(figure, left, 6.0, DOUBLE - left - 14.0, 5.7 * len(rows))
    y, middles = 0.0, []
    for values in rows.values():
        for kind, colour, value in zip(kinds, (READ, FAINT), values, strict=True):
            label = kind if not y or y == 0.42 else None
            axes.barh(y, value, 0.4, color=colour, lw=0, label=label)
            axes.annotate(
                f"{value:.2g}" if value < 100 else f"{value:,.0f}", (value, y), (2, 0),
                va="center", textcoords="offset points", fontsize=SMALL,
            )  # fmt: skip
            y += 0.42
        middles.append(y - 0.63)
        y += 0.25
    axes.set_yticks(middles, list(rows))
    axes.set_ylim(y - 0.25, -0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(xlabel)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    open_frame(axes)
    return figure
