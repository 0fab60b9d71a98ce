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

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.checks import number
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

    Raises:
        ValueError, TypeError: cost or baseline has another shape than one number for each entry of
            the batch; so in all estimators.

    Args:
        baseline: anything that does not depend on this entry's own choice, or a function of all
            costs that gives such a thing (`leave_one_out`). No gradient flows through it.
    """
    value = _value(draw, cost)
    if callable(baseline):
        baseline = baseline(value.detach())
    if isinstance(baseline, Tensor):
        baseline = baseline.detach()
        if baseline.dim():
            check_shape("baseline", baseline, value.shape, "one number, or one for each cost")
    else:
        baseline = _NUMBER("baseline", baseline)
    return _estimate(draw, value, _each(value.detach() - baseline, draw) * _score(draw))


def rebar(
    draw: Draw, cost: Cost, *, temperature: Tensor | float, scale: Tensor | float
) -> Estimate:
    """RELAX with the control variate c(z) = scale f(sigma(z / temperature)).

    Args:
        temperature: of the relaxation, positive; one number, or one for each variable.
        scale: eta, one number, or one for each entry of the batch.
    """

    if isinstance(scale, Tensor) and scale.dim():
        wanted = "one number, or one for each entry of the batch"
        check_shape("scale", scale, _entries(draw), wanted)
    _check_temperature(draw, temperature)

    def control(z: Tensor) -> Tensor:
        return scale * cost(draw.family.relax(z, temperature))

    return relax(draw, cost, control)


def relax(draw: Draw, cost: Cost, control: Cost) -> Estimate:
    """(f(b) - c(z~)) d/dtheta log p(b) + d/dtheta c(z) - d/dtheta c(z~).

    Args:
        control: c, any differentiable function of z; its parameters are trained by
            `train_control`. A value that cannot be chosen has a z of minus infinity.
    """
    value = _value(draw, cost)
    with torch.enable_grad():
        at_free, at_given = control(draw.relaxed), control(draw.conditional)
        for given in (at_free, at_given):
            check_shape("control", given, value.shape, "one number for each entry of the batch")
        (path,) = torch.autograd.grad((at_free - at_given).sum(), draw.leaf, create_graph=True)
    gradient = _each(value.detach() - at_given, draw) * _score(draw) + path
    return _estimate(draw, value, gradient)


def straight_through(draw: Draw, cost: Cost) -> Estimate:
    """f'(b) d E[b] / dtheta: the cost's slope at the choice, as if b were its mean. Biased."""
    value = _value(draw, cost)
    with torch.enable_grad():
        mean = draw.family.mean(draw.leaf)
        passed = draw.choice + mean - mean.detach()
        (gradient,) = torch.autograd.grad(cost(passed).sum(), draw.leaf)
    return _estimate(draw, value, gradient)


def straight_through_gumbel(draw: Draw, cost: Cost, *, temperature: Tensor | float) -> Estimate:
    """The cost's slope at the choice, carried on by the relaxed sample. Biased."""
    _check_temperature(draw, temperature)
    value = _value(draw, cost)
    with torch.enable_grad():
        soft = draw.family.relax(draw.relaxed, temperature)
        passed = draw.choice + soft - soft.detach()
        (gradient,) = torch.autograd.grad(cost(passed).sum(), draw.leaf, retain_graph=True)
    return _estimate(draw, value, gradient)


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
    samples = costs.shape[0] if costs.dim() else 1
    if samples < 2:
        raise ValueError(f"a leave-one-out baseline needs at least 2 samples, got {samples}")
    return (costs.sum(0, keepdim=True) - costs) / (samples - 1)


def moving_average(previous: Tensor, costs: Tensor, decay: float = 0.9) -> Tensor:
    """The next moving-average baseline, of costs in the shape of the previous one: a single sample
    each, or the mean of several. Use the previous one for the costs that enter it: a baseline that
    has seen a choice's own cost biases the estimate."""
    return decay * previous + (1 - decay) * costs.detach()


def check_shape(name: str, tensor: object, wanted: Sequence[int], meaning: str) -> None:
    """Raise a line that names what a function of the caller's gave, unless its shape is right:
    another would be broadcast to a table of all against all.

    Raises:
        TypeError: it is no tensor of floating numbers.
        ValueError: its shape.
    """
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        got = f"{tensor.dtype}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"{name} must be a tensor of floating numbers, got {got}")
    if tensor.shape != tuple(wanted):
        raise ValueError(
            f"{name} must have shape {tuple(wanted)}, {meaning}, got {tuple(tensor.shape)}"
        )


_NUMBER = number()
_TEMPERATURE = number(above=0.0)


def _check_temperature(draw: Draw, temperature: Tensor | float) -> None:
    if not isinstance(temperature, Tensor):
        _TEMPERATURE("temperature", temperature)
        return
    wanted, shape = draw.logits.shape, temperature.shape
    fits = len(shape) <= len(wanted) and all(
        size in (1, full) for size, full in zip(reversed(shape), reversed(wanted), strict=False)
    )
    if not fits:
        raise ValueError(
            f"temperature must be one number, or one for each variable of logits of shape "
            f"{tuple(wanted)}, got shape {tuple(shape)}"
        )


def _entries(draw: Draw) -> torch.Size:
    """The shape of the batch."""
    return draw.logits.shape[: max(draw.logits.dim() - draw.family.event_dims, 0)]


def _value(draw: Draw, cost: Cost) -> Tensor:
    value = cost(draw.choice)
    check_shape("cost", value, _entries(draw), "one number for each entry of the batch")
    return value


def _score(draw: Draw) -> Tensor:
    return draw.family.score(draw.leaf, draw.choice).detach()


def _each(value: Tensor, draw: Draw) -> Tensor:
    """A number for each entry of the batch, ready to multiply a tensor of the logits' shape."""
    return value.reshape([*value.shape, *[1] * (draw.logits.dim() - value.dim())])


def _estimate(draw: Draw, value: Tensor, gradient: Tensor) -> Estimate:
    # Linear in the logits with the estimate for its slope, and zero at this point.
    nothing = draw.logits - draw.logits.detach()
    nothing = nothing.masked_fill(draw.logits.detach().isinf(), 0.0)
    slope = gradient.detach() * nothing
    return Estimate(value + slope.reshape([*value.shape, -1]).sum(-1), gradient)
