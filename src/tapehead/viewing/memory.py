"""What a machine does with its memory: where it writes and reads, and what (NTM figure 6)."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from tapehead.viewing.bits import bit_keys
from tapehead.viewing.episode import Episode
from tapehead.viewing.header import Header, Key
from tapehead.viewing.image import (
    channel_margin,
    draw_image,
    label_bands,
    label_channels,
    mark_answer,
    row_height,
    stack_bands,
    time_axis,
)
from tapehead.viewing.style import DOUBLE, FAINT, INK, Number, new_figure, place, styled
from tapehead.viewing.traces import tensor_of

USED = 0.1
"""A row counts as used when some head at some step gives it at least this weight."""


def used_rows(
    *weights: Float[np.ndarray, "time _ rows"], least: Number = USED
) -> Int[np.ndarray, " kept"]:
    """The rows worth drawing: every used row and its neighbours, around the ring in one piece.

    The rows are a ring (a shift moves from the last to the first), so the list starts after the
    longest stretch that no head uses. With nothing used, all rows.
    """
    peak = np.max([w.max(axis=(0, 1)) for w in weights], axis=0)
    count = len(peak)
    used = np.flatnonzero(peak >= least)
    if len(used) == 0:
        return np.arange(count)
    kept = np.unique(np.concatenate([used - 1, used, used + 1]) % count)
    gaps = np.diff(np.append(kept, kept[0] + count))
    return np.roll(kept, -(int(gaps.argmax()) + 1)) if gaps.max() > 1 else kept


def draw_weights(
    axes: Axes, weights: Float[np.ndarray, "time rows"], rows: Int[np.ndarray, " kept"]
) -> None:
    """A weighting over time, only `rows`, with a dotted line where rows are left out."""
    steps = len(weights)
    axes.imshow(
        weights[:, rows].T, cmap=INK, vmin=-1, vmax=1, aspect="auto",
        extent=(0.5, steps + 0.5, len(rows) - 0.5, -0.5),
    )  # fmt: skip
    for place_, (before, after) in enumerate(pairwise(rows.tolist())):
        if after != before + 1 and (before, after) != (weights.shape[1] - 1, 0):
            axes.axhline(place_ + 0.5, color=FAINT, lw=0.7, dashes=(1, 1.5))
    axes.spines[:].set(linewidth=0.4, color=FAINT)


def label_rows(axes: Axes, rows: Int[np.ndarray, " kept"], height: Number) -> None:
    """Row numbers on the left, as many as fit in `height` millimetres: round ones, and the first
    after each stretch left out."""
    room = max(1, int(height / 4.5))
    step = next(s for n in range(9) for s in (10**n, 2 * 10**n, 5 * 10**n) if len(rows) / s <= room)
    numbers = rows.tolist()
    after_break = [
        position
        for position, (before, row) in enumerate(pairwise(numbers), start=1)
        if row not in (before + 1, 0)
    ]
    chosen: list[int] = []
    for position in [*after_break, *(p for p, row in enumerate(numbers) if row % step == 0)]:
        if all(abs(position - other) * height >= 2.4 * len(rows) for other in chosen):
            chosen.append(position)
    chosen.sort()
    axes.yaxis.set_major_locator(FixedLocator(chosen))
    axes.set_yticklabels([str(rows[position]) for position in chosen])
    axes.tick_params(axis="y", left=True, labelleft=True)


class MemoryPanels:
    """The panels of memory use, ready to be placed in a figure.

    Args:
        values: whether to draw the adds and the reads between bits and weightings.

    Raises:
        ValueError: a tensor is missing (a machine without memory) or has fewer steps.
    """

    def __init__(
        self, episode: Episode, trace: object, *, element: int, width: Number, values: bool = True
    ) -> None:
        steps = len(episode.inputs)
        self._episode = episode
        self._weights = [
            _steps_of(trace, name, element, steps) for name in ("write_weights", "read_weights")
        ]
        self._words = [
            _steps_of(trace, name, element, steps) for name in ("add", "reads") if values
        ]
        self._rows = used_rows(*self._weights)
        self.left = max(11.5, channel_margin(episode.input_names))
        self._middle = max(11.5, channel_margin(episode.output_names))
        self._inner = (width - self.left - self._middle - 4.0) / 2
        most = max(weights.shape[1] for weights in self._weights)
        cell = min(self._inner / steps, 1.8)
        self._bit_heights = [
            row_height(names, cell * image.shape[1])
            for names, image in (
                (episode.input_names, episode.inputs),
                (episode.output_names, episode.outputs),
            )
        ]
        self._word_height = max(16.0, 7.0 * most) if values else 0.0
        self._weight_height = max(34.0, 14.0 * most, min(60.0, 0.8 * len(self._rows) * most))

    @property
    def limit(self) -> float:
        """The value of an add or a read that is drawn in full ink."""
        return max(float(np.abs(words).max()) for words in self._words) or 1.0

    @property
    def keys(self) -> list[Key]:
        bits, *others = bit_keys(self._episode)
        keys = [bits._replace(label=f"bits, weights {bits.label}")]
        if self._words:
            label = f"adds, reads −{self.limit:.2g} to {self.limit:.2g}"
            keys.append(Key(label, INK, -self.limit, self.limit))
        return [*keys, *others]

    @property
    def height(self) -> float:
        """Millimetres from the top of the first image to below the time axis."""
        values = self._word_height + 5.0 if self._words else 0.0
        return max(self._bit_heights) + 5.0 + values + self._weight_height + 9.0

    def draw(self, figure: Figure, top: Number, *, stretch: Number = 0.0) -> list[Axes]:
        """Place the panels, the weightings `stretch` millimetres higher than they need."""
        episode, first = self._episode, []
        for column in (0, 1):
            x = self.left + column * (self._inner + self._middle)
            y = top
            bits = place(figure, x, y, self._inner, self._bit_heights[column])
            if column == 0:
                draw_image(bits, episode.inputs)
                label_channels(bits, episode.input_names)
            else:
                draw_image(bits, episode.outputs, quiet=~episode.mask, wrong=episode.wrong)
                label_channels(bits, episode.output_names)
            bits.set_title(("Inputs", "Outputs")[column])
            drawn = [bits]

            y += max(self._bit_heights) + 5.0
            if self._words:
                words = self._words[column]
                bands = stack_bands(figure, x, y, self._inner, self._word_height, words.shape[1])
                for head, axes in enumerate(bands):
                    draw_image(axes, words[:, head], limit=self.limit)
                bands[0].set_title(("Adds", "Reads")[column])
                label_bands(bands, ("word entry", "")[column])
                drawn += bands
                y += self._word_height + 5.0

            weights, height = self._weights[column], self._weight_height + stretch
            bands = stack_bands(figure, x, y, self._inner, height, weights.shape[1])
            for head, axes in enumerate(bands):
                draw_weights(axes, weights[:, head], self._rows)
                label_rows(axes, self._rows, height / len(bands))
            bands[0].set_title(("Write weightings", "Read weightings")[column])
            label_bands(bands, ("memory row", "")[column])
            drawn += bands
            for axes in drawn:
                mark_answer(axes, episode.answer_starts, labelled=axes is bits)
                time_axis(axes, labelled=axes is bands[-1])
            first.append(bits)
        return first


@styled
def memory_figure(
    episode: Episode,
    trace: object,
    *,
    element: int = 0,
    values: bool = True,
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """Memory use in the layout of NTM figure 6: writing on the left, reading on the right.

    From the top: inputs and outputs; the vectors added to and read from the memory (word size by
    time); the write and read weightings (memory rows by time), one band per head. All panels share
    the time axis and both weightings the rows, of which those never used are left out. A dashed
    line stands before the first asked step.

    Args:
        trace: `write_weights` (B, T, W, N), `read_weights` (B, T, R, N), `add` (B, T, W, M) and
            `reads` (B, T, R, M), as attributes or in a mapping.
        element: which sequence of the batch; `episode` must be the same one.
        values: draw `add` and `reads` too.
        width: millimetres.

    Raises:
        ValueError: a tensor is missing (a machine without memory) or has fewer steps.
    """
    panels = MemoryPanels(episode, trace, element=element, width=width, values=values)
    header = Header(width=width, left=panels.left, title=title, keys=panels.keys)
    figure = new_figure(width, header.height + panels.height)
    panels.draw(figure, header.height)
    header.draw(figure)
    return figure


def _steps_of(trace: object, name: str, element: int, steps: int) -> np.ndarray:
    values = tensor_of(trace, name, element)
    if len(values) < steps:
        raise ValueError(f"{name} must have {steps} steps as the episode has, got {len(values)}")
    return values[:steps]
