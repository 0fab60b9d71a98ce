"""Backpropagation from the task's loss."""

import torch

from tapehead.machines.machine import Machine
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.objective import Judged, Objective


class Supervised(Objective):
    """The task's loss as it is, for machines that can be differentiated throughout.

    >>> import torch
    >>> from tapehead import LSTM
    >>> from tapehead.tasks import Copy
    >>> from tapehead.training.objectives import Supervised
    >>> task = Copy(max_length=3)
    >>> machine, batch = LSTM(**task.sizes), task.batch(torch.Generator().manual_seed(0), 4)
    >>> judged = Supervised()(machine, task, batch)
    >>> judged.loss == task.loss(judged.outputs, batch)
    tensor(True)
    """

    def forward(
        self,
        machine: Machine,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        outputs, batch = task.run(machine, batch)
        return Judged(task.loss(outputs, batch), outputs.detach(), batch)
