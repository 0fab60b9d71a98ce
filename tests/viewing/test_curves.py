"""Learning curves: medians, ranges, marks and published values stand where they should."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.transforms import Affine2D
from samples import MACHINES, PUBLISHED, band, line, seed, texts

from tapehead.viewing import Seed, learning_curves
from tapehead.viewing.legend import spread
from tapehead.viewing.seeds import choose_kind, over_seeds


def curves(figure):
    (axes, *more) = [a for a in figure.axes if a.get_xlabel()]
    return (axes, *more) if more else axes


def test_line_is_the_median_and_band_the_range():
    values = np.random.default_rng(0).uniform(1, 60, (5, 8))
    figure = learning_curves({"dnc": [seed(row.tolist()) for row in values]})
    x, y = line(curves(figure), "dnc")
    np.testing.assert_allclose(x, np.arange(1, 9))  # thousands
    np.testing.assert_allclose(y, np.median(values, axis=0))
    positions, low, high = band(curves(figure), "dnc range")
    np.testing.assert_allclose(positions, x)
    np.testing.assert_allclose(low, values.min(axis=0))
    np.testing.assert_allclose(high, values.max(axis=0))


def test_one_seed_has_no_band():
    figure = learning_curves({"dnc": MACHINES["lstm"][:1]})
    assert not curves(figure).collections
    assert not any("median" in text for text in texts(figure))


def test_a_curve_of_one_report_is_seen():
    figure = learning_curves({"dnc": [seed([5.0, 2.0])], "lstm": [seed([9.0])]})
    markers = {one.get_label(): one.get_marker() for one in curves(figure).lines}
    assert markers == {"dnc": "None", "lstm": "_"}


def test_seeds_that_report_at_other_times_are_interpolated_and_keep_their_last_value():
    slow = Seed(rows=[{"kind": "train", "sequences": s, "bits": b} for s, b in
                      ((2, 10.0), (6, 2.0))])  # fmt: skip
    fast = Seed(rows=[{"kind": "train", "sequences": s, "bits": b} for s, b in
                      ((1, 9.0), (3, 5.0), (4, 1.0))])  # fmt: skip
    axis, values = over_seeds([slow, fast], kind="train", x="sequences", metric="bits")
    assert axis.tolist() == [2, 3, 4, 6]  # from where both have begun
    np.testing.assert_allclose(values, [[10, 8, 6, 2], [7, 5, 1, 1]])


def test_solved_seeds_are_marked_on_their_own_curves_and_counted():
    figure = learning_curves(MACHINES)
    x, y = line(curves(figure), "ntm-lstm solved")
    assert x.tolist() == [4, 5, 3]
    assert y.tolist() == [0.05, 0.04, 0.08]
    assert not [a for a in curves(figure).lines if a.get_label() == "lstm solved"]
    words = texts(figure)
    assert {"NTM-LSTM: 3 of 3 solved", "LSTM: 0 of 2 solved"} <= set(words)
    assert "median and range over seeds" in words  # three of one machine, two of others
    alike = {name: seeds[:2] for name, seeds in MACHINES.items()}
    assert "median and range of 2 seeds" in texts(learning_curves(alike))


def test_time_as_the_axis():
    figure = learning_curves(MACHINES, x=("sequences", "seconds"), published=PUBLISHED)
    sequences, seconds = curves(figure)
    assert sequences.get_xlabel() == "sequences seen (thousands)"
    assert seconds.get_xlabel() == "training time (s)"
    assert line(seconds, "ntm-lstm solved")[0].tolist() == [40, 50, 30]
    # A published cost after so many sequences says nothing about seconds.
    assert [a for a in sequences.lines if str(a.get_label()).endswith("published")]
    assert not [a for a in seconds.lines if str(a.get_label()).endswith("published")]


def test_logarithmic_cost_stops_at_the_floor():
    figure = learning_curves({"dnc": [seed([80, 4, 0.0, 0.001])]}, log=True, floor=0.01)
    axes = curves(figure)
    assert axes.get_yscale() == "log"
    assert line(axes, "dnc")[1].tolist() == [80, 4, 0.01, 0.01]
    assert axes.get_ylim()[0] == 0.01


def test_published_end_values_stand_at_the_right_edge():
    figure = learning_curves(MACHINES, published=PUBLISHED)
    axes = curves(figure)
    for name, value in PUBLISHED.items():
        x, y = line(axes, f"{name} published")
        assert (x.tolist(), y.tolist()) == ([1.0], [value])
    assert {"4.8", "0.1", "published"} <= set(texts(figure))
    assert texts(figure).count("0.1") == 1  # one label for two machines


def test_published_marks_do_not_cover_each_other():
    published = {"lstm": 0.5, "ntm-lstm": 0.1, "ntm-feedforward": 0.1, "dnc": 40}
    figure = learning_curves(MACHINES, published=published)
    axes = curves(figure)
    marks = {}
    for name in published:
        (mark,) = [a for a in axes.lines if a.get_label() == f"{name} published"]
        marks[name] = mark.get_transform().transform(mark.get_xydata())[0] / figure.dpi * 72
    for one, other in combinations(marks.values(), 2):
        assert np.abs(one - other).max() > 4.5  # points; a mark is 4 wide
    numbers = [text for text in axes.texts if text.get_text() in ("0.1", "0.5", "40")]
    assert len(numbers) == 3
    for number in numbers:
        box = number.get_window_extent().transformed(Affine2D().scale(72 / figure.dpi))
        assert not any(box.padded(1.9).contains(*mark) for mark in marks.values())
    assert marks["dnc"][0] == marks["ntm-lstm"][0] < marks["ntm-feedforward"][0] < marks["lstm"][0]


@pytest.mark.parametrize("log", [False, True])
def test_published_values_beyond_the_curves_are_inside_the_axes(log):
    figure = learning_curves({"dnc": [seed([30, 20])]}, published={"dnc": 90, "lstm": 2}, log=log)
    low, high = curves(figure).get_ylim()
    assert low <= 2
    assert high >= 90


def test_axis_starts_at_zero_unless_all_costs_are_alike():
    assert curves(learning_curves(MACHINES)).get_ylim()[0] == 0
    assert curves(learning_curves({"dnc": [seed([140, 135, 133])]})).get_ylim()[0] > 100


def test_training_rows_unless_a_curriculum_changed_them():
    plain = seed([3, 2, 1], difficulty=4)
    growing = Seed(rows=[*seed([3], difficulty=1).rows, *seed([5], difficulty=2).rows,
                         *seed([9, 8], kind="validation").rows])  # fmt: skip
    assert choose_kind({"a": [plain]}, "bits") == "train"
    assert choose_kind({"a": [plain, growing]}, "bits") == "validation"
    assert choose_kind({"a": [plain]}, "regret") == "validation"
    assert line(curves(learning_curves({"dnc": [growing]})), "dnc")[1].tolist() == [9, 8]


def test_labels_name_quantity_and_unit():
    axes = curves(learning_curves(MACHINES, title="Copy"))
    assert axes.get_ylabel() == "cost (bits per sequence)"
    assert axes.get_xlabel() == "sequences seen (thousands)"


@pytest.mark.parametrize("machines", [{}, {"dnc": []}])
def test_nothing_to_draw(machines):
    with pytest.raises(ValueError, match="at least one"):
        learning_curves(machines)


def test_a_metric_that_no_row_has():
    with pytest.raises(ValueError, match="seed 0 has no 'validation' row with 'sequences' and 'x'"):
        learning_curves(MACHINES, metric="x")


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(0.1, 5))
def test_spread_keeps_order_and_distance(values, gap):
    placed = np.array(spread(values, gap))
    order = np.argsort(values, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()
    if (np.diff(np.sort(values)) >= gap).all():
        np.testing.assert_allclose(placed, values)
    inside = np.array(spread(values, gap, -60, 60))
    assert (np.abs(inside) <= 60).all()
    assert (np.diff(inside[order]) >= gap - 1e-9).all()


def test_spread_moves_no_further_than_it_must():
    assert spread([1.0, 1.0], 1.0) == [0.5, 1.5]
    assert spread([0.0, 0.0], 1.0, 0.0, 9.0) == [0.0, 1.0]
    assert spread([9.0, 9.0, 2.0], 1.0, 0.0, 9.0) == [8.0, 9.0, 2.0]
