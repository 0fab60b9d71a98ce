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
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.ops.estimators.draws import CATEGORICAL, surprise
from tapehead.ops.gate import check_alike

Chooser = Callable[[Tensor, int, int], Tensor]
"""(logits (batch, k, rows), time, first) -> weightings of choices first .. first + k of a step."""

Addresses = Float[Tensor, "batch time choices rows"]
PerStep = Float[Tensor, "batch time"]


class Choosing(NamedTuple):
    """A `Chooser` of a known kind, which a kernel can follow.

    how: "soft", by the softmax of (logits + noise) / temperature; "hard", the row where logits +
        noise are largest; "given", what `noise` holds.
    noise: for every address of the run; None is none.
    temperature: of all that is relaxed.
    slope: what stands for the derivative of a hard choice: "none", that of the "soft" plain
        softmax, or that of the "relaxed" choice with its noise and temperature.
    """

    how: str
    noise: Addresses | None = None
    temperature: float = 1.0
    slope: str = "none"

    def __call__(self, logits: Tensor, time: int, first: int) -> Tensor:
        return chosen(self, logits, time, first)


def chosen(choosing: Choosing, logits: Tensor, time: int, first: int) -> Tensor:
    """The weightings of logits (batch, k, rows): choices first .. first + k of a step."""
    how, noise, temperature, slope = choosing
    own = None if noise is None else noise[:, time, first : first + logits.shape[1]]
    if how == "given":
        assert own is not None
        return own
    if how == "soft":
        return _relaxed(logits, own, temperature)
    most = (logits.detach() if own is None else logits.detach() + own).argmax(-1)
    choice = one_hot(most, logits.shape[-1]).to(logits.dtype)
    if slope == "none":
        return choice
    through = _relaxed(logits, own, temperature) if slope == "relaxed" else logits.softmax(-1)
    return choice + through - through.detach()


def check_addresses(
    x: Float[Tensor, "batch time input"],
    choices: int,
    rows: int,
    choose: Chooser,
    offset: Tensor | None,
) -> None:
    """Raise unless what comes for every address of a run is of its shape and type.

    Args:
        choices: addresses in a step, each of so many `rows`.
        offset: added to their logits.
    """
    given = {"offset": offset}
    if isinstance(choose, Choosing):
        given["noise"] = choose.noise
    given = {name: tensor for name, tensor in given.items() if tensor is not None}
    shape = (*x.shape[:2], choices, rows)
    check_alike(given, given.values(), [shape] * len(given), like=x)


def _relaxed(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    if noise is None and temperature == 1:
        return logits.softmax(-1)
    return CATEGORICAL.relax(logits if noise is None else logits + noise, temperature)


soft = Choosing("soft")
"""All rows at once, weighted by the softmax."""
hard = Choosing("hard")
"""The likeliest row."""


def sampling(noise: Addresses) -> Choosing:
    """A row drawn from the softmax, by the Gumbel noise given for every choice."""
    return Choosing("hard", noise.detach())


def relaxing(noise: Addresses, temperature: float) -> Choosing:
    """The relaxation of `sampling` with the same noise."""
    return Choosing("soft", noise, temperature)


def forced(choices: Addresses) -> Choosing:
    """Choices made beforehand."""
    return Choosing("given", choices)


def straight_through(noise: Addresses) -> Choosing:
    """`sampling` forward, the softmax backward. Biased."""
    return Choosing("hard", noise.detach(), slope="soft")


def straight_through_gumbel(noise: Addresses, temperature: float) -> Choosing:
    """`sampling` forward, `relaxing` backward. Biased."""
    return Choosing("hard", noise, temperature, slope="relaxed")


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
