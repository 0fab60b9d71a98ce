"""One training step: the part of the loop that runs thousands of times a minute."""

import math
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.machines.machine import Machine
from tapehead.runs.config import TrainConfig
from tapehead.runs.devices import batch_to, place
from tapehead.tasks import Batch, Task
from tapehead.training.failures import non_finite, overgrown
from tapehead.training.flat import FlatParameters
from tapehead.training.objectives import Objective
from tapehead.training.optimisers import clip_gradient, make_optimiser
from tapehead.training.processes import ProcessGroup


class Step(NamedTuple):
    """What a training step computed.

    loss, gradient_norm: numbers on the CPU; elsewhere scalar tensors, so that nothing waits.
    """

    batch: Batch
    outputs: Tensor
    loss: Tensor | float
    gradient_norm: Tensor | float


class Learner:
    """A machine, its weights in one vector, and the optimiser that moves them.

    Each step is checked for numbers that are not finite: the norm of the gradient, which the
    report needs anyway, is finite only if all of the gradient is; numbers too large to square
    pass if they are clipped. On the CPU the check comes before the update, and the norm of the
    weights is looked at after it. Elsewhere waiting would leave the device idle: each step looks at
    the one before, and at the weights it began with, and `settle` at the last.
    """

    def __init__(
        self, config: TrainConfig, machine: Machine, objective: Objective, processes: ProcessGroup
    ):
        self.machine, self.objective = machine.train(), objective.train()
        self.device, self.dtype = place(machine)
        self.flat = FlatParameters(machine, objective=objective)
        self.optimiser = make_optimiser(config, self.flat.parameter)
        self.optimiser.prepare()
        self._group = self.optimiser.param_groups[0]
        self._weights = self.flat.parameter.detach()
        self._clip_value, self._clip_norm = config.clip_value, config.clip_norm
        # The square of a finite number can overflow. Where gradients are clipped that is no
        # reason to stop, so their norm is taken in float64: on the CPU only when it has to be.
        self._clips = config.clip_value is not None or config.clip_norm is not None
        precise = self._clips and self.device.type == "cuda"
        self._norm_dtype = torch.float64 if precise else None
        self._autocast = processes.autocast if config.precision == "bf16-mixed" else nullcontext
        self._reduce = processes.all_reduce if processes.world_size > 1 else None
        self._watch = None if self.device.type == "cpu" else _Watch(self.flat)
        self._fresh_optimiser = config.fresh_optimiser
        # A machine that is never soft begins with no other epsilon than it goes on with.
        self._epsilon = self._choosing_epsilon = self._group.get("epsilon")
        if objective.still_soft and config.choosing_epsilon is not None:
            self._choosing_epsilon = config.choosing_epsilon

    def step(self, task: Task, batch: Batch, number: int, learning_rate: float) -> Step:
        """Step number `number`, on a batch drawn on the CPU.

        Raises:
            NonFiniteError: the loss or a gradient of this step, or of the one before, is not
                finite, or the weights are not or grew beyond all measure.
        """
        soft = self.objective.still_soft
        batch, outputs, loss = self.differentiate(task, batch)
        gradient = self.flat.gradient
        if self._reduce is not None:
            self._reduce(gradient, reduce_op="mean")
        norm = torch.linalg.vector_norm(gradient, dtype=self._norm_dtype)
        if self._watch is None:
            loss, norm = loss.item(), norm.item()
            if norm == math.inf and self._clips:
                norm = torch.linalg.vector_norm(gradient, dtype=torch.float64).item()
            step = Step(batch, outputs, loss, norm)
            if not math.isfinite(loss + norm):
                raise non_finite(number, step, self.flat.named_views(gradient))
        else:
            step = Step(batch, outputs, loss, norm)
            self._watch.look_at(number, step, gradient, torch.linalg.vector_norm(self._weights))
        clip_gradient(gradient, norm, self._clip_value, self._clip_norm)
        self._group["lr"] = learning_rate
        self.optimiser.update()
        self.flat.spread()
        if self._watch is None and not math.isfinite(
            torch.linalg.vector_norm(self._weights).item()
        ):
            raise overgrown(number, step.batch, self.flat.named_views(self._weights))
        if soft and not self.objective.still_soft:
            if self._fresh_optimiser:
                # What it remembers of a soft machine's small gradients would make its first steps
                # with chosen rows far too long.
                self.optimiser.prepare()
            self.set_epsilon()
        return step

    def set_epsilon(self) -> None:
        """Give the optimiser the epsilon of how soft the machine is now."""
        soft = self.objective.still_soft
        self._group["epsilon"] = self._epsilon if soft else self._choosing_epsilon

    def begin_again(self) -> None:
        """After machine and objective were given fresh weights: forget the old ones."""
        self.settle()
        self.flat.gather()
        self.optimiser.prepare()
        self.set_epsilon()

    def differentiate(self, task: Task, batch: Batch) -> tuple[Batch, Tensor, Tensor]:
        """The batch on the machine's device, its outputs and loss; fills the gradient vector."""
        self.flat.zero_gradient()
        with self._autocast():
            batch = batch_to(batch, self.device, self.dtype)
            judged = self.objective(self.machine, task, batch)
        judged.loss.backward()
        return judged.batch, judged.outputs, judged.loss.detach()

    def settle(self) -> None:
        """Check the last step too; call before its weights are used or saved."""
        if self._watch is not None:
            self._watch.settle()

    def optimiser_tensors(self) -> dict[str, Tensor]:
        """The optimiser's state by its name and the parameter's: `square/output.weight`."""
        tensors = {}
        for name, value in self.optimiser.state[self.flat.parameter].items():
            if value.dim() == 0:
                tensors[name] = value
            else:
                views = self.flat.named_views(value)
                tensors |= {f"{name}/{parameter}": view for parameter, view in views}
        return tensors

    def release(self) -> None:
        """Give the machine its parameters back as tensors of their own."""
        self.flat.release()


class _Watch:
    """Looks at each step of a GPU one step later, when its numbers have long arrived."""

    def __init__(self, flat: FlatParameters):
        self._flat = flat
        on_gpu = flat.gradient.is_cuda
        self._finite = torch.empty((), dtype=torch.bool, device="cpu", pin_memory=on_gpu)
        self._arrived = torch.cuda.Event() if on_gpu else None
        self._step: tuple[int, Step, Tensor] | None = None

    def look_at(self, number: int, step: Step, gradient: Tensor, size: Tensor) -> None:
        """Keep a step, and `size`, the norm of the weights it was computed with, for a look."""
        self.settle()
        # Kept as it is now: clipping and the next step write over it.
        self._step = number, step, gradient.clone()
        self._size = size
        total = torch.as_tensor(step.loss + step.gradient_norm) + size
        self._finite.copy_(torch.isfinite(total), non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()

    def settle(self) -> None:
        if self._step is None:
            return
        if self._arrived is not None:
            self._arrived.synchronize()
        (number, step, gradient), self._step = self._step, None
        if self._finite.item():
            return
        if not torch.isfinite(self._size):
            weights = self._flat.named_views(self._flat.parameter.detach())
            raise overgrown(number - 1, step.batch, weights)
        raise non_finite(number, step, self._flat.named_views(gradient))
