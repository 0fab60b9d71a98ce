"""What machines with discrete addresses share: how they run, and how they are trained."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.machines.address_estimator import (
    ESTIMATORS,
    AddressEstimate,
    AddressEstimator,
    checked_costs,
)
from tapehead.machines.machine import Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.ops.estimators import addresses
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.gate import steps

ADDRESSINGS = ("soft", "discrete", "annealed")
NEEDED = ("logits", "weights", "context")
"""What `Run` takes from the inner tensors of every step, even where they are not kept."""


class Run(NamedTuple):
    """One pass over a batch of sequences.

    `logits` and `weights` hold every address in the order in which they were chosen. `context` is
    what the machine knew at each step before its first choice of that step.
    """

    y: Float[Tensor, "batch time output"]
    state: Any
    logits: Float[Tensor, "batch time choices rows"]
    weights: Float[Tensor, "batch time choices rows"]
    context: Float[Tensor, "batch time context"]
    inner: Mapping[str, Tensor]


class DiscreteMachine(Recurrent):
    """A machine that can address its memory one row at a time.

    In evaluation a discrete machine takes the likeliest row of each address. In training it draws
    the row, and `training_loss` gives a loss whose gradient goes through the choices; `forward`
    alone does so only for the straight-through estimators, whose gradient needs no cost.

    Attributes:
        addressing: "soft" (all rows at once, as a plain differentiable machine), "discrete", or
            "annealed": soft for `soft_batches` training batches, then soft or discrete by the toss
            of a coin for each, from always soft to always discrete over `annealing` more
            (Gulcehre et al. 2016).
    """

    changeable = ("addressing", "annealing", "soft_batches", "soft_entropy_cost")
    choices: int
    """Addresses in a step."""
    rows: int
    """Rows of each address."""
    batches_seen: Tensor
    """Of training, by which an annealed machine knows how soft to be."""

    def set_addressing(
        self,
        addressing: str,
        *,
        annealing: int,
        soft_batches: int,
        soft_entropy_cost: float,
        context_size: int,
        estimator: str,
        baseline: str,
        samples: int,
        temperature: float,
        entropy: float,
    ) -> None:
        """Called by a subclass when its sizes are known, with options that its constructor has
        checked."""
        self.addressing, self.annealing = addressing, annealing
        self.soft_batches, self.soft_entropy_cost = soft_batches, soft_entropy_cost
        self.address_estimator = AddressEstimator(
            self.choices,
            self.rows,
            context_size,
            name=estimator,
            baseline=baseline,
            samples=samples,
            temperature=temperature,
            entropy=entropy,
        )
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))

    @property
    def chooses(self) -> bool:
        """Whether training goes through choices, and so needs `training_loss`."""
        return self.addressing != "soft"

    @property
    def still_soft(self) -> bool:
        """Whether every batch of training is soft as yet; true of a machine that stays so."""
        return self.addressing == "soft" or (
            self.addressing == "annealed" and self._softness() >= 1
        )

    @property
    def annealed(self) -> bool:
        """Whether an annealed machine has come to the end of its softness; true of others."""
        return self.addressing != "annealed" or self._softness() <= 0

    @abstractmethod
    def run(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        offset: Float[Tensor, "batch time choices rows"] | None = None,
        keep: bool = False,
    ) -> Run:
        """One pass with the given way of choosing rows.

        Args:
            offset: added to the logits of every address; to differentiate by.
            keep: keep every named inner tensor.
        """

    def one_step(
        self,
        x_t: Float[Tensor, "batch input"],
        state: Any,
        choose: Chooser,
        time: int,
        offset: Float[Tensor, "batch choices rows"] | None,
    ) -> tuple[Float[Tensor, "batch output"], Any, dict[str, Tensor]]:
        """One step of a machine that is run by `unroll`: output logits, the new state, and inner
        tensors by name, `logits`, `weights` and `context` of `Run` among them."""
        raise NotImplementedError

    def unroll(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None,
        offset: Float[Tensor, "batch time choices rows"] | None,
        keep: bool,
    ) -> Run:
        """`run`, for a machine that has `one_step`."""
        outputs, history = [], []
        for time in steps(x):
            shift = None if offset is None else offset[:, time]
            y, after, inner = self.one_step(x[:, time], state, choose, time, shift)
            if lengths is not None:
                active = time < lengths
                after = type(after)(
                    *(_where(active, new, old) for new, old in zip(after, state, strict=True))
                )
            state = after
            outputs.append(y)
            # Of a long sequence every memory would be a great deal.
            history.append({name: inner[name] for name in (inner if keep else NEEDED)})
        stacked = {name: torch.stack([step[name] for step in history], 1) for name in history[0]}
        return Run(
            y=torch.stack(outputs, 1),
            state=state,
            logits=stacked["logits"],
            weights=stacked["weights"],
            context=stacked.pop("context"),
            inner=stacked if keep else {},
        )

    def _forward(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        if self._soft_now():
            return self.run_soft(x, state, lengths)
        run = self.run(x, state, self._chooser(x), lengths=lengths)
        return run.y, run.state

    def _trace(self, x: Tensor, state: Any, lengths: Tensor | None) -> Trace:
        choose = addresses.soft if self._soft_now() else self._chooser(x)
        run = self.run(x, state, choose, lengths=lengths, keep=True)
        return Trace(run.y, run.state, run.inner)

    def training_loss(
        self,
        x: Float[Tensor, "batch time input"],
        costs: Callable[[Tensor], Tensor],
        *,
        lengths: Int[Tensor, " batch"] | Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "batch time output"]]:
        """A loss to call `backward` on, and the outputs that it comes from.

        Its gradient is the estimate for the machine; the estimator's baseline and control variate
        get theirs, of their own objectives.

        Args:
            costs: from outputs (batch, time, output) to the cost of each step (batch, time), zero
                past each sequence's length.
        """

        def run(x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
            soft = self._soft_now(generator)
            if self.training:
                self.batches_seen += 1
            if soft:
                return self._soft_loss(x, costs, state, lengths)
            estimate = self._estimate(x, costs, lengths, generator)
            return estimate.loss, estimate.outputs

        return self._admitted(run, x, None, lengths)

    def estimate(
        self,
        x: Float[Tensor, "batch time input"],
        costs: Callable[[Tensor], Tensor],
        *,
        lengths: Int[Tensor, " batch"] | Sequence[int] | None = None,
        generator: torch.Generator | None = None,
        want_gradient: bool = False,
    ) -> AddressEstimate:
        """The loss of `training_loss` with discrete addresses, and if wanted the estimate at the
        logits of every address."""

        def run(x: Tensor, _: Any, lengths: Tensor | None) -> AddressEstimate:
            return self._estimate(x, costs, lengths, generator, want_gradient)

        return self._admitted(run, x, None, lengths)

    def _estimate(self, x, costs, lengths, generator, want_gradient=False) -> AddressEstimate:
        if not torch.is_grad_enabled():
            raise RuntimeError(
                f"estimator {self.address_estimator.name!r} must run where gradients are recorded, "
                "got torch.no_grad or torch.inference_mode"
            )

        def run(x: Tensor, lengths: Tensor | None, choose: Chooser, offset: Tensor | None) -> Run:
            start = self.initial_state(x.shape[0])
            return self.run(x, start, choose, lengths=lengths, offset=offset)

        return self.address_estimator(
            run, x, costs, lengths, generator=generator, want_gradient=want_gradient
        )

    def run_soft(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any,
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Outputs and state with soft addresses; for a machine that has a faster way to them."""
        run = self.run(x, state, addresses.soft, lengths=lengths)
        return run.y, run.state

    def _soft_loss(
        self,
        x: Tensor,
        costs: Callable[[Tensor], Tensor],
        start: Any,
        lengths: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        if not self.soft_entropy_cost:
            y, _ = self.run_soft(x, start, lengths)
            return checked_costs(costs, y).sum(1).mean(), y.detach()
        run = self.run(x, start, addresses.soft, lengths=lengths)
        active = addresses.active_steps(x, lengths)
        spread = addresses.entropies(run.logits, active).sum(1).mean()
        # Not from the start: which rows to use must be found out first.
        risen = min(1.0, self.batches_seen.item() / max(1, self.soft_batches))
        loss = checked_costs(costs, run.y).sum(1).mean() + self.soft_entropy_cost * risen * spread
        return loss, run.y.detach()

    def _soft_now(self, generator: torch.Generator | None = None) -> bool:
        if self.addressing != "annealed" or not self.training:
            return self.addressing == "soft"
        device = "cpu" if generator is None else generator.device
        return torch.rand((), generator=generator, device=device).item() < self._softness()

    def _softness(self) -> float:
        """The chance that a batch of an annealed machine is soft."""
        return 1 - (self.batches_seen.item() - self.soft_batches) / self.annealing

    def _chooser(self, x: Tensor) -> Chooser:
        if not self.training:
            return addresses.hard
        return self.address_estimator.chooser(self.address_estimator.noise(x))


def _where(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)


__all__ = ["ADDRESSINGS", "ESTIMATORS", "DiscreteMachine", "Run"]
