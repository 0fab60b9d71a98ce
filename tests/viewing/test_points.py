"""Figures of points: what is drawn is what was answered, and what is wrong is marked."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, Polygon

from tapehead.viewing.page.recordings import point_recording
from tapehead.viewing.points import Pointed, answer_figure, steps_figure
from tapehead.viewing.sizes import sizes_figure
from tapehead.viewing.style import ERROR, READ

SQUARE = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])


def pointed(said, right=(1, 2, 3, 4), shape="tour", solved=False, xy=SQUARE):
    attention = np.full((len(said) + 1, len(xy) + 1), 0.1)
    for step, pointer in enumerate([*said, 0]):
        attention[step, pointer] = 0.6
    return Pointed(
        xy=xy, right=np.array(right), said=np.array(said, dtype=int), attention=attention,
        shape=shape, solved=solved, note="a note",
    )  # fmt: skip


def edges(axes, colour):
    """Pairs of points that lines of a colour join."""
    found = set()
    for line in axes.lines:
        ends = np.stack(line.get_data(), 1)
        if len(ends) == 2 and to_hex(line.get_color()) == colour:
            numbers = [int(np.abs(SQUARE - end).sum(1).argmin()) + 1 for end in ends]
            found.add(tuple(sorted(numbers)))
    return found


def test_a_wrong_tour_has_its_wrong_edges_in_colour():
    right, answered = answer_figure(pointed([1, 3, 2, 4])).axes[:2]
    assert edges(right, READ) == {(1, 2), (2, 3), (3, 4), (1, 4)}
    assert edges(right, ERROR) == set()
    assert edges(answered, READ) == {(2, 3), (1, 4)}
    assert edges(answered, ERROR) == {(1, 3), (2, 4)}
    assert answered.get_xlabel() == "a note"
    assert to_hex(answered.xaxis.label.get_color()) == ERROR


def test_a_right_answer_has_nothing_in_colour():
    """A tour as short as the teacher's may go another way."""
    _, answered = answer_figure(pointed([1, 3, 2, 4], solved=True)).axes[:2]
    assert edges(answered, ERROR) == set()
    assert to_hex(answered.xaxis.label.get_color()) != ERROR


def test_triangles_that_are_not_right_are_in_colour():
    given = pointed([1, 2, 3, 1, 2, 4], right=[1, 2, 3, 1, 3, 4], shape="triangles")
    _, answered = answer_figure(given).axes[:2]
    patches = [patch for patch in answered.patches if isinstance(patch, Polygon)]
    drawn = {}
    for patch in patches:
        corners = [int(np.abs(SQUARE - at).sum(1).argmin()) + 1 for at in patch.get_xy()[:3]]
        drawn[tuple(sorted(corners))] = to_hex(patch.get_edgecolor())
    assert drawn == {(1, 2, 3): READ, (1, 2, 4): ERROR}


@pytest.mark.parametrize("said", [[], [1], [1, 2]])
def test_answers_of_any_length_are_drawn(said):
    for shape in ("polygon", "tour", "triangles", "order"):
        given = pointed(said, shape=shape)
        answer_figure(given)
        assert len(steps_figure(given).axes) >= len(said) + 1


def test_each_step_shows_where_it_looks_and_where_it_goes():
    figure = steps_figure(pointed([1, 3, 2]))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:4] == ["1: point 1, 60%", "2: point 3, 60%", "3: point 2, 60%", "4: end, 60%"]
    (arrow,) = [p for p in figure.axes[1].patches if isinstance(p, FancyArrowPatch)]
    start, end = arrow._posA_posB
    assert np.allclose(start, SQUARE[0])
    assert np.allclose(end, SQUARE[2])
    sizes = figure.axes[1].collections[0].get_sizes()
    assert np.allclose(sizes, 90 * np.array([0.1, 0.1, 0.6, 0.1]))


