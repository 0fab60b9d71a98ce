"""No word lies on another or beyond the edge, in any figure at any width."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from samples import ERRORS, MACHINES, PUBLISHED, copy_episode, copy_trace

from tapehead.viewing import (
    COLUMN,
    DOUBLE,
    bit_figure,
    compare,
    generalisation,
    heads_figure,
    learning_curves,
    length_figure,
    memory_figure,
    summary_figure,
)

MANY = MACHINES | {f"dnc, variant {number}": MACHINES["lstm"] for number in range(7)}
FLIPS = [(0, 3), (2, 7), (2, 1)]
FIGURES = {
    "bits": lambda width: bit_figure(copy_episode(20, FLIPS), title="NTM: Copy", width=width),
    "bits-long": lambda width: bit_figure(copy_episode(120, FLIPS), width=width),
    "bits-short": lambda width: bit_figure(copy_episode(3), title="NTM: Copy", width=width),
    "lengths": lambda width: length_figure(
        {str(n): copy_episode(n, FLIPS) for n in (10, 20, 30, 50, 120)}, width=width
    ),
    "lengths-short": lambda width: length_figure(
        {f"{n} items": copy_episode(3, FLIPS) for n in range(6, 12)}, title="NTM", width=width
    ),
    "memory": lambda width: memory_figure(
        copy_episode(20, FLIPS), copy_trace(20), title="NTM: Copy", width=width
    ),
    "memory-heads": lambda width: memory_figure(
        copy_episode(20, FLIPS), copy_trace(20, writes=4, reads=8), title="NTM", width=width
    ),
    "heads": lambda width: heads_figure(copy_trace(20), answer_starts=21, width=width),
    "heads-many": lambda width: heads_figure(
        copy_trace(20, writes=5, reads=8), answer_starts=21, title="NTM: Copy", width=width
    ),
    "learning": lambda width: learning_curves(
        MACHINES, published=PUBLISHED | {"lstm": 0.5}, title="Copy", width=width
    ),
    "generalisation": lambda width: generalisation(
        ERRORS, published={"lstm": {"20": 3.0}}, trained=(1, 20), width=width, log=True
    ),
    "compare": lambda width: compare(
        MACHINES, ERRORS, published=PUBLISHED, trained=(1, 20), width=max(width, 140), title="Copy"
    ),
    "compare-many": lambda width: compare(
        MANY, dict.fromkeys(MANY, ERRORS["lstm"]), trained=(1, 20), width=width, title="Copy"
    ),
    "summary": lambda width: summary_figure(
        copy_episode(20, FLIPS), copy_trace(20), MACHINES, ERRORS, trained=(1, 20), title="NTM"
    ),
}


@pytest.mark.parametrize("width", [COLUMN, DOUBLE])
@pytest.mark.parametrize("name", FIGURES)
def test_words_are_readable(name, width):
    figure = FIGURES[name](width)
    FigureCanvasAgg(figure).draw()
    hidden = set(_unused_tick_labels(figure))
    boxes = {
        text: text.get_window_extent()
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden
    }
    assert len(boxes) > 5
    width, height = figure.bbox.size
    for text, box in boxes.items():
        inside = -1 < box.x0 < box.x1 < width + 1 and -1 < box.y0 < box.y1 < height + 1
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        # Line boxes hold space for tall letters and tails; half a point of them may meet.
        slack = 1.5
        apart = (
            first.x1 <= second.x0 + slack
            or second.x1 <= first.x0 + slack
            or first.y1 <= second.y0 + slack
            or second.y1 <= first.y0 + slack
        )
        assert apart, f"{one.get_text()!r} lies on {other.get_text()!r}"


def _unused_tick_labels(figure):
    """Labels that an axis keeps but does not draw: outside its limits, or left from before."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            current = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            for tick in [*axis.majorTicks, *axis.minorTicks]:
                inside = low - 1e-9 <= tick.get_loc() <= high + 1e-9
                if not (axes.axison and inside and tick in current):
                    yield from (tick.label1, tick.label2)
