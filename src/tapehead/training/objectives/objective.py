"""What every objective offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.machines.machine import Machine
from tapehead.machines.options import Configured
from tapehead.tasks import Batch, Task


class Judged(NamedTuple):
    """What came of a batch.

    loss: to call `backward` on.
    outputs: of the machine, for scores.
    batch: the one that they answer, which a task may have changed on the way.
    """

    loss: Tensor
    outputs: Tensor
    batch: Batch


class Objective(Configured, ABC):
    """How the loss of a machine is differentiated.

    It may have weights of its own, such as a baseline: they are trained by the same `backward`.

    >>> import torch
    >>> from tapehead import LSTM
    >>> from tapehead.tasks import Copy
    >>> from tapehead.training.objectives import make_objective
    >>> task = Copy(max_length=3)
    >>> machine = LSTM(**task.sizes)
    >>> objective = make_objective(machine, task)
    >>> judged = objective(machine, task, task.batch(torch.Generator().manual_seed(0), 4))
    >>> judged.loss.backward()
    >>> all(weight.grad is not None for weight in machine.parameters())
    True
    """

    def prepare(self, machine: Machine) -> None:
        """Make what it needs of the machine that it is to train; called when a run is built."""

    @abstractmethod
    def forward(
        self,
        machine: Machine,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        """A loss whose gradient is that of the machine's expected loss, or an estimate of it.

        Args:
            batch: where the machine can read it.
            generator: of what is drawn; None: the global one.
        """

    @property
    def still_soft(self) -> bool:
        """Whether the machine has only been trained softly so far, and will be otherwise."""
        return False

    @property
    def in_earnest(self) -> bool:
        """Whether the machine is now trained as it will be judged."""
        return True

    @contextmanager
    def as_trained(self, machine: Machine) -> Iterator[None]:
        """The machine as it is trained at present, where that is not how it will be judged."""
        yield
