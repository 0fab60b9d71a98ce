"""The toy's exact answers against its own cost."""

import pytest
import torch

from tapehead.tasks.bernoulli import BernoulliToy


@pytest.mark.parametrize("target", [0.45, 0.499, 0.8])
def test_exact_cost_and_gradient_follow_from_the_cost_of_each_choice(target):
    toy = BernoulliToy(target=target)
    logits = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    p = logits.sigmoid()
    heads, tails = (toy.cost(torch.tensor([value], dtype=torch.float64)) for value in (1.0, 0.0))
    expected = p * heads + (1 - p) * tails
    torch.testing.assert_close(toy.expected_cost(logits), expected)
    (slope,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(toy.gradient(logits), slope)


def test_published_starts_and_optima():
    assert BernoulliToy(target=0.45).start == pytest.approx(0.2525)
    assert BernoulliToy(target=0.45).optimum == pytest.approx(0.2025)
    assert BernoulliToy(target=0.499).start == pytest.approx(0.250001)
    assert BernoulliToy(target=0.499).optimum == pytest.approx(0.249001)
    assert BernoulliToy(target=0.8).optimum == pytest.approx(0.04)


def test_impossible_target():
    with pytest.raises(ValueError, match=r"target must be a finite number from 0 to 1, got 1\.5"):
        BernoulliToy(target=1.5)
