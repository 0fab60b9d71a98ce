"""Parts of the pictures over time: images, their channel names, bands of heads, time axes."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from tapehead.viewing.header import text_mm
from tapehead.viewing.legend import spread
from tapehead.viewing.style import (
    ERROR,
    FAINT,
    INK,
    SMALL,
    TEXT,
    WRONG,
    Number,
    place,
    size_of,
    to_array,
)

Array = np.ndarray | Tensor
Image = Shaped[Array, "time channels"]
_LINE = 2.5
"""Millimetres from one line of small type to the next."""


def group_names(names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Numbered neighbours as one: bit 1 ... bit 8 becomes (0, 7, "bits 1–8").

    Returns:
        (first channel, last channel, label) from the top down.
    """
    groups: list[tuple[int, int, str, int, int]] = []
    for channel, name in enumerate(names):
        number = name[len(name.rstrip("0123456789")) :]
        stem = name.removesuffix(number).rstrip()
        value = int(number) if number else -1
        if groups and number and groups[-1][2] == stem and groups[-1][4] + 1 == value >= 1:
            first, _, _, start, _ = groups[-1]
            groups[-1] = (first, channel, stem, start, value)
        else:
            groups.append((channel, channel, stem, value, value))
    return [
        (first, last, names[first] if first == last else _span(stem, start, end))
        for first, last, stem, start, end in groups
    ]


def _span(stem: str, start: int, end: int) -> str:
    """bits 1–8; source 100s: 0–9."""
    return f"{stem}{'' if stem.endswith(':') else 's'} {start}–{end}".strip()


def draw_image(
    axes: Axes,
    values: Image,
    *,
    limit: Number = 1.0,
    quiet: Shaped[np.ndarray | Tensor, " time"] | None = None,
    wrong: Shaped[np.ndarray | Tensor, "time channels"] | None = None,
) -> None:
    """Draw (time, channels) with time to the right from step 1 and channel 0 on top.

    Args:
        limit: the value drawn in full ink.
        quiet: steps to leave out, in light grey.
        wrong: cells to draw on the colour scale for wrong bits, with a mark above their step.
    """
    values = to_array(values)
    steps, channels = values.shape
    extent = (0.5, steps + 0.5, channels - 0.5, -0.5)
    hidden = np.zeros(values.shape, bool)
    if quiet is not None:
        hidden |= to_array(quiet).astype(bool)[:, None]
    image = np.ma.masked_array(values, hidden)
    axes.imshow(image.T, cmap=INK, vmin=-limit, vmax=limit, aspect="auto", extent=extent)
    if wrong is not None and to_array(wrong).any():
        wrong = to_array(wrong)
        marked = np.ma.masked_array(values, ~wrong)
        axes.imshow(marked.T, cmap=WRONG, vmin=0, vmax=1, aspect="auto", extent=extent)
        where = np.flatnonzero(wrong.any(axis=1)) + 1
        axes.plot(
            where, np.full(len(where), 1.0), "v", color=ERROR, markersize=2.2, mew=0,
            transform=axes.get_xaxis_transform(), clip_on=False, label="steps with a wrong bit",
        )  # fmt: skip
    axes.spines[:].set(linewidth=0.4, color=FAINT)
    axes.tick_params(left=False, labelleft=False)


def label_channels(axes: Axes, names: Sequence[str] | None, *, heading: str = "") -> None:
    """Name the channels to the left, numbered neighbours under one bracket.

    `heading` says what the image is, above the first name.
    """
    if names is None:
        if heading:
            axes.set_ylabel(heading, rotation=0, ha="right", va="center")
        return
    groups = group_names(names)
    labels = [label for _, _, label in groups]
    centres = [(first + last) / 2 for first, last, _ in groups]
    # Labels keep apart even where channels are thinner than type; brackets stay where they belong.
    line = _LINE * len(names) / size_of(axes)[1]
    if line * (len(labels) - 1) > len(names):
        # There is no room for all: every so many, each at its own channel.
        some = slice(None, None, math.ceil(line * len(labels) / len(names)))
        labels, centres = labels[some], centres[some]
    if heading:
        labels, centres = [heading, *labels], [centres[0] - line, *centres]
    axes.set_yticks(spread(centres, line, -0.5, len(names) - 0.5), labels)
    axes.tick_params(axis="y", labelleft=True, pad=4.0)
    for first, last, _ in groups:
        axes.plot(
            [-1.06 / size_of(axes)[0]] * 2, [first - 0.3, last + 0.3], color=FAINT, lw=0.7,
            transform=axes.get_yaxis_transform(), clip_on=False, solid_capstyle="butt",
        )  # fmt: skip


def row_height(names: Sequence[str] | None, least: Number, *, headings: int = 0) -> float:
    """Millimetres for an image that wants `least`, and more if its labels need it."""
    lines = len(group_names(names)) + headings if names else 1
    return max(least, 3.0, _LINE * (lines - 0.6))


def time_axis(axes: Axes, *, labelled: bool) -> None:
    """Whole steps below, or nothing."""
    axes.tick_params(bottom=labelled, labelbottom=labelled)
    # No more than fit beside each other.
    room = max(1, min(9, int(size_of(axes)[0] / 7)))
    # Of a single step the one: the locator's usual two would be fractions.
    axes.xaxis.set_major_locator(
        MaxNLocator(room, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    if labelled:
        axes.set_xlabel("time (steps)")


def mark_answer(axes: Axes, start: int | None, *, labelled: bool = False) -> None:
    """A thin line before the first asked step (`start` counts from 0)."""
    if start is None:
        return
    axes.axvline(start + 0.5, color=TEXT, lw=0.5, dashes=(3, 2))
    first, last = axes.get_xlim()
    share = (start + 0.5 - first) / (last - first)
    width = size_of(axes)[0]
    title = text_mm(axes.get_title("left")) + 1.5
    if labelled and title < share * width < width - text_mm("answer", SMALL):
        axes.annotate(
            "answer", (start + 0.5, 1), (1.0, 3.0), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=SMALL, color=FAINT, va="baseline",
        )  # fmt: skip


def channel_margin(*names: Sequence[str] | None) -> float:
    """Millimetres for the longest channel label, and room for the bracket."""
    labels = [label for given in names if given for _, _, label in group_names(given)]
    return 4.0 + max((text_mm(label, SMALL) for label in labels), default=0.0)


def stack_bands(
    figure: Figure, left: Number, top: Number, width: Number, height: Number, count: int
) -> Sequence[Axes]:
    """One axes per head, from the top down, filling `height` millimetres."""
    space = 1.0
    each = (height - space * (count - 1)) / count
    return [place(figure, left, top + i * (each + space), width, each) for i in range(count)]


def label_bands(bands: Sequence[Axes], label: str = "") -> None:
    """The axis label beside the middle band, and at the right the number of each head."""
    first, last = bands[0].get_position(), bands[-1].get_position()
    width, height = size_of(bands[0])
    if label:
        x = first.x0 - 8.7 * first.width / width
        bands[0].figure.text(
            x, (first.y1 + last.y0) / 2, label, rotation=90, ha="center", va="center"
        )
    if len(bands) > 1:
        word = "head " if height > 8.0 else ""
        for head, axes in enumerate(bands, start=1):
            axes.annotate(
                f"{word}{head}", (1, 0.5), (2, 0), xycoords="axes fraction", fontsize=SMALL,
                textcoords="offset points", va="center", color=FAINT, rotation=90 if word else 0,
            )  # fmt: skip
