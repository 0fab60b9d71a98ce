"""Ten seeds and more: the band leaves out what lies at the ends, and that stays to be seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import band, line, seed, texts

from tapehead.viewing import compare, generalisation, learning_curves
from tapehead.viewing.bands import MANY, band_of, beyond
from tapehead.viewing.estimators import toy_figure

GOOD = [[80.0, 40.0 - n, 1.0 + n / 10, 0.05] for n in range(MANY - 1)]
LOST = [85.0, 120.0, 90.0, 88.0]
"""Costs of a seed that fails, far above those of the others."""
QUARTILES = "median and first to third quartile of 10 seeds"


def seeds(*more):
    """Nine that solve the task at their fourth report, and others that do not."""
    return [*(seed(costs, solved_at=4000) for costs in GOOD), *map(seed, more)]


def axes_of(figure, ylabel):
    (found,) = [axes for axes in figure.axes if axes.get_ylabel() == ylabel]
    return found


def curves(figure):
    return next(axes for axes in figure.axes if "sequences" in axes.get_xlabel())


def lines(axes, label):
    return [one for one in axes.lines if one.get_label() == label]


def test_one_that_fails_is_a_thin_line_and_does_not_fill_the_picture():
    figure = learning_curves({"dnc": seeds(LOST)})
    axes, values = curves(figure), np.array([*GOOD, LOST])
    np.testing.assert_allclose(line(axes, "dnc")[1], np.median(values, 0))
    _, low, high = band(axes, "dnc quartiles")
    np.testing.assert_allclose(low, np.percentile(values, 25, axis=0))
    np.testing.assert_allclose(high, np.percentile(values, 75, axis=0))
    assert (high < 81).all()
    (thin,) = lines(axes, "dnc not solved")
    assert thin.get_ydata().tolist() == LOST
    assert thin.get_xdata().tolist() == [1, 2, 3, 4]
    assert thin.get_linewidth() < line_width(axes, "dnc") / 2
    assert axes.get_ylim()[1] > max(LOST)
    words = texts(figure)
    assert QUARTILES in words
    assert "thin: seeds that do not solve it" in words
    assert "DNC: 9 of 10 solved" in words


def line_width(axes, label):
    return lines(axes, label)[0].get_linewidth()


def test_fewer_than_ten_keep_their_range():
    figure = learning_curves({"dnc": seeds(LOST)[1:]})
    axes, values = curves(figure), np.array([*GOOD[1:], LOST])
    np.testing.assert_allclose(line(axes, "dnc")[1], np.median(values, 0))
    _, low, high = band(axes, "dnc range")
    np.testing.assert_allclose(low, values.min(0))
    np.testing.assert_allclose(high, values.max(0))
    assert not lines(axes, "dnc not solved")
    assert "median and range of 9 seeds" in texts(figure)
    assert not any(text.startswith("thin") for text in texts(figure))


def test_where_nothing_can_be_solved_no_seed_fails():
    many = [seed(costs) for costs in [*GOOD, LOST]]
    figure = learning_curves({"dnc": many})
    assert not lines(curves(figure), "dnc not solved")
    assert not any(text.startswith("thin") for text in texts(figure))
    # Another machine that solves it says that it can be.
    figure = learning_curves({"dnc": many, "lstm": seeds(LOST)[:2]})
    assert len(lines(curves(figure), "dnc not solved")) == 10
    assert "median and range over seeds, quartiles of 10 or more" in texts(figure)


def test_logarithmic_costs_below_the_floor_lie_on_it_in_thin_lines_too():
    figure = learning_curves({"dnc": seeds([9.0, 1e-5, 7.0])}, log=True, floor=0.01)
    (thin,) = lines(curves(figure), "dnc not solved")
    assert thin.get_ydata().tolist() == [9.0, 0.01, 7.0]


FAR = {"20": [0.0] * 9 + [4.0], "120": [0.0, 0.0, *range(1, 7), 90.0, 400.0]}


def test_errors_outside_the_band_are_dots():
    figure = generalisation({"dnc": FAR}, log=True)
    axes = axes_of(figure, "wrong bits per sequence")
    np.testing.assert_allclose(line(axes, "dnc")[1], [0, 3.5])
    _, low, high = band(axes, "dnc quartiles")
    np.testing.assert_allclose(low, [0, 1.25])
    np.testing.assert_allclose(high, [0, 5.75])
    x, y = line(axes, "dnc outside")
    # Six is beyond the third quartile, one and five are within.
    assert list(zip(x, y, strict=True)) == [
        (20, 4), (120, 0), (120, 0), (120, 1), (120, 6), (120, 90), (120, 400)
    ]  # fmt: skip
    (dots,) = lines(axes, "dnc outside")
    assert dots.get_linestyle() == "None"
    assert axes.get_ylim()[1] > 400
    assert {QUARTILES, "dots: seeds outside"} <= set(texts(figure))


def test_dots_stand_beside_each_other_where_levels_are_no_numbers():
    levels = {"one": FAR["20"], "two": FAR["120"]}
    axes = axes_of(generalisation({"dnc": levels, "lstm": levels}), "wrong bits per sequence")
    bars = next(part for part in axes.collections if part.get_label() == "lstm quartiles")
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[0, 0], [1.25, 5.75]]
    assert set(line(axes, "lstm outside")[0].round(2)) == {0.06, 1.06}


def test_without_seeds_outside_no_dots_are_told_of():
    figure = generalisation({"dnc": {"20": [1.0] * 12, "50": [2.0] * 12}})
    assert not lines(axes_of(figure, "wrong bits per sequence"), "dnc outside")
    assert not any(text.startswith("dots") for text in texts(figure))
    few = generalisation({"dnc": {"20": [0.0] * 8 + [9.0]}})
    assert not lines(axes_of(few, "wrong bits per sequence"), "dnc outside")


@pytest.mark.parametrize("count", [1, 6])
def test_a_comparison_says_both_in_one_panel_or_in_many(count):
    machines = {f"machine {number}": seeds(LOST) for number in range(count)}
    figure = compare(machines, dict.fromkeys(machines, FAR))
    words = " ".join(texts(figure))
    for said in (QUARTILES, "thin: seeds that do not solve it", "dots: seeds outside"):
        assert said in words
    for name in machines:
        drawn = [axes for axes in figure.axes if lines(axes, name)]
        assert sum(len(lines(axes, f"{name} not solved")) for axes in drawn) == 1
        assert sum(len(lines(axes, f"{name} outside")) for axes in drawn) == 1


class Curves:
    steps = (0, 1)
    loss = np.array([[0.25, 0.2 + n / 100] for n in range(9)] + [[0.25, 9.0]])
    log_variance = loss - 5


def test_the_toy_of_the_estimators_has_the_same_bands():
    figure = toy_figure({"t=0.45": {"relax": Curves()}}, {}, {})
    assert any(text.startswith(QUARTILES) for text in texts(figure))
    assert {"t = 0.45: expected cost", "t = 0.45: log-variance of the gradient"} <= set(
        texts(figure)
    )
    (shade,) = figure.axes[0].collections
    top = shade.get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(np.percentile(Curves.loss[:, 1], 75))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=25))
def test_every_seed_is_in_the_band_or_beyond_it(values):
    values = np.array(values)
    low, middle, high = band_of(values)
    assert low <= middle <= high
    inside = values[(values >= low) & (values <= high)]
    assert sorted([*inside, *beyond(values)]) == sorted(values)
    if len(values) < MANY:
        assert len(beyond(values)) == 0
    else:
        # A quarter of the seeds on either side, and no more, is left out.
        quarter = -(-(len(values) - 1) // 4)
        assert (values < low).sum() <= quarter
        assert (values > high).sum() <= quarter
