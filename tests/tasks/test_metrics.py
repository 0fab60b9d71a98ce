"""How scores are written, and when a task counts as solved."""

import pytest

from tapehead.tasks.metrics import (
    BIT_ERRORS,
    BITS,
    SOLVED,
    Metric,
    PassMark,
    metric_of,
)


def test_headings_and_values():
    assert BIT_ERRORS.heading == "wrong bits per sequence"
    assert BITS.heading == "cost (bits per sequence)"
    assert SOLVED.heading == "sequences without error"
    assert (BITS.shown(1.23456), BITS.shown(1.23456, 2)) == ("1.235", "1.23")
    assert SOLVED.shown(0.987) == "98.7%"
    assert metric_of("bits") is BITS
    assert metric_of(SOLVED) is SOLVED
    assert metric_of("speed").heading == "speed"


def test_marks_in_few_words():
    assert PassMark(BIT_ERRORS, 0.1).words == "wrong bits below 0.1"
    assert PassMark(BITS, 20).words == "cost below 20 bits"
    assert PassMark(BITS, 1.0).words == "cost below 1 bit"
    assert PassMark(SOLVED, 0.95).words == "without error above 95%"
    assert PassMark(Metric("gap", "longer", "% of its length"), 0.01).words == "longer below 1%"


@pytest.mark.parametrize(
    ("mark", "better", "worse", "text", "distance"),
    [
        (PassMark(BIT_ERRORS, 0.1), 0.09, 0.2, "below 0.1", 2.0),
        (PassMark(SOLVED, 0.9), 0.91, 0.45, "above 90%", 2.0),
        (PassMark(Metric("x", "x", ""), 20.0), 19.0, 40.0, "below 20", 2.0),
    ],
)
def test_a_mark_is_met_on_its_better_side(mark, better, worse, text, distance):
    assert mark.met(better)
    assert not mark.met(mark.threshold)
    assert not mark.met(worse)
    assert mark.rank(better) < mark.rank(mark.threshold) < mark.rank(worse)
    assert str(mark) == text
    assert mark.distance(worse) == pytest.approx(distance)
    assert mark.distance(better) < 1
