"""One run of the Bernoulli toy under each estimator, all seeds side by side.

Seeds share no number: every parameter has a leading `seeds` axis and Adam works elementwise, so
a batch of seeds is the same as so many separate runs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.checks import shown
from tapehead.ops import estimators
from tapehead.ops.estimators import BERNOULLI, Draw, Estimate
from tapehead.tasks.bernoulli import BernoulliToy

ESTIMATORS = (
    "reinforce",
    "reinforce-baseline",
    "rebar",
    "relax",
    "straight-through",
    "straight-through-gumbel",
    "exact",
)

LEAST_VARIANCE = 1e-12
"""Less than this counts as this: a biased estimator may end with no variance, which has no
logarithm."""


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """Settings of a run, those of the RELAX paper's code unless said.

    Attributes:
        target: t.
        steps: one sample and one update of logit and control variate each.
        learning_rate: of Adam, for both.
        hidden: tanh units of RELAX's surrogate network.
        temperature: where the trained temperature of REBAR and RELAX starts, and the fixed one of
            straight-through Gumbel.
        points: how often loss and variance are recorded, evenly over the run.
        samples: gradients drawn, without learning from them, to measure each variance.
        decay: of the moving-average baseline.
    """

    target: float = 0.499
    steps: int = 10_000
    learning_rate: float = 0.01
    hidden: int = 10
    temperature: float = 0.5
    points: int = 100
    samples: int = 1000
    decay: float = 0.9


class Curves(NamedTuple):
    """What a run recorded. `loss` is the exact expected cost, `log_variance` the natural logarithm
    of the variance of a single-sample gradient; both (seeds, points)."""

    steps: list[int]
    loss: Tensor
    log_variance: Tensor


class Control:
    """c(z) = scale f(sigma(z / temperature)) + r(sigma(z / temperature)), per seed.

    r is a network of one hidden tanh layer, multiplied by a factor that starts at 0; without it
    (REBAR) only scale and temperature are trained.
    """

    def __init__(self, config: ToyConfig, seeds: list[int], *, network: bool):
        count = len(seeds)
        self.scale = torch.ones(count, 1)
        self.log_temperature = torch.full((count, 1), math.log(config.temperature))
        self.parameters = [self.scale, self.log_temperature]
        self.network = network
        if network:
            draws = [torch.Generator().manual_seed(seed) for seed in seeds]
            inward = torch.stack([torch.randn(2, config.hidden, generator=draw) for draw in draws])
            outward = torch.stack([torch.randn(config.hidden, generator=draw) for draw in draws])
            self.weight, self.bias = inward[:, 0].clone(), inward[:, 1].clone()
            self.outward = outward / config.hidden**0.5
            self.factor = torch.zeros(count, 1)
            self.parameters += [self.weight, self.bias, self.outward, self.factor]
        for parameter in self.parameters:
            parameter.requires_grad_()

    def __call__(self, toy: BernoulliToy, z: Tensor) -> Tensor:
        """From z (seeds, samples, 1) to (seeds, samples)."""
        soft = BERNOULLI.relax(z, self.log_temperature.exp()[:, :, None])
        value = self.scale * toy.cost(soft)
        if self.network:
            hidden = ((2 * soft - 1) * self.weight[:, None] + self.bias[:, None]).tanh()
            value = value + self.factor * torch.einsum("ksh,kh->ks", hidden, self.outward)
        return value


def run(config: ToyConfig, estimator: str, seeds: list[int]) -> Curves:
    """Train from a fair coin with every seed.

    Raises:
        ValueError: no such estimator, or `points` does not divide `steps`.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator must be one of {', '.join(ESTIMATORS)}, got {shown(estimator)}"
        )
    if config.steps % config.points:
        raise ValueError(f"points must divide steps = {config.steps}, got {config.points}")
    toy = BernoulliToy(target=config.target)
    # Noise of training and of measuring apart: how often we look does not change the run.
    training, measuring = Noise(seeds), Noise([seed + 2**32 for seed in seeds])
    logits = torch.zeros(len(seeds), 1, requires_grad=True)
    baseline = torch.zeros(len(seeds), 1)
    control = control_optimiser = None
    if estimator in ("rebar", "relax"):
        control = Control(config, seeds, network=estimator == "relax")
        control_optimiser = torch.optim.Adam(control.parameters, lr=config.learning_rate)
    optimiser = torch.optim.Adam([logits], lr=config.learning_rate)
    estimate = _estimator(estimator, config, toy, control)

    steps, losses, variances = [], [], []
    for step in range(config.steps + 1):
        if step % (config.steps // config.points) == 0:
            steps.append(step)
            losses.append(toy.expected_cost(logits.detach().double())[:, 0])
            many = estimate(measuring.draw(logits, config.samples), baseline).gradient
            variances.append(many.detach().double().var(1)[:, 0].clamp(LEAST_VARIANCE).log())
        one = estimate(training.draw(logits, 1), baseline)
        optimiser.zero_grad()
        if estimator == "exact":
            logits.grad = toy.gradient(logits.detach())
        else:
            logits.grad = one.gradient.detach()[:, 0]
        if control is not None and control_optimiser is not None:
            control_optimiser.zero_grad()
            # Summed over seeds, so that each seed's parameters see their own variance.
            estimators.train_control(one, control.parameters)
            for parameter in control.parameters:
                assert parameter.grad is not None
                parameter.grad.mul_(len(seeds))
            control_optimiser.step()
        optimiser.step()
        baseline = estimators.moving_average(baseline, one.surrogate, config.decay)
    return Curves(steps, torch.stack(losses, 1), torch.stack(variances, 1))


class Noise:
    """A stream of uniform numbers for each seed, the same whichever other seeds run beside it."""

    BLOCK = 4096

    def __init__(self, seeds: list[int]):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.block = torch.empty(len(seeds), 0)
        self.used = 0

    def draw(self, logits: Tensor, samples: int) -> Draw:
        """`samples` draws at the logits (seeds, 1) of each seed: tensors (seeds, samples, 1)."""
        repeated = logits.expand(-1, samples)[..., None]
        return _FromUniform(self._take(samples), self._take(samples)).draw(repeated)

    def _take(self, count: int) -> Tensor:
        if self.used + count > self.block.shape[1]:
            size = max(self.BLOCK, count)
            self.block = torch.stack([torch.rand(size, generator=g) for g in self.generators])
            self.used = 0
        self.used += count
        return self.block[:, self.used - count : self.used, None]


class _FromUniform(type(BERNOULLI)):
    """Bernoulli variables that take given uniform numbers, first for z, then for z~."""

    def __init__(self, *numbers: Tensor):
        self.numbers = iter(numbers)

    def uniform(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return next(self.numbers).clamp(1e-20, 1 - torch.finfo(like.dtype).eps)


def _estimator(
    name: str, config: ToyConfig, toy: BernoulliToy, control: Control | None
) -> Callable[[Draw, Tensor], Estimate]:
    if control is not None:
        return lambda draw, baseline: estimators.relax(draw, toy.cost, lambda z: control(toy, z))
    if name == "straight-through":
        return lambda draw, baseline: estimators.straight_through(draw, toy.cost)
    if name == "straight-through-gumbel":
        return lambda draw, baseline: estimators.straight_through_gumbel(
            draw, toy.cost, temperature=config.temperature
        )
    if name == "reinforce-baseline":
        # One baseline for each seed, of many samples.
        return lambda draw, baseline: estimators.reinforce(
            draw, toy.cost, lambda costs: baseline.expand_as(costs)
        )
    return lambda draw, baseline: estimators.reinforce(draw, toy.cost)