def test_numbers_are_drawn_step_by_step_and_wrong_ones_marked():
    numbers = np.array([[0.5], [0.2], [0.9]])
    given = pointed([2, 3, 1], right=[2, 1, 3], shape="order", xy=numbers)
    (axes, *_) = answer_figure(given).axes
    assert np.array_equal(axes.images[0].get_array(), given.attention)
    marked = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]
    assert marked == [(1, 1), (3, 2)], "the right pointer, at the steps that missed it"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["end", "0.50", "0.20", "0.90"]


def test_the_page_marks_wrong_pointers():
    recording = point_recording(pointed([1, 3, 2, 4]), label="4")
    assert recording.wrong
    (attention,) = [panel for panel in recording.panels if panel.name == "attention"]
    wrong = attention.data["wrong"][:, 0]
    assert np.argwhere(wrong).tolist() == [[1, 3], [2, 2]]
    assert not point_recording(pointed([1, 2, 3, 4], solved=True), label="4").wrong


def test_scores_stand_at_their_sizes():
    common = {"machine": "pointer-network", "task": "hull", "metric": "solved", "seeds": [0, 1, 2]}
    curves = [[{"sequences": 2000, "solved": 0.5}, {"sequences": 4000, "solved": 0.75}]]
    cells = [
        common | {"test": None, "values": [0, 0, 0], "curves": curves},
        common | {"test": "50", "values": [0.5, 0.9, 0.6], "published": 0.7},
        common | {"test": "5", "values": [1.0, 0.8, 0.9], "published": None},
    ]
    figure = sizes_figure(cells, ylabel="right", titles={"hull": "Hull"}, share=True)
    sizes, learned = [axes for axes in figure.axes if axes.get_xlabel()]
    (line,) = [line for line in sizes.lines if line.get_linestyle() != "None"]
    assert np.stack(line.get_data(), 1).tolist() == [[5, 0.9], [50, 0.6]]
    hollow = sizes.lines[-1]
    assert (list(hollow.get_xdata()), list(hollow.get_ydata())) == ([50], [0.7])
    seeds = [y for mark in sizes.lines[:2] for y in mark.get_ydata()]
    assert sorted(seeds) == [0.5, 0.6, 0.8, 0.9, 0.9, 1.0]
    assert np.stack(learned.lines[0].get_data(), 1).tolist() == [[2, 0.5], [4, 0.75]]


def test_tasks_share_the_panel_of_sizes_and_have_curves_of_their_own():
    def cells_of(task, tests):
        common = {"machine": "pointer-network", "task": task, "metric": "length", "seeds": [0]}
        curve = [{"sequences": 1000, "length": tests["5"]}, {"sequences": 2000, "length": 1.0}]
        yield common | {"test": None, "values": [0], "curves": [curve]}
        for size, value in tests.items():
            yield common | {"test": size, "values": [value], "published": value + 1}

    cells = [*cells_of("tours", {"5": 2.0, "10": 3.0}), *cells_of("five", {"5": 2.5})]
    titles = {"tours": "5 to 20 cities", "five": "5 cities"}
    figure = sizes_figure(cells, ylabel="length", titles=titles)
    sizes, tours, five = [axes for axes in figure.axes if axes.get_xlabel()]
    lines = [line for line in sizes.lines if line.get_linestyle() != "None"]
    drawn = sorted(np.stack(line.get_data(), 1).tolist() for line in lines)
    assert drawn == [[[5, 2.0], [10, 3.0]], [[5, 2.5]]], "a task's line joins its own tests alone"
    hollow = np.stack(sizes.lines[-1].get_data(), 1).tolist()
    assert sorted(hollow) == [[5, 3.0], [5, 3.5], [10, 4.0]]
    assert [axes.get_title(loc="left") for axes in (tours, five)] == [
        "Validation, 5 to 20 cities",
        "Validation, 5 cities",
    ]
    assert list(five.lines[0].get_ydata()) == [2.5, 1.0]
