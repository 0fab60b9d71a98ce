"""Estimates of the gradient of E[f(b)] from one sample of the discrete variables b.

Every estimator takes a `Draw` and a cost and gives an `Estimate` whose surrogate has the cost for
its value and the estimate for its gradient. With logits (*batch, variables[, categories]), the
cost maps a tensor of the logits' shape to one number for each entry of *batch.

| estimator | unbiased | source |
|---|---|---|
| reinforce | yes | Williams 1992; leave-one-out: Kool et al. 2019, VIMCO's idea |
| rebar | yes | Tucker et al. 2017, arXiv 1703.07370, eq. 4 |
| relax | yes | Grathwohl et al. 2018, arXiv 1711.00123, eq. 8 |
| straight_through | no | Bengio et al. 2013, arXiv 1308.3432 |
| straight_through_gumbel | no | Jang et al. 2017, arXiv 1611.01144, section 2.2 |
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.ops.estimators.draws import Draw

Cost = Callable[[Tensor], Tensor]
"""From a choice, or a relaxed one, to a cost for each entry of the batch."""

UNBIASED = {
    "reinforce": True,
    "rebar": True,
    "relax": True,
    "straight-through": False,
    "straight-through-gumbel": False,
}
"""The estimators by name, and whether the mean of each is the true gradient."""


class Estimate(NamedTuple):
    """One estimate for each entry of the batch.

    `surrogate` has the value of the cost; its gradient is the estimate at the logits and the
    ordinary gradient at everything else the cost depends on. It never reaches a control variate.
    `gradient` is the estimate at the logits, and a differentiable function of the control
    variate's parameters: see `train_control`.
    """

    surrogate: Float[Tensor, "..."]
    gradient: Float[Tensor, "..."]


def reinforce(
    draw: Draw, cost: Cost, baseline: Tensor | float | Callable[[Tensor], Tensor] = 0.0
) -> Estimate:
    """(f(b) - baseline) d/dtheta log p(b).

    Args:
        baseline: anything that does not depend on this entry's own choice, or a function of all
            costs that gives such a thing (`leave_one_out`). No gradient flows through it.
    """
    value = cost(draw.choice)
    if callable(baseline):
        baseline = baseline(value.detach())
    elif isinstance(baseline, Tensor):
        baseline = baseline.detach()
    return _estimate(draw, value, _each(value.detach() - baseline, draw) * _score(draw))


def rebar(
    draw: Draw, cost: Cost, *, temperature: Tensor | float, scale: Tensor | float
) -> Estimate:
    """RELAX with the control variate c(z) = scale f(sigma(z / temperature)).

    Args:
        temperature: of the relaxation, positive; one number, or one for each variable.
        scale: eta, one number, or one for each entry of the batch.
    """

    def control(z: Tensor) -> Tensor:
        return scale * cost(draw.family.relax(z, temperature))

    return relax(draw, cost, control)


def relax(draw: Draw, cost: Cost, control: Cost) -> Estimate:
    """(f(b) - c(z~)) d/dtheta log p(b) + d/dtheta c(z) - d/dtheta c(z~).

    Args:
        control: c, any differentiable function of z; its parameters are trained by
            `train_control`.
    """
    value = cost(draw.choice)
    with torch.enable_grad():
        at_free, at_given = control(draw.relaxed), control(draw.conditional)
        (path,) = torch.autograd.grad((at_free - at_given).sum(), draw.leaf, create_graph=True)
    gradient = _each(value.detach() - at_given, draw) * _score(draw) + path
    return _estimate(draw, value, gradient)


def straight_through(draw: Draw, cost: Cost) -> Estimate:
    """f'(b) d E[b] / dtheta: the cost's slope at the choice, as if b were its mean. Biased."""
    with torch.enable_grad():
        mean = draw.family.mean(draw.leaf)
        passed = draw.choice + mean - mean.detach()
        (gradient,) = torch.autograd.grad(cost(passed).sum(), draw.leaf)
    return _estimate(draw, cost(draw.choice), gradient)


def straight_through_gumbel(draw: Draw, cost: Cost, *, temperature: Tensor | float) -> Estimate:
    """The cost's slope at the choice, carried on by the relaxed sample. Biased."""
    with torch.enable_grad():
        soft = draw.family.relax(draw.relaxed, temperature)
        passed = draw.choice + soft - soft.detach()
        (gradient,) = torch.autograd.grad(cost(passed).sum(), draw.leaf, retain_graph=True)
    return _estimate(draw, cost(draw.choice), gradient)


def train_control(estimate: Estimate, parameters: Iterable[Tensor]) -> Tensor:
    """Add the gradient of the estimate's variance to `.grad` of a control variate's parameters.

    The mean of an unbiased estimate does not depend on its control variate, so the gradient of
    its variance is that of its second moment (Grathwohl et al. eq. 9). Only `parameters` are
    touched, even where the control variate is built from the model's own cost.

    Returns:
        The second moment, summed over variables, averaged over the batch.
    """
    parameters = list(parameters)
    batch = estimate.surrogate.numel()
    moment = estimate.gradient.square().sum() / batch
    for parameter, gradient in zip(
        parameters, torch.autograd.grad(moment, parameters), strict=True
    ):
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
    return moment.detach()


def leave_one_out(costs: Float[Tensor, "samples ..."]) -> Float[Tensor, "samples ..."]:
    """For each of several independent samples of the same thing, the mean cost of the others."""
    samples = costs.shape[0]
    if samples < 2:
        raise ValueError(f"a leave-one-out baseline needs at least 2 samples, got {samples}")
    return (costs.sum(0, keepdim=True) - costs) / (samples - 1)


def moving_average(previous: Tensor, costs: Tensor, decay: float = 0.9) -> Tensor:
    """The next moving-average baseline. Use the previous one for the costs that enter it: a
    baseline that has seen a choice's own cost biases the estimate."""
    return decay * previous + (1 - decay) * costs.detach().mean()


def _score(draw: Draw) -> Tensor:
    return draw.family.score(draw.leaf, draw.choice).detach()


def _each(value: Tensor, draw: Draw) -> Tensor:
    """A number for each entry of the batch, ready to multiply a tensor of the logits' shape."""
    return value.reshape(*value.shape, *[1] * (draw.logits.dim() - value.dim()))


def _estimate(draw: Draw, value: Tensor, gradient: Tensor) -> Estimate:
    # Linear in the logits with the estimate for its slope, and zero at this point.
    slope = gradient.detach() * (draw.logits - draw.logits.detach())
    return Estimate(value + slope.reshape(*value.shape, -1).sum(-1), gradient)
