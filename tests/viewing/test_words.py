"""Answers in words: what is written is what was asked and answered."""

import numpy as np
import pytest
import torch

from tapehead.tasks import make_task
from tapehead.viewing.episode import Episode
from tapehead.viewing.problems import episode_of
from tapehead.viewing.words import word_figure

TASK = make_task("traversal", min_nodes=4, max_nodes=5, max_degree=3, min_length=2, max_length=2)


def episode(wrong_steps):
    batch = TASK.batch(torch.Generator().manual_seed(0), 1)
    outputs = TASK.oracle(batch)
    for step in wrong_steps:
        at = batch.mask[0].nonzero()[step, 0]
        outputs[0, at] = outputs[0, at].view(9, 10).roll(1, -1).flatten()  # every digit + 1
    return episode_of(TASK, outputs, batch)


def texts(figure, title):
    (axes,) = (axes for axes in figure.axes if axes.get_title("left") == title)
    return [(text.get_text(), text.get_color()) for text in axes.texts if text.get_text().isdigit()]


@pytest.mark.parametrize("wrong", [[], [0], [0, 2]])
def test_words_stand_where_they_were_said(wrong):
    drawn = episode(wrong)
    assert drawn.verdict == (f"{len(wrong)} of 3 steps wrong" if wrong else "all 3 steps right")
    figure = word_figure(drawn)
    asked, said = texts(figure, "Asked"), texts(figure, "Answered")
    assert [word for word, _ in asked] == [word for step in drawn.asked for word in step]
    assert [word for word, _ in said] == [word for step in drawn.said for word in step]
    assert drawn.asked[-1] == ("999", "999", "999")
    off = {number // 3 for number, (_, colour) in enumerate(said) if colour != asked[0][1]}
    assert off == set(wrong)
    notes = [text.get_text() for axes in figure.axes for text in axes.texts]
    notes += [axes.get_title("right") for axes in figure.axes]
    assert drawn.verdict in notes


def test_probabilities_are_those_of_the_softmaxes():
    drawn = episode([1])
    sums = drawn.outputs[drawn.mask].reshape(3, 9, 10).sum(-1)
    assert abs(sums - 1).max() < 1e-6
    assert drawn.wrong[drawn.mask].any(axis=1).tolist() == [False, True, False]


def test_an_episode_in_which_nothing_is_counted_has_no_verdict():
    images = {"inputs": [[1.0]], "targets": [[1.0]], "outputs": [[0.2]]}
    arrays = {name: np.array(image) for name, image in images.items()}
    assert Episode(**arrays).verdict == "1 of 1 bits wrong"
    assert Episode(**arrays, unit="").verdict == ""


def of_words(count, steps=4):
    """An episode of one-hot words; two of its steps ask, for words 5 and 7."""
    names = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(count)]
    inputs, targets = np.eye(count)[[0, 30, 2, 0]], np.zeros((steps, count))
    targets[[1, 3], [5, 7]] = 1.0
    outputs = np.full((steps, count), 0.5 / count)
    outputs[1, 5], outputs[3, 33] = 0.4, 0.6
    return Episode(
        inputs=inputs, targets=targets, outputs=outputs, mask=np.array([0, 1, 0, 1]),
        input_names=names, output_names=names, unit="words", channelwise=False,
        part="word", words=("answer",),
        asked=[("af",), ("ah",)], said=[("af",), ("bh",)],
    )  # fmt: skip


def test_of_many_words_those_are_shown_that_were_told_asked_for_or_likely():
    drawn = of_words(40)
    shown = drawn.notable(3)
    assert shown.input_names == ["aa", "ac", "be"]
    assert np.array_equal(shown.inputs, np.eye(3)[[0, 2, 1, 0]])
    assert shown.output_names == ["af", "ah", "bh"]
    assert np.array_equal(shown.outputs, drawn.outputs[:, [5, 7, 33]])
    assert np.array_equal(shown.targets, drawn.targets[:, [5, 7, 33]])
    assert np.array_equal(shown.wrong, drawn.wrong[:, [5, 7, 33]])
    assert drawn.notable(40).input_names == drawn.input_names
    titles = [axes.get_title("left") for axes in word_figure(drawn).axes]
    assert "Probability of each word, the likeliest 24 of 40" in titles


def test_graphs_keep_all_their_digits():
    drawn = episode([])
    assert drawn.notable(24).outputs.shape == drawn.outputs.shape
