"""How each head addresses: gate, key strength, sharpening and shift over time (NTM eq. 5-9)."""

import numpy as np
from matplotlib.figure import Figure

from tapehead.viewing.header import Header, Key, text_mm
from tapehead.viewing.image import draw_image, label_bands, mark_answer, stack_bands, time_axis
from tapehead.viewing.style import (
    DOUBLE,
    INK,
    READ,
    WRITE,
    Number,
    new_figure,
    open_frame,
    place,
    styled,
)
from tapehead.viewing.traces import HEAD_CURVES, tensor_of


@styled
def heads_figure(
    trace: object, *, num_reads: int | None = None, answer_starts: int | None = None,
    steps: int | None = None, element: int = 0, title: str = "", width: Number = DOUBLE,
) -> Figure:  # fmt: skip
    """How each head addresses over time: gate, key strength, sharpening and shift.

    A column per kind of head, reading right as in `memory_figure`; several heads share a panel,
    the first drawn solid. The shift has a band per head.

    Args:
        trace: `gate`, `strength`, `sharpening` (B, T, R + W) and `shift` (B, T, R + W, shifts),
            reading heads first, as attributes or in a mapping.
        num_reads: how many of the heads read; by default as `read_weights` (B, T, R, N) says.
        answer_starts: the first asked step, counted from 0, where a dashed line goes.
        steps: how many steps to draw; by default all.
        element: which sequence of the batch.
        width: millimetres.

    Raises:
        ValueError: a tensor is missing.
    """
    values = {name: tensor_of(trace, name, element)[:steps] for name in HEAD_CURVES}
    shift = tensor_of(trace, "shift", element)[:steps]
    if num_reads is None:
        num_reads = tensor_of(trace, "read_weights", element).shape[1]
    heads = shift.shape[1]
    kinds = [
        ("writing", WRITE, range(num_reads, heads)), ("reading", READ, range(num_reads)),
    ]  # fmt: skip
    kinds = [kind for kind in kinds if len(kind[2])]
    left, middle, right, gap = 9.0, 10.5, 4.0, 5.0
    keys = [Key("shift 0 to 1", INK, 0, 1)]
    header = Header(width=width, left=left, title=title, keys=keys)
    top = header.height
    inner = (width - left - right - middle * (len(kinds) - 1)) / len(kinds)
    height, band = 14.0, 7.0
    shift_height = band * max(len(kind[2]) for kind in kinds)
    figure = new_figure(width, top + 3 * (height + gap) + shift_height + 9.0)
    time = np.arange(1, len(shift) + 1)
    for column, (kind, colour, which) in enumerate(kinds):
        x, y = left + column * (inner + middle), top
        for name, label in HEAD_CURVES.items():
            axes = place(figure, x, y, inner, height)
            for order, head in enumerate(which):
                axes.plot(time, values[name][:, head], **_head_line(order, len(which), colour))
            heading = f"{label}, {kind}" if name == "gate" else label
            axes.set_title(heading)
            axes.set_xlim(0.5, len(time) + 0.5)
            axes.set_ylim((-0.04, 1.04) if name == "gate" else _limits(values[name]))
            keyed = name == "gate" and len(which) > 1
            if keyed and text_mm(heading) + 6.0 * len(which) + 4.0 < inner:
                axes.legend(
                    loc="lower right", bbox_to_anchor=(1, 1), ncols=len(which), borderpad=0.3,
                    handlelength=1.5, handletextpad=0.4, columnspacing=1.0, borderaxespad=0,
                )  # fmt: skip
            open_frame(axes)
            mark_answer(axes, answer_starts, labelled=name == "gate" and not keyed)
            time_axis(axes, labelled=False)
            y += height + gap
        bands = stack_bands(figure, x, y, inner, shift_height, len(which))
        for axes, head in zip(bands, which, strict=True):
            draw_image(axes, shift[:, head])
            reach = shift.shape[2] // 2
            axes.set_yticks(range(2 * reach + 1))
            axes.set_yticklabels(
                [f"{s:+d}".replace("+0", "0").replace("-", "−") for s in range(-reach, reach + 1)]
            )
            axes.tick_params(axis="y", labelleft=True)
            mark_answer(axes, answer_starts)
            time_axis(axes, labelled=axes is bands[-1])
        bands[0].set_title("Shift (rows)")
        label_bands(bands)
    header.draw(figure)
    return figure


def _head_line(order: int, heads: int, colour: str) -> dict:
    dashes = ["-", (0, (4, 1.2)), (0, (1.2, 1.0)), (0, (4, 1, 1, 1))][order % 4]
    return {
        "color": colour, "ls": dashes, "lw": 1.0, "alpha": 1 - 0.55 * order / max(1, heads),
        "label": str(order + 1),
    }  # fmt: skip


def _limits(values: np.ndarray) -> tuple[float, float]:
    """From 0 (or less) to a little above the highest."""
    high = float(values.max())
    return min(0.0, float(values.min())), high * 1.08 if high > 0 else 1.0
