"""Memory use and heads: what is drawn is what was traced."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import copy_episode, copy_trace, image, line, texts, titled

from tapehead.viewing import heads_figure, memory_figure
from tapehead.viewing.memory import label_rows, used_rows
from tapehead.viewing.style import new_figure, place
from tapehead.viewing.traces import has_tensors, tensor_of


def bands(figure, title, count):
    """The panel of a title and those of the other heads below it."""
    first = figure.axes.index(titled(figure, title))
    return figure.axes[first : first + count]


@pytest.mark.parametrize(("writes", "reads", "start"), [(1, 1, 4), (2, 3, 28)])
def test_every_panel_is_its_tensor(writes, reads, start):
    trace = copy_trace(5, writes=writes, reads=reads, start=start)
    trace["write_weights"][1] = 0.5  # the other sequence must not matter
    episode = copy_episode(5)
    figure = memory_figure(episode, trace)
    rows = used_rows(trace["write_weights"][0].numpy(), trace["read_weights"][0].numpy())
    assert 7 <= len(rows) < 12  # six rows written, and their neighbours
    for title, name, heads in (
        ("Write weightings", "write_weights", writes),
        ("Read weightings", "read_weights", reads),
    ):
        for head, axes in enumerate(bands(figure, title, heads)):
            np.testing.assert_array_equal(image(axes), trace[name][0, :, head, rows])
    for title, name, heads in (("Adds", "add", writes), ("Reads", "reads", reads)):
        for head, axes in enumerate(bands(figure, title, heads)):
            np.testing.assert_array_equal(image(axes), trace[name][0, :, head])
    np.testing.assert_array_equal(image(titled(figure, "Inputs")), episode.inputs)


def test_the_element_asked_for_is_drawn():
    trace = copy_trace(5)
    trace["add"][1] = -0.25
    axes = titled(memory_figure(copy_episode(5), trace, element=1), "Adds")
    assert (image(axes) == -0.25).all()


def test_adds_and_reads_share_a_scale_with_white_at_zero():
    trace = copy_trace(5)
    trace["reads"] *= 3
    figure = memory_figure(copy_episode(5), trace)
    largest = trace["reads"][0].abs().max().item()
    for title in ("Adds", "Reads"):
        assert titled(figure, title).images[0].get_clim() == pytest.approx((-largest, largest))
    assert f"adds, reads −{largest:.2g} to {largest:.2g}" in texts(figure)
    assert titled(figure, "Read weightings").images[0].get_clim() == (-1, 1)


def test_rows_are_named_by_their_number_around_the_ring():
    figure = memory_figure(copy_episode(5), copy_trace(5, rows=32, start=29))
    axes = titled(figure, "Write weightings")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    rows = [28, 29, 30, 31, 0, 1, 2, 3]
    shown = [str(rows[round(position)]) for position in axes.get_yticks()]
    assert labels == shown
    assert "0" in labels


def test_a_time_axis_for_all_and_the_answer_marked():
    figure = memory_figure(copy_episode(5), copy_trace(5))
    for title in ("Inputs", "Outputs", "Adds", "Reads", "Write weightings", "Read weightings"):
        axes = titled(figure, title)
        assert axes.get_xlim() == (0.5, 11.5)
        assert any(np.all(np.asarray(x.get_xdata()) == 6.5) for x in axes.lines)
    for title in ("Write weightings", "Read weightings"):
        assert titled(figure, title).get_xlabel() == "time (steps)"


def test_steps_past_the_episode_are_left_out():
    figure = memory_figure(copy_episode(3), copy_trace(5))
    assert image(titled(figure, "Adds")).shape == (7, 6)


@given(
    st.lists(st.integers(0, 19), unique=True, min_size=1),
    st.integers(0, 19),
)
def test_used_rows_are_kept_in_ring_order_and_move_with_the_ring(used, shift):
    weights = np.zeros((3, 1, 20))
    weights[1, 0, used] = 0.5
    rows = used_rows(weights)
    assert set(used) <= set(rows.tolist())
    wanted = {(row + step) % 20 for row in used for step in (-1, 0, 1)}
    assert set(rows.tolist()) == wanted
    assert len(set(rows.tolist())) == len(rows)
    # Around the ring once at most, and no gap as long as the one left out.
    steps = [(after - before) % 20 for before, after in pairwise(rows.tolist())]
    assert sum(steps) < 20
    assert max(steps, default=0) <= (rows[0] - rows[-1]) % 20 or len(rows) == 20
    moved = used_rows(np.roll(weights, shift, axis=2))
    assert set(moved.tolist()) == {(row + shift) % 20 for row in wanted}


def test_diffuse_weightings_keep_all_rows():
    assert used_rows(np.full((4, 2, 16), 1 / 16)).tolist() == list(range(16))


def test_left_out_rows_show_as_a_line():
    weights = torch.zeros(1, 11, 1, 32)
    weights[..., 3], weights[..., 20] = 0.5, 0.5
    trace = copy_trace(5, batch=1) | {"write_weights": weights, "read_weights": weights}
    axes = titled(memory_figure(copy_episode(5), trace), "Write weightings")
    # Rows 19, 20, 21 and 2, 3, 4, in that order: more is left out after 4 than after 21.
    breaks = [x.get_ydata()[0] for x in axes.lines if len(set(x.get_ydata())) == 1]
    assert breaks == [2.5]
    np.testing.assert_array_equal(image(axes), weights[0, :, 0, [19, 20, 21, 2, 3, 4]])


def test_rows_are_numbered_roundly_and_where_they_go_on():
    axes = place(new_figure(50, 60), 10, 10, 30, 40)
    rows = np.array([*range(103, 128), *range(8), *range(47, 53)])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    label_rows(axes, rows, 40)
    shown = {int(t): label.get_text() for t, label in zip(axes.get_yticks(), axes.get_yticklabels(),
                                                          strict=True)}  # fmt: skip
    assert shown == {p: str(rows[p]) for p in shown}
    assert [int(text) for text in shown.values()] == [105, 110, 115, 120, 125, 0, 5, 47, 50]


def test_heads_are_drawn_as_traced():
    trace = copy_trace(5, writes=2, reads=3)
    figure = heads_figure(trace, answer_starts=6)
    for kind, heads in (("writing", [3, 4]), ("reading", [0, 1, 2])):
        gate = titled(figure, f"Gate, {kind}")
        column = [a for a in figure.axes if a.get_position().x0 == gate.get_position().x0]
        lines = dict(zip(("gate", "strength", "sharpening"), column, strict=False))
        for name, axes in lines.items():
            for order, head in enumerate(heads):
                x, y = line(axes, str(order + 1))
                np.testing.assert_array_equal(x, np.arange(1, 12))
                np.testing.assert_array_equal(y, trace[name][0, :, head].numpy())
                low, high = axes.get_ylim()
                assert low < y.min() <= y.max() < high
        for head, axes in zip(heads, column[3:], strict=True):
            np.testing.assert_array_equal(image(axes), trace["shift"][0, :, head])
            labels = [label.get_text() for label in axes.get_yticklabels()]
            assert labels == ["−1", "0", "+1"]


def test_a_trace_without_memory_says_so():
    trace = {"hidden": torch.zeros(1, 11, 4)}
    assert not has_tensors(trace, "hidden", "read_weights")
    assert has_tensors(trace, "hidden")
    with pytest.raises(ValueError, match="no 'write_weights'"):
        memory_figure(copy_episode(5), trace)
    with pytest.raises(ValueError, match="no 'gate'"):
        heads_figure(trace)


def test_traces_of_machines_and_mappings_read_alike():
    from tapehead.machines.machine import Trace

    tensors = copy_trace(5)
    trace = Trace(torch.zeros(2, 11, 8), (), tensors)
    np.testing.assert_array_equal(tensor_of(trace, "add", 1), tensors["add"][1])
    assert not has_tensors(trace, "nonsense")


def test_too_short_a_trace_is_refused():
    with pytest.raises(ValueError, match="must have 13 steps as the episode has, got 11"):
        memory_figure(copy_episode(6), copy_trace(5))
