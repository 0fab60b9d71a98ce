"""Costs, errors and words of answers, against sums done by hand."""

import math

import pytest
import torch

from tapehead.forms import Sequence
from tapehead.tasks import Batch, make_task
from tapehead.tasks.answers import Bits, Symbols

SYMBOLS = Symbols(["one a", "one b", "one c", "two a", "two b", "two c"], 2, ("word",))


def batch_of(targets, mask):
    targets, mask = torch.tensor(targets), torch.tensor(mask)
    return Batch(Sequence(torch.zeros(*mask.shape, 1), mask.sum(1) + 1), targets.float(), mask)


SPOKEN = batch_of([[[0.0] * 6, [1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1]]], [[False, True, True]])


def test_symbols_cost_their_cross_entropy():
    outputs = torch.tensor([[[9.0] * 6, [1, 2, 3, 0, 0, 1], [0, 5, 0, 5, 0, 0]]])
    costs = SYMBOLS.costs(outputs, SPOKEN)

    def cost(logits, meant):
        return math.log(sum(map(math.exp, logits))) - logits[meant]

    wanted = [
        [0.0, 0.0],
        [cost([1, 2, 3], 0), cost([0, 0, 1], 2)],
        [cost([0, 5, 0], 1), cost([5, 0, 0], 2)],
    ]
    torch.testing.assert_close(costs[0], torch.tensor(wanted))
    total = sum(map(sum, wanted))
    assert float(SYMBOLS.loss(outputs, SPOKEN)) == pytest.approx(total / 4)
    assert float(SYMBOLS.bits(outputs, SPOKEN)) == pytest.approx(total / math.log(2))
    assert float(SYMBOLS.step_costs(outputs, SPOKEN).sum(1).mean()) == pytest.approx(total / 4)
    scores = SYMBOLS.scores(outputs, SPOKEN)
    assert {name: value.item() for name, value in scores.items() if name != "bits"} == {
        "step_errors": 2.0, "digit_errors": 2.0, "solved": False,
    }  # fmt: skip
    assert [metric.name for metric in SYMBOLS.metrics] == list(scores)
    assert SYMBOLS.errors(outputs, SPOKEN)[0].tolist() == [
        [False, False], [True, False], [False, True],
    ]  # fmt: skip
    wrong = SYMBOLS.wrong_channels(outputs, SPOKEN)[0, 1].tolist()
    assert wrong == [True, True, True, False, False, False]


def test_symbols_are_drawn_by_their_softmaxes_and_read_as_words():
    outputs = torch.tensor([[[9.0] * 6, [1, 2, 3, 0, 0, 1], [0, 5, 0, 5, 0, 0]]])
    chances = SYMBOLS.probabilities(outputs)
    torch.testing.assert_close(chances.unflatten(-1, (2, 3)).sum(-1), torch.ones(1, 3, 2))
    torch.testing.assert_close(chances[0, 1, :3], torch.tensor([1.0, 2, 3]).softmax(0))
    assert SYMBOLS.spelled(SPOKEN.targets[0, 1:]) == [("ac",), ("bc",)]
    assert SYMBOLS.spelled(SYMBOLS.said(outputs, SPOKEN)[0, 1:]) == [("cc",), ("ba",)]


@pytest.mark.parametrize("nothing", [0.0, math.nan])
def test_a_tie_or_nan_is_wrong(nothing):
    silent = torch.full((1, 3, 6), nothing)
    assert SYMBOLS.scores(silent, SPOKEN)["digit_errors"].item() == 4
    bits = Bits(["bit 1", "bit 2"])
    batch = batch_of([[[0.0, 0.0], [1.0, 0.0]]], [[False, True]])
    assert bits.scores(silent[:, :2, :2], batch)["bit_errors"].item() == 2


def test_a_walker_without_words_wastes_its_steps():
    """NaN is no choice: it must not pass for the first edge, which may be right."""
    sizes = {"min_nodes": 5, "max_nodes": 6, "max_degree": 3, "max_length": 2}
    task = make_task("shortest-path", planning_steps=1, **sizes)
    batch = task.batch(torch.Generator().manual_seed(0), 8)
    scores = task.scores(torch.full_like(batch.targets, math.nan), batch)
    assert not scores["solved"].any()
    assert torch.equal(scores["step_errors"], batch.mask.sum(1).float())
    right = task.scores(task.oracle(batch), batch)
    assert right["solved"].all()
    assert not right["step_errors"].any()
    costs = task.step_costs(task.oracle(batch) / 100, batch)
    assert not costs[~batch.mask].any()
    torch.testing.assert_close(costs.sum(1).mean(), task.loss(task.oracle(batch) / 100, batch))
