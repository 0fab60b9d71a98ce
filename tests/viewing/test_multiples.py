"""More contestants than one panel can hold have a panel each, with the others behind."""

import numpy as np
import pytest
from samples import ERRORS, MACHINES, band, line, texts

from tapehead.viewing import compare, generalisation, learning_curves
from tapehead.viewing.multiples import MOST_TOGETHER
from tapehead.viewing.races import Panel, race_figure
from tapehead.viewing.seeds import Seed
from tapehead.viewing.style import machine_styles

FIRST = next(iter(MACHINES))
MANY = MACHINES | {f"{FIRST}, no {number}": MACHINES[FIRST] for number in range(5)}
MANY_ERRORS = {name: ERRORS[name if name in ERRORS else FIRST] for name in MANY}


def panels(figure):
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def test_each_has_a_panel_with_its_own_numbers_and_the_medians_of_the_others():
    figure = generalisation(MANY_ERRORS)
    found = dict(zip(MANY_ERRORS, panels(figure), strict=True))
    for name, axes in found.items():
        medians = {n: [np.median(v) for v in MANY_ERRORS[n].values()] for n in MANY_ERRORS}
        np.testing.assert_allclose(line(axes, name)[1], medians[name])
        _, low, high = band(axes, f"{name} range")
        np.testing.assert_allclose(low, [min(v) for v in MANY_ERRORS[name].values()])
        np.testing.assert_allclose(high, [max(v) for v in MANY_ERRORS[name].values()])
        bands = [part for part in axes.collections if "range" in str(part.get_label())]
        assert len(bands) == 1
        for other in set(MANY_ERRORS) - {name}:
            np.testing.assert_allclose(line(axes, f"{other} behind")[1], medians[other])
    assert [axes.get_title(loc="left") for axes in found.values()] == [
        style.label for style in machine_styles(MANY_ERRORS).values()
    ]


def test_panels_of_a_block_share_their_axes_and_only_the_outer_ones_are_labelled():
    figure = compare(MANY, MANY_ERRORS, trained=(1, 20), title="Copy")
    both = panels(figure)
    assert len(both) == 2 * len(MANY)
    for block in (both[: len(MANY)], both[len(MANY) :]):
        assert len({axes.get_xlim() for axes in block}) == 1
        assert len({axes.get_ylim() for axes in block}) == 1
        places = [axes.get_position() for axes in block]
        left, low = min(p.x0 for p in places), [p.x0 for p in places]
        for axes, place in zip(block, places, strict=True):
            below = [p for p in places if p.x0 == place.x0 and p.y0 < place.y0]
            assert bool(axes.get_xlabel()) == (not below)
            labelled = axes.yaxis.get_tick_params()["labelleft"]
            assert labelled == (place.x0 == left)
        assert low.count(left) > 1  # in several rows
    assert {"Copy", "a", "b"} <= set(texts(figure))
    assert sum("wrong" in text or "cost" in text for text in texts(figure)) == 2


def test_seeds_that_solved_the_task_are_counted_and_marked_in_their_own_panel():
    rows = [{"kind": "train", "sequences": 1000 * n, "bits": 8.0 / n} for n in (1, 2, 4)]
    machines = {f"m{n}": [Seed(rows=rows, solved_at=4000 if n else None)] for n in range(6)}
    figure = learning_curves(machines, published={"m1": 2.0})
    first, second, *_ = panels(figure)
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["m0: 0 of 1", "m1: 1 of 1"]
    for word in ("solved", "published"):
        marks = [[a for a in axes.lines if word in a.get_label()] for axes in (first, second)]
        assert [len(found) for found in marks] == [0, 1]
        assert marks[1][0].get_label() == f"m1 {word}"
        assert marks[1][0].get_ydata().tolist() == [2.0]


def test_five_still_stand_in_one_panel():
    five = {name: MANY_ERRORS[name] for name in list(MANY)[:MOST_TOGETHER]}
    (axes,) = [axes for axes in generalisation(five).axes if axes.get_xlabel()]
    for name in five:
        np.testing.assert_allclose(line(axes, name)[1], [np.median(v) for v in five[name].values()])


def test_a_race_of_many_has_a_block_for_each_panel_and_column():
    rows = [{"kind": "check", "sequences": 1000.0 * n, "errors": 9.0 - n} for n in (1, 2, 3)]
    names = [f"m{number}" for number in range(6)]
    race = {name: [Seed(rows=rows)] for name in names}
    race["m5"] = [Seed(rows=[row | {"errors": 1.0} for row in rows])]
    panel = Panel("errors", "sequences", "wrong bits")
    figure = race_figure({"Copy": race}, [panel], machine_styles(names))
    found = panels(figure)
    assert [axes.get_title(loc="left") for axes in found] == names
    assert line(found[0], "m5 behind")[1].tolist() == [1.0, 1.0, 1.0]
    thick = [a for a in found[0].lines if a.get_linewidth() == pytest.approx(1.1)]
    assert [a.get_ydata().tolist() for a in thick] == [[8.0, 7.0, 6.0]]
    assert "Copy" in texts(figure)
