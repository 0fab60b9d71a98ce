"""Errors of a machine with several memories."""

import numpy as np

from tapehead.viewing.memories import memories_figure

ERRORS = {
    "128 rows": {200: [700, 650, 710], 20: [0, 0, 5]},
    "640 rows": {20: [0, 60, 0.5], 200: [0, 690, 2]},
}


def test_each_memory_has_a_panel_with_every_seed_and_their_median():
    figure = memories_figure({"": ERRORS}, trained=(1, 20), title="Copy")
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == list(ERRORS)
    for name, axes in panels.items():
        middle, *seeds = axes.lines
        assert middle.get_xdata().tolist() == [20, 200]
        wanted = [ERRORS[name][length] for length in (20, 200)]
        assert middle.get_ydata().tolist() == np.median(wanted, 1).tolist()
        assert [line.get_ydata().tolist() for line in seeds] == np.transpose(wanted).tolist()
        assert middle.get_linewidth() > seeds[0].get_linewidth()
        assert axes.get_yscale() == "symlog"
    low, high = panels["128 rows"].get_ylim()
    assert low == 0
    assert high > 710
    assert panels["640 rows"].get_ylim() == (low, high)
    texts = [text.get_text() for text in figure.texts]
    assert "Copy" in texts
    assert any("median of 3 seeds" in text and "shaded" in text for text in texts)


def test_machines_stand_below_each_other_with_what_they_are():
    other = {name: {20: [1, 1], 200: [9, 7]} for name in ERRORS}
    figure = memories_figure({"trained with 24 rows": other, "trained with 128 rows": ERRORS})
    assert [axes.get_title(loc="left") for axes in figure.axes] == 2 * list(ERRORS)
    first, _, third, _ = figure.axes
    assert first.lines[0].get_ydata().tolist() == [1, 8]
    assert third.lines[0].get_ydata().tolist() == [0, 700]
    assert {"trained with 24 rows", "trained with 128 rows"} <= {t.get_text() for t in figure.texts}
