"""Figures of the studies: lines, marks and bars stand where the cells say."""

import numpy as np
import pytest

from tapehead.viewing.races import estimator_figure, task_figure
from tapehead.viewing.success import success_figure


def cell(machine, curves, solved, task="copy", **more):
    return {
        "machine": machine,
        "task": task,
        "curves": curves,
        "sequences": [rows[-1]["sequences"] for rows in curves],
        "solved_by_seed": solved,
        "solved": sum(solved),
        "seeds": list(range(len(solved))),
        "success_rate": sum(solved) / len(solved),
        **more,
    }


def curve(*errors):
    return [
        {"sequences": 1000 * number, "seconds": 2.0 * number, "bit_errors": error}
        for number, error in enumerate(errors, start=1)
    ]


def probed(*variances):
    return [
        {"sequences": 800 * number, "log_variance": variance}
        for number, variance in enumerate(variances, start=1)
    ]


REINFORCE = cell(
    "discrete-ntm reinforce", [curve(8.0, 4.0, 2.0), curve(8.0, 0.0), curve(9.0, 6.0, 6.0)],
    [False, True, False], soft_until=0,
    variances=[probed(-3.0, -4.0, -5.0), probed(-9.0, -50.0), probed(-1.0, -2.0)],
)  # fmt: skip
SOFT = cell("ntm soft", [curve(3.0, 1.0)], [False], variances=[[]])


def medians(axes):
    """Thick lines from the first check on; marks have one point, seeds are thin."""
    return [
        line
        for line in axes.lines
        if line.get_linewidth() == pytest.approx(1.1) and line.get_marker() == "None"
    ]


def test_estimators_race_over_sequences_and_time():
    titles = {"discrete-ntm": "One row at a time", "dynamic-ntm": "Nobody ran this one"}
    figure = estimator_figure([REINFORCE, SOFT], titles, "ntm soft")
    error, time, variance, _ = figure.axes
    assert error.get_title(loc="left") == "One row at a time"
    middle, soft = medians(error)
    assert middle.get_xdata().tolist() == [1.0, 2.0, 3.0]
    # A seed that was done keeps its last value; none wrong at all stands on the floor.
    assert middle.get_ydata().tolist() == [8.0, 4.0, 2.0]
    assert soft.get_ydata().tolist() == [3.0, 1.0]
    marks = [line for line in error.lines if line.get_marker() == "s"]
    assert [mark.get_xydata().tolist() for mark in marks] == [[[2.0, 0.01]]]
    assert medians(time)[0].get_xdata().tolist() == [2.0, 4.0, 6.0]
    # The soft machine makes no choice whose gradient could vary, and is not asked.
    (middle,) = medians(variance)
    assert middle.get_xdata().tolist() == pytest.approx([0.8, 1.6, 2.4])
    # The second seed keeps its last value: choices so sure that nothing varies stand on the floor.
    assert middle.get_ydata().tolist() == [-3.0, -4.0, -5.0]


def test_the_soft_machine_alone_is_drawn_too():
    figure = estimator_figure([SOFT], {"discrete-ntm": "One row at a time"}, "ntm soft")
    error, *_ = figure.axes
    assert error.get_title(loc="left") == "soft NTM"
    assert medians(error)[0].get_ydata().tolist() == [3.0, 1.0]


def test_cells_without_the_variance_leave_its_panel_empty():
    """Those of results from before it was measured apart."""
    (bare,) = ({name: part for name, part in c.items() if name != "variances"} for c in [REINFORCE])
    figure = estimator_figure([bare], {"discrete-ntm": "One row at a time"}, "ntm soft")
    error, _, variance, _ = figure.axes
    assert medians(error)
    assert not variance.lines


def test_the_soft_part_of_an_annealed_race_is_shaded():
    annealed = REINFORCE | {"machine": "annealed discrete-ntm reinforce", "soft_until": 2000}
    titles = {"discrete-ntm": "at once", "annealed discrete-ntm": "annealed"}
    figure = estimator_figure([REINFORCE, annealed, SOFT], titles, "ntm soft")
    shades = {
        (axes.get_xlabel(), patch.get_x(), patch.get_width())
        for axes in figure.axes
        for patch in axes.patches
    }
    assert shades == {("sequences seen (thousands)", 0.0, 2.0)}


def test_of_many_seeds_it_shows_how_many_are_done():
    curves = [curve(8.0, 0.0), curve(8.0, 4.0, 0.0)] + [curve(9.0, 8.0, 7.0, 6.0)] * 8
    probes = [probed(float(-n), float(-2 * n)) for n in range(10)]
    many = cell(
        "discrete-ntm rebar", curves, [True, True] + [False] * 8, variances=probes, soft_until=0
    )
    soft = cell("ntm soft", [curve(3.0, 1.0)] * 10, [True] + [False] * 9, variances=[[]] * 10)
    figure = estimator_figure([many, soft], {"discrete-ntm": "One row at a time"}, "ntm soft")
    share, time, variance, legend = figure.axes
    done, soft_done = share.lines
    assert done.get_drawstyle() == "steps-post"
    assert done.get_xdata().tolist() == [0.0, 2.0, 3.0, 4.0]
    assert done.get_ydata().tolist() == [0.0, 10.0, 20.0, 20.0]
    assert soft_done.get_ydata().tolist() == [0.0, 10.0, 10.0]
    assert time.lines[0].get_xdata().tolist() == [0.0, 4.0, 6.0, 8.0]
    assert share.get_ylabel() == "seeds that solved it (%)"
    assert share.get_ylim() == (0, 100)
    # A band from the first quartile to the third, and no seed by itself.
    (middle,) = variance.lines
    assert middle.get_ydata().tolist() == [-4.5, -9.0]
    (band,) = variance.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (-13.5, -2.25)
    assert all(line.get_marker() == "None" for line in [*share.lines, *legend.lines])


def test_a_column_for_each_task():
    cells = [
        cell("tardis reinforce", [curve(5.0, 2.0)], [False]),
        cell("lstm", [curve(6.0, 5.0)], [False], task="associative-recall"),
    ]
    titles = {"copy": "Copy", "associative-recall": "Associative recall"}
    figure = task_figure(cells, titles)
    assert [axes.get_title(loc="left") for axes in figure.axes[:4]] == [
        "Copy", "", "Associative recall", "",
    ]  # fmt: skip
    said = {text.get_text() for text in figure.axes[-1].texts}
    assert said == {"TARDIS, REINFORCE", "LSTM"}
    limits = [axes.get_ylim() for axes in figure.axes[:4]]
    assert limits[0] == limits[2]


def test_bars_are_shares_of_seeds_and_open_marks_what_was_published():
    cells = [
        cell("rl-ntm-direct", [curve(0.0)] * 4, [True, True, True, False], published=1.0),
        cell("rl-ntm-lstm", [curve(0.0)] * 4, [False] * 4, published=0.0),
    ]
    figure = success_figure(cells, {"copy": "Copy", "reverse": "Reverse"})
    share, soon = figure.axes[:2]
    assert [bar.get_width() for bar in share.patches[:2]] == [0.75, 0.0]
    assert [line.get_xdata()[0] for line in share.lines] == [1.0, 0.0]
    assert {text.get_text() for text in share.texts} >= {"3 of 4", "0 of 4"}
    assert [len(line.get_xdata()) for line in soon.lines] == [3, 0]
    assert {text.get_text() for text in soon.texts} >= {"× 1", "× 4"}
    assert [label.get_text() for label in share.get_yticklabels()] == ["Copy"]
    heights = [bar.get_y() for bar in share.patches[:2]]
    assert np.diff(heights) > 0
