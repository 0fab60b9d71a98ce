"""Backpropagation where a machine that hears its own answer hears the right one."""

import torch

from tapehead.machines.machine import Machine
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.objective import Judged, Objective


class TeacherForcing(Objective):
    """The task's loss of each pointer after the right ones before it, all steps in one call.

    >>> import torch
    >>> from tapehead.machines import PointerNetwork
    >>> from tapehead.tasks import Sorting
    >>> from tapehead.training.objectives import TeacherForcing
    >>> task = Sorting()
    >>> machine = PointerNetwork(**task.sizes, hidden_size=8)
    >>> judged = TeacherForcing()(machine, task, task.batch(torch.Generator().manual_seed(0), 4))
    >>> judged.loss.backward()
    """

    def forward(
        self,
        machine: Machine,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        told = batch._replace(inputs=batch.inputs._replace(answer=batch.targets))
        outputs, batch = task.run(machine, told)
        return Judged(task.loss(outputs, batch), outputs.detach(), batch)
