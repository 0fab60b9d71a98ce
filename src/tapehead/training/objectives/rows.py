"""Choices of rows: REINFORCE, REBAR, RELAX and straight-through estimators, and annealing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor

from tapehead.checks import Count, Finite, NotNegative, Positive, Size, choice
from tapehead.machines.discrete import Run
from tapehead.machines.options import configured
from tapehead.ops.estimators import addresses
from tapehead.ops.estimators.addresses import Chooser
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.estimator import (
    BASELINES,
    CONTROL_SIZE,
    ESTIMATORS,
    AddressEstimate,
    AddressEstimator,
    checked_costs,
    estimator_numbers,
)
from tapehead.training.objectives.objective import Judged, Objective


def _numbers(*, estimator: str, **options: Any) -> int:
    return 1 + estimator_numbers(name=estimator, control_size=CONTROL_SIZE, **options)


class RowChoices(Objective):
    """For a machine that addresses one row at a time: the row of each address is drawn, and the
    gradient through the draws estimated.

    Args:
        choices, rows, context_size: of the machine, whose `addressing` is "discrete".
        estimator: "reinforce", "rebar", "relax", "straight-through" or "straight-through-gumbel".
        baseline: of the unbiased estimators: "none", "moving-average", "learned" or
            "leave-one-out".
        samples: runs of each sequence; at least 2 for leave-one-out.
        temperature: of the relaxed choices of all but "reinforce" and "straight-through".
        entropy: reward for a nat of entropy of each address.
        soft_batches: batches at the start for which all rows are addressed at once, as a plain
            differentiable machine does.
        annealing: batches over which it then goes over to choices, each batch soft or not by the
            toss of a coin (Gulcehre et al. 2016, section 5); 0 goes over at once.
        soft_entropy_cost: of a nat of entropy of each address in the soft batches, which makes
            addresses sharp enough to be chosen by; it rises from 0 over `soft_batches`.

    >>> import torch
    >>> from tapehead import DiscreteNTM
    >>> from tapehead.tasks import Copy
    >>> from tapehead.training.objectives import RowChoices
    >>> task = Copy(max_length=3)
    >>> machine = DiscreteNTM(**task.sizes, memory_size=8, word_size=4, hidden_size=16)
    >>> objective = RowChoices(**machine.objective_sizes, estimator="rebar")
    >>> objective(machine, task, task.batch(torch.Generator().manual_seed(0), 4)).loss.backward()
    >>> all(weight.grad is not None for weight in machine.parameters())
    True
    """

    changeable = ("annealing", "soft_batches", "soft_entropy_cost")
    batches_seen: Tensor
    """Of training, by which it knows how soft to be."""

    @configured(_numbers)
    def __init__(
        self,
        choices: Size,
        rows: Size,
        context_size: Size,
        *,
        estimator: Annotated[str, choice(ESTIMATORS)] = "straight-through-gumbel",
        baseline: Annotated[str, choice(BASELINES)] = "learned",
        samples: Size = 1,
        temperature: Positive = 1.0,
        entropy: Finite = 0.0,
        soft_batches: Count = 0,
        annealing: Count = 0,
        soft_entropy_cost: NotNegative = 0.0,
    ):
        super().__init__()
        self.soft_batches, self.annealing = soft_batches, annealing
        self.soft_entropy_cost = soft_entropy_cost
        self.address_estimator = AddressEstimator(
            choices,
            rows,
            context_size,
            name=estimator,
            baseline=baseline,
            samples=samples,
            temperature=temperature,
            entropy=entropy,
        )
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))

    @property
    def still_soft(self) -> bool:
        return self._anneals and self._softness() >= 1

    @property
    def in_earnest(self) -> bool:
        return not self._anneals or self._softness() <= 0

    @contextmanager
    def as_trained(self, machine: Any) -> Iterator[None]:
        if not self.still_soft:
            yield
            return
        machine.addressing = "soft"
        try:
            yield
        finally:
            machine.addressing = "discrete"

    def forward(
        self,
        machine: Any,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        told = machine.unfolded(batch.inputs)
        costs = told.costs(partial(task.step_costs, batch=batch))
        loss, y = self.loss(told.machine, told.x, costs, lengths=told.lengths, generator=generator)
        return Judged(loss, told.answers(y), batch)

    def loss(
        self,
        machine: Any,
        x: Tensor,
        costs: Callable[[Tensor], Tensor],
        *,
        lengths: Any = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A loss to call `backward` on, and the outputs that it comes from.

        Its gradient is the estimate for the machine; the baseline and the control variate get
        theirs, of their own objectives.

        Args:
            x: as for `machine`, with its lengths.
            costs: from outputs (batch, time, output) to the cost of each step (batch, time), zero
                past each sequence's length.
        """

        def run(x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
            soft = self._soft_now(generator)
            if self.training:
                self.batches_seen += 1
            if soft:
                return self._soft_loss(machine, x, costs, state, lengths)
            found = self._estimate(machine, x, costs, lengths, generator, False)
            return found.loss, found.outputs

        return machine.admitted(run, x, None, lengths)

    def estimate(
        self,
        machine: Any,
        x: Tensor,
        costs: Callable[[Tensor], Tensor],
        *,
        lengths: Any = None,
        generator: torch.Generator | None = None,
        want_gradient: bool = False,
    ) -> AddressEstimate:
        """The loss of `loss` with chosen rows, and if wanted the estimate at the logits of every
        address."""

        def run(x: Tensor, _: Any, lengths: Tensor | None) -> AddressEstimate:
            return self._estimate(machine, x, costs, lengths, generator, want_gradient)

        return machine.admitted(run, x, None, lengths)

    def _estimate(self, machine, x, costs, lengths, generator, want_gradient) -> AddressEstimate:
        if not torch.is_grad_enabled():
            raise RuntimeError(
                f"estimator {self.address_estimator.name!r} must run where gradients are recorded, "
                "got torch.no_grad or torch.inference_mode"
            )

        made_for = self.address_estimator.rows
        if machine.rows != made_for:
            raise ValueError(
                f"rows of the machine must be {made_for}, as when this objective was made for it, "
                f"got {machine.rows}: make another objective"
            )

        def run(x: Tensor, lengths: Tensor | None, choose: Chooser, offset: Tensor | None) -> Run:
            start = machine.initial_state(x.shape[0])
            return machine.run(x, start, choose, lengths=lengths, offset=offset)

        return self.address_estimator(
            run, x, costs, lengths, generator=generator, want_gradient=want_gradient
        )

    def _soft_loss(
        self,
        machine: Any,
        x: Tensor,
        costs: Callable[[Tensor], Tensor],
        start: Any,
        lengths: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        if not self.soft_entropy_cost:
            y, _ = machine.run_soft(x, start, lengths)
            return checked_costs(costs, y).sum(1).mean(), y.detach()
        run = machine.run(x, start, addresses.soft, lengths=lengths)
        active = addresses.active_steps(x, lengths)
        spread = addresses.entropies(run.logits, active).sum(1).mean()
        # Not from the start: which rows to use must be found out first.
        risen = min(1.0, self.batches_seen.item() / max(1, self.soft_batches))
        loss = checked_costs(costs, run.y).sum(1).mean() + self.soft_entropy_cost * risen * spread
        return loss, run.y.detach()

    @property
    def _anneals(self) -> bool:
        return bool(self.soft_batches or self.annealing)

    def _soft_now(self, generator: torch.Generator | None) -> bool:
        if not self._anneals or not self.training:
            return False
        device = "cpu" if generator is None else generator.device
        return torch.rand((), generator=generator, device=device).item() < self._softness()

    def _softness(self) -> float:
        """The chance that a batch is soft."""
        left = self.batches_seen.item() - self.soft_batches
        return 1 - left / self.annealing if self.annealing else float(left < 0)
