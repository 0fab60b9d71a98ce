"""The estimator on a made-up machine whose second choice hangs on its first."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tapehead.training.objectives.estimator import AddressEstimator

FIRST = torch.tensor([0.4, -0.3], dtype=torch.float64)
SECOND = torch.tensor([[2.5, -1.5], [-2.0, 1.0]], dtype=torch.float64)
PRICE = torch.tensor([[1.0, 5.0], [3.0, 0.5]], dtype=torch.float64)
SAMPLES = 100_000
CERTAIN = 5.0


class Chain(NamedTuple):
    y: Tensor
    logits: Tensor
    weights: Tensor
    context: Tensor


def chain(x, lengths, choose, offset):
    """One step: b1 from FIRST, then b2 from the row of SECOND that b1 names. y is the price."""
    batch = len(x)
    offset = torch.zeros(batch, 1, 2, 2, dtype=x.dtype) if offset is None else offset
    first_logits = FIRST + offset[:, 0, :1]
    first = choose(first_logits, 0, 0)
    second_logits = first @ SECOND + offset[:, 0, 1:]
    second = choose(second_logits, 0, 1)
    price = torch.einsum("bi,ij,bj->b", first[:, 0], PRICE, second[:, 0])
    logits, weights = torch.cat([first_logits, second_logits], 1), torch.cat([first, second], 1)
    context = torch.ones(batch, 1, 1, dtype=x.dtype)
    return Chain(price[:, None, None], logits[:, None], weights[:, None], context)


def exact():
    offset = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    first = (FIRST + offset[0]).softmax(-1)
    second = (SECOND + offset[1]).softmax(-1)
    return torch.autograd.grad((first[:, None] * second * PRICE).sum(), offset)[0]


@pytest.mark.parametrize("name", ["reinforce", "rebar", "relax"])
@pytest.mark.parametrize("baseline", ["none", "learned"])
def test_choices_of_one_step_that_hang_on_each_other(name, baseline):
    torch.manual_seed(2)
    estimator = AddressEstimator(2, 2, 1, name=name, baseline=baseline, temperature=0.8).double()
    with torch.no_grad():
        for parameter in estimator.parameters():
            parameter.copy_(2 * torch.randn_like(parameter))
    x = torch.zeros(SAMPLES, 1, 1, dtype=torch.float64)
    estimate = estimator(chain, x, lambda y: y[..., 0], None, want_gradient=True)
    gradient = estimate.gradient[:, 0]
    spread = gradient.std(0) / SAMPLES**0.5
    assert ((gradient.mean(0) - exact()).abs() / spread).max() < CERTAIN


def test_moving_average_is_the_mean_of_what_is_left_to_pay():
    estimator = AddressEstimator(2, 2, 1, name="reinforce", baseline="moving-average").double()
    x = torch.zeros(2000, 1, 1, dtype=torch.float64)
    for _ in range(200):
        estimator(chain, x, lambda y: y[..., 0], None)
    first, second = FIRST.softmax(-1), SECOND.softmax(-1)
    expected = (first[:, None] * second * PRICE).sum()
    torch.testing.assert_close(estimator.average, expected, rtol=0.03, atol=0)


def test_entropy_reward_spreads_the_choices():
    """Without a cost the loss falls only by raising the entropy."""
    estimator = AddressEstimator(2, 2, 1, name="reinforce", baseline="none", entropy=0.5).double()
    shift = torch.tensor([[3.0, 0.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)

    def run(x, lengths, choose, offset):
        return chain(x, lengths, choose, shift.expand(len(x), 1, -1, -1))

    x = torch.zeros(500, 1, 1, dtype=torch.float64)
    estimator(run, x, lambda y: 0 * y[..., 0], None).loss.backward()
    assert shift.grad[0, 0] > 0.01
    assert shift.grad[0, 1] < -0.01
