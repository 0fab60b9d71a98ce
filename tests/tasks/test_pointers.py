"""Pointers as an answer: costs, errors, and what is said, each worked out one step at a time."""

import math

import pytest
import torch

from tapehead.forms import Points
from tapehead.tasks import Batch
from tapehead.tasks.pointers import Pointer

ANSWER = Pointer(("end", "point 1", "point 2", "point 3"))
TARGETS = torch.tensor([[2, 1, 0, 0], [3, 0, 0, 0]])
MASK = torch.tensor([[True, True, True, False], [True, True, False, False]])
BATCH = Batch(Points(torch.rand(2, 3, 2)), TARGETS, MASK)


def outputs():
    return torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))


def test_costs_are_those_of_the_right_pointers():
    says = outputs()
    says[~MASK] = math.nan  # nothing is asked there
    costs = ANSWER.costs(says, BATCH)
    for row, step in MASK.nonzero().tolist():
        chance = says[row, step].softmax(-1)[TARGETS[row, step]]
        assert costs[row, step, 0].item() == pytest.approx(-math.log(chance))
    assert (costs[~MASK] == 0).all()
    assert ANSWER.loss(says, BATCH).item() == pytest.approx(costs.sum().item() / 5)
    bits = ANSWER.scores(says, BATCH)["bits"]
    torch.testing.assert_close(bits, costs.sum((1, 2)) / math.log(2))


def test_channels_of_points_that_are_not_there_cost_nothing():
    says = outputs()
    says[1, :, 2] = -math.inf
    assert torch.isfinite(ANSWER.loss(says, BATCH))
    says.requires_grad_()
    ANSWER.loss(says, BATCH).backward()
    assert torch.isfinite(says.grad).all()


def test_errors_count_ties_and_nan_as_wrong():
    says = torch.full((2, 4, 4), -1.0)
    for row, step in MASK.nonzero().tolist():
        says[row, step, TARGETS[row, step]] = 1.0
    assert not ANSWER.errors(says, BATCH).any()
    says[0, 1, 3] = 1.0  # a tie
    says[1, 0] = math.nan
    says[0, 3] = math.nan  # not asked
    wrong = ANSWER.errors(says, BATCH)[..., 0]
    assert wrong.nonzero().tolist() == [[0, 1], [1, 0]]
    scores = ANSWER.scores(says, BATCH)
    assert scores["pointer_errors"].tolist() == [1, 1]
    assert not scores["solved"].any()


def test_nothing_is_said_after_the_end():
    says = torch.nn.functional.one_hot(torch.tensor([[1, 0, 3, 2], [2, 2, 1, 1]]), 4).float()
    assert ANSWER.said(says, BATCH).tolist() == [[1, 0, 0, 0], [2, 2, 0, 0]]
