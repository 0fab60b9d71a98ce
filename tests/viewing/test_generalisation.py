"""Error against length, and the figures of several panels."""

import numpy as np
import pytest
from samples import (
    ERRORS,
    MACHINES,
    PUBLISHED,
    band,
    copy_episode,
    copy_trace,
    image,
    line,
    texts,
    titled,
)

from tapehead.viewing import compare, generalisation, summary_figure


def plot(figure, xlabel="sequence length"):
    (axes,) = [a for a in figure.axes if a.get_xlabel() == xlabel]
    return axes


def test_line_is_the_median_and_band_the_range():
    axes = plot(generalisation(ERRORS))
    for name, levels in ERRORS.items():
        x, y = line(axes, name)
        assert x.tolist() == [10, 20, 50, 120]
        np.testing.assert_allclose(y, [np.median(v) for v in levels.values()])
        _, low, high = band(axes, f"{name} range")
        np.testing.assert_allclose(low, [min(v) for v in levels.values()])
        np.testing.assert_allclose(high, [max(v) for v in levels.values()])


def test_lengths_are_ordered_as_numbers_whatever_their_order():
    axes = plot(generalisation({"dnc": {"120": 9, 20: 1, "3": [0.5]}}))
    assert line(axes, "dnc")[0].tolist() == [3, 20, 120]
    assert line(axes, "dnc")[1].tolist() == [0.5, 1, 9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "20", "120"]


def test_published_values_are_open_marks():
    published = {"ntm-lstm": {"20": 0.0, "50": 4.0}}
    figure = generalisation(ERRORS, published=published)
    (mark,) = [a for a in plot(figure).lines if a.get_label() == "ntm-lstm published"]
    assert mark.get_xdata().tolist() == [20, 50]
    assert mark.get_ydata().tolist() == [0, 4]
    assert mark.get_markerfacecolor() == "none"
    assert mark.get_linestyle() == "None"
    assert mark.get_markeredgecolor() == line_colour(plot(figure), "ntm-lstm")
    assert "published" in texts(figure)
    assert "published" not in texts(generalisation(ERRORS))


def line_colour(axes, label):
    return next(a for a in axes.lines if a.get_label() == label).get_color()


def test_the_trained_range_is_shaded():
    (shade,) = plot(generalisation(ERRORS, trained=(1, 20))).patches
    assert shade.get_x() == 1
    assert shade.get_width() == 19
    assert not plot(generalisation(ERRORS)).patches


@pytest.mark.parametrize("log", [False, True])
def test_every_point_is_inside(log):
    axes = plot(generalisation(ERRORS, log=log))
    low, high = axes.get_ylim()
    assert low == 0
    assert high > 460
    assert axes.get_yscale() == ("symlog" if log else "linear")


def test_a_reward_below_zero_is_inside():
    axes = plot(generalisation({"dnc": {"2": [0.5, 0.25], "4": [-1.0, -2.0]}}, metric="return"))
    assert axes.get_ylim()[0] == -2.0


def test_labels_that_are_no_numbers_stand_side_by_side():
    levels = {"length 10, repeats 10": [0, 1, 5], "length 20, repeats 10": [3, 4, 9]}
    errors = {"ntm-lstm": levels, "lstm": levels}
    published = {"lstm": {"length 20, repeats 10": 2.0}}
    figure = generalisation(errors, published=published, trained=(1, 2), xlabel="x")
    axes = plot(figure, "x")
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["length 10\nrepeats 10", "length 20\nrepeats 10"]
    x, y = line(axes, "ntm-lstm")
    np.testing.assert_allclose(x, [-0.06, 0.94])
    assert y.tolist() == [1, 4]
    np.testing.assert_allclose(line(axes, "lstm published"), [[1.06], [2.0]])
    ranges = next(c for c in axes.collections if c.get_label() == "ntm-lstm range")
    assert [segment[:, 1].tolist() for segment in ranges.get_segments()] == [[0, 5], [3, 9]]
    assert not axes.patches


@pytest.mark.parametrize("errors", [{}, {"dnc": {}}])
def test_nothing_to_draw(errors):
    with pytest.raises(ValueError, match="at least one"):
        generalisation(errors)


def test_compare_holds_both_panels():
    figure = compare(
        MACHINES, ERRORS, published=PUBLISHED, published_errors={"lstm": {"20": 2.0}},
        trained=(1, 20), log=True, log_errors=True, title="Copy",
    )  # fmt: skip
    left = plot(figure, "sequences seen (thousands)")
    right = plot(figure)
    assert line(left, "lstm published")[1].tolist() == [4.8]
    assert line(right, "lstm published")[1].tolist() == [2.0]
    assert line_colour(left, "dnc" if "dnc" in MACHINES else "lstm") == line_colour(right, "lstm")
    assert left.get_position().x1 < right.get_position().x0
    assert {"Copy", "a", "b", "LSTM: 0 of 2 solved"} <= set(texts(figure))


def test_compare_without_errors_is_one_panel():
    figure = compare(MACHINES)
    assert len([a for a in figure.axes if a.get_xlabel()]) == 1
    assert "a" not in texts(figure)


def test_compare_explains_open_marks_where_there_are_any():
    plain = {"errors": ERRORS, "trained": (1, 20)}
    assert "published" not in texts(compare(MACHINES, **plain))
    marked = compare(MACHINES, **plain, published_errors={"lstm": {"20": 2.0}})
    assert "published" in texts(marked)


def test_summary_shows_the_machine_at_work_beside_its_curves():
    episode, trace = copy_episode(5), copy_trace(5)
    figure = summary_figure(episode, trace, MACHINES, ERRORS, trained=(1, 20))
    np.testing.assert_array_equal(image(titled(figure, "Inputs")), episode.inputs)
    assert image(titled(figure, "Read weightings")).shape[0] == 11
    assert line(plot(figure), "lstm")[0].tolist() == [10, 20, 50, 120]
    _, y = line(plot(figure, "sequences seen (thousands)"), "lstm")
    assert y[0] == 69.5
    assert {"a", "b", "c"} <= set(texts(figure))


def test_summary_of_a_memory_whose_words_are_not_traced():
    trace = {name: copy_trace(5)[name] for name in ("write_weights", "read_weights")}
    figure = summary_figure(copy_episode(5), trace, MACHINES, ERRORS)
    assert image(titled(figure, "Write weightings")).shape[0] == 11
    assert "Adds" not in texts(figure)


def test_summary_needs_a_memory_and_a_curve():
    with pytest.raises(ValueError, match="no 'write_weights'"):
        summary_figure(copy_episode(5), {}, MACHINES)
    with pytest.raises(ValueError, match="machines must hold"):
        summary_figure(copy_episode(5), copy_trace(5), {})
