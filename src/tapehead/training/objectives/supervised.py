"""Backpropagation from the task's loss."""

import torch

from tapehead.machines.machine import Machine
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.objective import Judged, Objective


class Supervised(Objective):
    """The task's loss as it is, for machines that can be differentiated throughout."""

    def forward(
        self,
        machine: Machine,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        outputs, batch = task.run(machine, batch)
        return Judged(task.loss(outputs, batch), outputs.detach(), batch)
