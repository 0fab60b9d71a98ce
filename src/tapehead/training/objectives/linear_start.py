"""Backpropagation that begins without the softmax over memories."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from tapehead.checks import Count
from tapehead.machines.options import configured
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.objective import Judged, Objective


class LinearStart(Objective):
    """The task's loss, at first of a machine that leaves out its softmax over memories: linear
    start (Sukhbaatar et al. 2015, section 4.2).

    Args:
        linear_batches: batches that it begins with; 0: the softmax is there from the beginning.

    >>> import torch
    >>> from tapehead.machines import MemoryNetwork
    >>> from tapehead.tasks import BAbI
    >>> from tapehead.training.objectives import LinearStart
    >>> task = BAbI(generated=True)
    >>> machine, objective = MemoryNetwork(**task.sizes), LinearStart(linear_batches=1)
    >>> judged = objective(machine, task, task.batch(torch.Generator(), 2))
    >>> judged.loss.backward()
    >>> objective.in_earnest  # from now on with the softmax
    True
    """

    changeable = ("linear_batches",)
    batches_seen: Tensor
    """Of training, by which it knows when to begin with the softmax."""

    @configured(lambda **_: 1)
    def __init__(self, *, linear_batches: Count = 0):
        super().__init__()
        self.linear_batches = linear_batches
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))

    @property
    def in_earnest(self) -> bool:
        return int(self.batches_seen) >= self.linear_batches

    def forward(
        self,
        machine: Any,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        linear = not self.in_earnest
        self.batches_seen += 1
        outputs, batch = task.run(partial(machine, linear=True) if linear else machine, batch)
        return Judged(task.loss(outputs, batch), outputs.detach(), batch)
