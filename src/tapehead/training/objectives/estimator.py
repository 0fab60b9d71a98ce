"""The gradient through a sequence of addresses, and what has to be learned to estimate it well."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Finite, Positive, Size, choice, whole
from tapehead.machines.options import Configured, configured
from tapehead.machines.sizes import linear
from tapehead.ops.estimators import (
    CATEGORICAL,
    UNBIASED,
    addresses,
    check_shape,
    gumbel,
    leave_one_out,
)
from tapehead.ops.estimators.addresses import Chooser

ESTIMATORS = tuple(UNBIASED)
BASELINES = ("none", "moving-average", "learned", "leave-one-out")
CONTROL_SIZE = 32
"""Hidden units of a baseline and of a control variate."""
DECAY = 0.95
"""Of the moving-average baseline, each batch."""


def estimator_numbers(
    *,
    choices: int,
    rows: int,
    context_size: int,
    name: str,
    baseline: str,
    control_size: int,
    **_: Any,
) -> int:
    def network(inputs: int) -> int:
        return linear(inputs, control_size) + linear(control_size, 1)

    learned = baseline == "learned" and not name.startswith("straight-through")
    weights = network(context_size) if learned else int(baseline == "moving-average")
    weights += name in ("rebar", "relax")
    return weights + (network(rows + context_size + choices) if name == "relax" else 0)


class AddressEstimate(NamedTuple):
    """`loss`: to call backward on. `costs`: of the run that was sampled, each sequence's total.
    `outputs`: of that run; of several samples, the first. `gradient`: the estimate at the logits of
    every address, for each sequence, if it was asked for."""

    loss: Float[Tensor, ""]
    costs: Float[Tensor, " samples"]
    outputs: Float[Tensor, "batch time output"]
    gradient: Float[Tensor, "samples time choices rows"] | None


class AddressEstimator(Configured):
    """An estimator with its baseline and control variate.

    Its own parameters are trained by the same `backward` as the machine's, each on its own
    objective: the machine's gradient never reaches them, nor theirs the machine.

    Args:
        choices: addresses in a step.
        rows: rows of each address.
        context_size: numbers that describe a step before its first choice.
        name: "reinforce", "rebar", "relax", "straight-through" or "straight-through-gumbel".
        baseline: "none", "moving-average" (one number), "learned" (from the context, by a network
            of one hidden layer) or "leave-one-out" (the mean of the other samples of the same
            sequence); of the unbiased estimators.
        samples: runs of each sequence; at least 2 for leave-one-out.
        temperature: of the relaxation. It is not trained: that would take second derivatives
            through whole runs.
        entropy: reward for a nat of entropy of each address.
        control_size: hidden units of the baseline and of RELAX's control variate.
    """

    changeable = ("samples", "temperature", "entropy")

    @configured(estimator_numbers)
    def __init__(
        self,
        choices: Size,
        rows: Size,
        context_size: Size,
        *,
        name: Annotated[str, choice(ESTIMATORS)] = "straight-through-gumbel",
        baseline: Annotated[str, choice(BASELINES)] = "learned",
        samples: Size = 1,
        temperature: Positive = 1.0,
        entropy: Finite = 0.0,
        control_size: Size = CONTROL_SIZE,
    ):
        super().__init__()
        if baseline == "leave-one-out":
            whole(2)("samples", samples)
        self.name, self.baseline, self.samples = name, baseline, samples
        self.temperature, self.entropy = temperature, entropy
        self.choices, self.rows = choices, rows
        if baseline == "learned" and UNBIASED[name]:
            self.predictor = _network(context_size, control_size)
        elif baseline == "moving-average":
            self.register_buffer("average", torch.zeros(()))
        if name in ("rebar", "relax"):
            self.scale = nn.Parameter(torch.tensor(0.5))
        if name == "relax":
            self.control = _network(rows + context_size + choices, control_size)

    def noise(self, x: Float[Tensor, "batch time input"], generator: Any = None) -> Tensor:
        """Gumbel noise for every address of a batch."""
        shape = (*x.shape[:2], self.choices, self.rows)
        return gumbel(x.new_empty(()).expand(shape), generator)

    def chooser(self, noise: Tensor) -> Chooser:
        """How rows are chosen in training."""
        if self.name == "straight-through":
            return addresses.straight_through(noise)
        if self.name == "straight-through-gumbel":
            return addresses.straight_through_gumbel(noise, self.temperature)
        return addresses.sampling(noise)

    def forward(
        self,
        run: Callable[[Tensor, Tensor | None, Chooser, Tensor | None], Any],
        x: Float[Tensor, "batch time input"],
        costs: Callable[[Tensor], Tensor],
        lengths: Tensor | None,
        *,
        generator: torch.Generator | None = None,
        want_gradient: bool = False,
    ) -> AddressEstimate:
        """Estimate.

        Args:
            run: (x, lengths, chooser, offset of the logits) -> `Run`.
            costs: from outputs of the batch to the cost of each of its steps.
        """
        if self.samples > 1:
            x = x.repeat(self.samples, 1, 1)
            lengths = None if lengths is None else lengths.repeat(self.samples)
        offset = None
        if want_gradient or self.name in ("rebar", "relax"):
            offset = x.new_zeros(*x.shape[:2], self.choices, self.rows, requires_grad=True)

        def cost(y: Tensor) -> Tensor:
            return torch.cat([checked_costs(costs, part) for part in y.chunk(self.samples)])

        noise = self.noise(x, generator)
        sampled = run(x, lengths, self.chooser(noise), offset)
        value, outputs = cost(sampled.y), sampled.y.chunk(self.samples)[0].detach()
        active = addresses.active_steps(x, lengths)
        total = value.sum(1)
        loss = total.mean()
        if self.entropy:
            bonus = addresses.entropies(sampled.logits, active).sum(1).mean()
            loss = loss - self.entropy * bonus
        if not UNBIASED[self.name]:
            gradient = None
            if want_gradient:
                assert offset is not None
                (gradient,) = torch.autograd.grad(total.sum(), offset, retain_graph=True)
            return AddressEstimate(loss, total.detach(), outputs, gradient)

        choices = sampled.weights.detach()
        log_probs = addresses.log_probs(sampled.logits, choices, active)
        score = addresses.scores(sampled.logits.detach(), choices, active)
        plain = target = addresses.to_go(value.detach())
        per_scale = torch.zeros_like(score)
        if self.name in ("rebar", "relax"):
            assert offset is not None
            again = addresses.conditional_noise(sampled.logits, choices, generator)
            # Side by side: most of a run's cost is that there are many steps.
            relaxed = run(
                torch.cat([x, x]),
                None if lengths is None else torch.cat([lengths, lengths]),
                addresses.relaxing(torch.cat([noise, again]), self.temperature),
                torch.cat([offset, offset]),
            )
            free, given = map(cost, relaxed.y.chunk(2))
            given_to_go = addresses.to_go(given.detach())
            path = (free - given).sum(1)
            (slope,) = torch.autograd.grad(path.sum(), offset, retain_graph=True)
            # The estimate is `gradient` (REINFORCE) + scale * per_scale (+ RELAX's own).
            per_scale = slope - given_to_go[..., None, None] * score
            target = plain - self.scale.detach() * given_to_go
            loss = loss + self.scale.detach() * path.mean()
        baseline, own_loss = self._baseline(target, sampled.context.detach(), active)
        loss = loss + ((target - baseline) * log_probs).sum(1).mean()
        gradient = (plain - baseline)[..., None, None] * score

        if self.name in ("rebar", "relax"):
            gradient = gradient + self.scale * per_scale
            if self.name == "relax":
                local = self._local_control(sampled, noise, choices, active, generator)
                loss = loss + (local.detach() * sampled.logits).sum((1, 2, 3)).mean()
                gradient = gradient + local
            own_loss = own_loss + _relative(gradient.square().sum((1, 2, 3)).mean())
        # The value is the mean cost; all else is there for its gradient.
        pull = loss + own_loss
        loss = total.mean().detach() + pull - pull.detach()
        return AddressEstimate(loss, total.detach(), outputs, gradient.detach())

    def _baseline(self, target: Tensor, context: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """The baseline of each step, and the loss that trains it."""
        nothing = target.new_zeros(())
        if self.baseline == "moving-average":
            before = self.average.clone()
            if self.training:
                self.average += (1 - DECAY) * (target[active].mean() - before)
            return before, nothing
        if self.baseline == "leave-one-out":
            return leave_one_out(target.unflatten(0, (self.samples, -1))).flatten(0, 1), nothing
        if self.baseline == "learned":
            predicted = self.predictor(context)[..., 0]
            error = torch.where(active, predicted - target, 0.0).square().sum() / active.sum()
            return predicted.detach(), _relative(error, least=1.0)
        return nothing, nothing

    def _local_control(self, sampled, noise, choices, active, generator) -> Tensor:
        """RELAX's learned control variate of each choice alone, c(z_j; what was known before).

        It is unbiased choice by choice, since given what came before, z_j depends on the weights
        through logits_j only. (One function of all the z of a step would not be: a later head's
        logits depend on an earlier head's choice.) The gradient it adds, as a function of its
        parameters.
        """
        context = sampled.context.detach()[:, :, None].expand(-1, -1, self.choices, -1)
        which = torch.eye(self.choices, dtype=context.dtype, device=context.device)
        which = which.expand(*context.shape[:2], -1, -1)
        with torch.enable_grad():
            leaf = sampled.logits.detach().requires_grad_()
            both = []
            for z in (leaf + noise, CATEGORICAL.conditional(leaf, choices, generator)):
                seen = CATEGORICAL.relax(z, self.temperature)
                value = self.control(torch.cat([seen, context, which], -1))
                both.append(torch.where(active[..., None, None], value, 0.0))
            free, given = both
            (path,) = torch.autograd.grad((free - given).sum(), leaf, create_graph=True)
        return path - given * addresses.scores(leaf.detach(), choices, active)


def checked_costs(
    costs: Callable[[Tensor], Tensor], y: Float[Tensor, "batch time output"]
) -> Float[Tensor, "batch time"]:
    """The cost of each step; a ValueError or TypeError if there is not one number for each."""
    value = costs(y)
    check_shape("costs", value, y.shape[:2], "one number for each sequence and step")
    return value


def _network(inputs: int, hidden: int) -> nn.Sequential:
    """One hidden layer, and an output that starts at zero: at first there is no control."""
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), last)


def _relative(loss: Tensor, least: float = 1e-12) -> Tensor:
    """A loss in units of its own size, so that clipping a joint gradient minds the machine."""
    return loss / loss.detach().clamp(min=least)
