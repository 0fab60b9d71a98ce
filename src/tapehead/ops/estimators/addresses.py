"""Discrete addresses along a sequence: how a row is chosen, and the gradient through the choices.

A machine asks a `Chooser` for a weighting over rows each time it addresses its memory; which
chooser it is given decides whether it runs soft, discrete or relaxed. Steps of a sequence carry
`choices` addresses each (heads, or reading steps), counted in the order in which they are made.

How REBAR and RELAX go through time. A hard run makes choices b_t = H(logits_t + u_t), where
logits_t depends on earlier choices, which no path derivative can cross. The control variate here
is the cost C(u) of a second run of the same machine that uses the softmax of (its own logits + u)
/ temperature wherever the hard run used b: the soft machine itself, a smooth function of the
weights at fixed noise u. Given the hard run's choices the noise follows p(u | b), from which u~ is
drawn; averaged over b that is the law of u, which does not depend on the weights. Hence

    E[C(u~) d log p(b) + dC(u~)] = 0 (through u~) and E[dC(u)] = E[dC(u~)] (at fixed noise),

and (f(b) - C(u~)) d log p(b) + dC(u) - dC(u~), with d the total derivative, is unbiased. With a
single choice it is REBAR exactly (Tucker et al. 2017, arXiv 1703.07370, eq. 4).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.ops.estimators.draws import CATEGORICAL, surprise

Chooser = Callable[[Tensor, int, int], Tensor]
"""(logits (batch, k, rows), time, first) -> weightings of choices first .. first + k of a step."""

Addresses = Float[Tensor, "batch time choices rows"]
PerStep = Float[Tensor, "batch time"]


def soft(logits: Tensor, time: int, first: int) -> Tensor:
    """All rows at once, weighted by the softmax."""
    return logits.softmax(-1)


def hard(logits: Tensor, time: int, first: int) -> Tensor:
    """The likeliest row."""
    return one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)


def sampling(noise: Addresses) -> Chooser:
    """A row drawn from the softmax, by the Gumbel noise given for every choice."""
    return lambda logits, time, first: hard(logits.detach() + _at(noise, logits, time, first), 0, 0)


def relaxing(noise: Addresses, temperature: float) -> Chooser:
    """The relaxation of `sampling` with the same noise."""
    return lambda logits, time, first: CATEGORICAL.relax(
        logits + _at(noise, logits, time, first), temperature
    )


def forced(choices: Addresses) -> Chooser:
    """Choices made beforehand."""
    return lambda logits, time, first: _at(choices, logits, time, first)


def straight_through(noise: Addresses) -> Chooser:
    """`sampling` forward, the softmax backward. Biased."""
    return _two_faced(sampling(noise), soft)


def straight_through_gumbel(noise: Addresses, temperature: float) -> Chooser:
    """`sampling` forward, `relaxing` backward. Biased."""
    return _two_faced(sampling(noise), relaxing(noise, temperature))


def conditional_noise(
    logits: Addresses, choices: Addresses, generator: torch.Generator | None = None
) -> Addresses:
    """Gumbel noise drawn again, given what was chosen with it; differentiable in the logits."""
    impossible = logits == -torch.inf
    drawn = CATEGORICAL.conditional(logits, choices, generator)
    return (drawn - logits).masked_fill(impossible, 0.0)


def active_steps(
    x: Float[Tensor, "batch time input"], lengths: Int[Tensor, " batch"] | None
) -> Bool[Tensor, "batch time"]:
    """Which steps are within their sequence."""
    if lengths is None:
        return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    return torch.arange(x.shape[1], device=x.device) < lengths[:, None]


def log_probs(logits: Addresses, choices: Addresses, active: Bool[Tensor, "batch time"]) -> PerStep:
    """log p of all choices of each step, 0 at steps that are not `active`."""
    each = CATEGORICAL.log_prob(logits, choices).sum(-1)
    return torch.where(active, each, 0.0)


def entropies(logits: Addresses, active: Bool[Tensor, "batch time"]) -> PerStep:
    """Summed entropy of the choices of each step, in nats, 0 at steps that are not `active`."""
    return torch.where(active, surprise(logits.log_softmax(-1)).sum((-1, -2)), 0.0)


def scores(logits: Addresses, choices: Addresses, active: Bool[Tensor, "batch time"]) -> Addresses:
    """The gradient of `log_probs` at the logits."""
    return CATEGORICAL.score(logits, choices) * active[..., None, None]


def to_go(costs: PerStep) -> PerStep:
    """The cost from each step on: a choice answers for no cost that was there before it."""
    return costs.flip(1).cumsum(1).flip(1)


def _at(tensor: Addresses, logits: Tensor, time: int, first: int) -> Tensor:
    return tensor[:, time, first : first + logits.shape[1]]


def _two_faced(forward: Chooser, backward: Chooser) -> Chooser:
    def choose(logits: Tensor, time: int, first: int) -> Tensor:
        through = backward(logits, time, first)
        return forward(logits, time, first) + through - through.detach()

    return choose
