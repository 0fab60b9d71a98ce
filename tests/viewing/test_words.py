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
