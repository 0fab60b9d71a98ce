"""Bit images show the bits they were given, and every error."""

import numpy as np
import pytest
import torch
from samples import NAMES, copy_episode, image, line, texts, titled

from tapehead.viewing import Episode, bit_figure, length_figure
from tapehead.viewing.image import group_names, label_channels, row_height
from tapehead.viewing.style import ERROR, new_figure, place

FLIPS = [(0, 3), (2, 7), (2, 1)]


def test_images_are_the_tensors():
    episode = copy_episode(flips=FLIPS)
    figure = bit_figure(episode)
    np.testing.assert_array_equal(image(titled(figure, "Inputs")), episode.inputs)
    for name, values in (("Targets", episode.targets), ("Outputs", episode.outputs)):
        drawn = image(titled(figure, name))
        np.testing.assert_array_equal(drawn[episode.mask], values[episode.mask])
        assert np.isnan(drawn[~episode.mask]).all()


def test_channel_zero_is_on_top_and_the_first_step_is_step_one():
    axes = titled(bit_figure(copy_episode(5)), "Inputs")
    assert axes.images[0].get_extent() == [0.5, 11.5, 8.5, -0.5]
    assert axes.images[0].origin == "upper"


def test_errors_are_marked_where_target_and_output_differ():
    episode = copy_episode(flips=FLIPS)
    figure = bit_figure(episode)
    axes = titled(figure, "Outputs")
    marked = ~np.isnan(image(axes, 1))
    expected = np.zeros_like(marked)
    for step, bit in FLIPS:
        expected[6 + step, bit] = True
    np.testing.assert_array_equal(marked, expected)
    np.testing.assert_array_equal(image(axes, 1)[expected], episode.outputs[expected])
    steps, _ = line(axes, "steps with a wrong bit")
    np.testing.assert_array_equal(steps, [7, 9])  # counted from 1
    assert "3 of 40 bits wrong" in texts(figure)
    assert "wrong bit" in texts(figure)


def test_a_perfect_answer_has_no_mark():
    figure = bit_figure(copy_episode())
    assert len(titled(figure, "Outputs").images) == 1
    assert "all 40 bits right" in texts(figure)
    assert "wrong bit" not in texts(figure)


def test_an_answer_that_leans_to_neither_side_is_wrong_as_in_the_score():
    from tapehead.tasks import TASKS

    task = TASKS["copy"]()
    batch = task.batch(torch.Generator().manual_seed(1), 1)
    logits = torch.randn(batch.targets.shape).round()  # many exact zeros
    episode = Episode(
        inputs=batch.inputs.x[0],
        targets=batch.targets[0],
        outputs=logits[0].double().sigmoid(),
        mask=batch.mask[0],
    )
    assert episode.wrong.sum() == task.scores(logits, batch)["bit_errors"].item()
    assert (logits == 0)[batch.mask].any()


def test_names_stand_on_the_axis():
    figure = bit_figure(copy_episode())
    axes = titled(figure, "Inputs")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bits 1–8", "delimiter"]
    assert axes.get_yticks().tolist() == pytest.approx([3.5, 8], abs=0.6)
    assert titled(figure, "Outputs").get_xlabel() == "time (steps)"


def test_where_not_all_names_fit_some_stand_at_their_channels():
    names = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(120)]
    axes = place(new_figure(80, 60), 10, 5, 60, 40)
    label_channels(axes, names)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    shown = list(zip(labels, axes.get_yticks(), strict=True))
    assert 10 < len(shown) < 20
    assert all(names[round(at)] == label and at == round(at) for label, at in shown)


def test_group_names():
    assert group_names(NAMES) == [(0, 7, "bits 1–8"), (8, 8, "delimiter")]
    assert group_names(["bit 1", "bit 3", "end"]) == [
        (0, 0, "bit 1"),
        (1, 1, "bit 3"),
        (2, 2, "end"),
    ]
    assert group_names(["x", "x", "7"]) == [(0, 0, "x"), (1, 1, "x"), (2, 2, "7")]


def test_rows_make_room_for_their_labels():
    assert row_height(["bit"], 0.5) == 3.0
    assert row_height(NAMES, 20.0) == 20.0
    assert row_height(["a", "b", "c", "d"], 2.0) > 8.0


LENGTHS = {"10": copy_episode(10), "20": copy_episode(20), "30": copy_episode(30, FLIPS),
           "50": copy_episode(50), "120": copy_episode(120, [(5, 5)])}  # fmt: skip


def test_lengths_lie_as_in_the_paper():
    """10, 20, 30 and 50 on one line, 120 below; every cell of one size."""
    figure = length_figure(LENGTHS)
    panels = [titled(figure, label) for label in LENGTHS]
    tops = [round(axes.get_position().y1, 6) for axes in panels]
    assert len(set(tops[:4])) == 1
    assert tops[4] < tops[3]
    cells = [
        axes.get_position().width / len(episode.answer().targets)
        for axes, episode in zip(panels, LENGTHS.values(), strict=True)
    ]
    np.testing.assert_allclose(cells, cells[0])
    assert panels[4].get_position().width > 0.85


def test_lengths_show_the_answers_alone():
    figure = length_figure(LENGTHS)
    for label, episode in LENGTHS.items():
        upper = titled(figure, label)
        lower = figure.axes[figure.axes.index(upper) + 1]
        np.testing.assert_array_equal(image(upper), episode.targets[episode.mask])
        np.testing.assert_array_equal(image(lower), episode.outputs[episode.mask])
        marked = ~np.isnan(image(lower, 1)) if len(lower.images) > 1 else 0
        assert np.sum(marked) == episode.wrong.sum()
    words = texts(figure)
    assert words.count("no error") == 3
    assert {"3 wrong", "1 wrong", "Targets", "Outputs", "bits 1–8"} <= set(words)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_steps_are_whole_numbers_however_few(steps):
    episode = copy_episode(steps)
    figure = length_figure({"one": episode, "other": episode})
    lower = figure.axes[figure.axes.index(titled(figure, "one")) + 1]
    low, high = lower.get_xlim()
    ticks = [tick for tick in lower.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)


def test_wrong_is_said_in_the_colour_of_errors():
    figure = length_figure({"5": copy_episode(5, FLIPS)})
    (note,) = [text for text in figure.findobj(lambda a: hasattr(a, "get_text"))
               if text.get_text() == "3 wrong"]  # fmt: skip
    assert note.get_color() == ERROR


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": np.full((11, 8), 1.5)}, "probabilities in"),
        ({"outputs": np.full((11, 8), np.nan)}, "probabilities in"),
        ({"outputs": np.zeros((11, 7))}, "outputs must have the targets' shape"),
        ({"targets": np.zeros((9, 8)), "outputs": np.zeros((9, 8))}, "as many steps"),
        ({"inputs": np.zeros(11)}, r"inputs must be \(time, channels\)"),
        ({"output_names": ["bit 1"]}, "output_names must hold 8 names"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message):
    whole = copy_episode()
    fields = {name: getattr(whole, name) for name in ("inputs", "targets", "outputs", "mask")}
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        Episode(**(fields | change))
    assert "\n" not in str(caught.value)


def test_no_episodes():
    with pytest.raises(ValueError, match="at least one sequence"):
        length_figure({})
