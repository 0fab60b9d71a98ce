"""A machine on one problem of a task, and what is drawn of it."""

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tapehead.machines.machine import Machine, Trace
from tapehead.runs import devices, randomness
from tapehead.runs.evaluation import run_machine
from tapehead.tasks import Batch, Task
from tapehead.viewing.page.panels import Recording


class Drawn(NamedTuple):
    """Figures by name, what draws the summary when given learning curves (None: there is none),
    and what the page shows: of the same runs of the machine."""

    figures: dict[str, Figure]
    summarise: Callable[..., Figure] | None
    recordings: Sequence[Recording]


def run_one(
    machine: Machine, task: Task, *, seed: int = 0, label: str = ""
) -> tuple[Tensor, Batch, Trace]:
    """Outputs of a machine for one fresh problem of a task, the batch that they answer, and all
    that the machine did.

    Seed and label decide the problem, so that one size is not a longer copy of another.
    """
    device, dtype = devices.place(machine)
    path = (zlib.crc32(label.encode()),)
    batch = task.fresh.batch(randomness.generator_for(seed, randomness.Stream.TEST, *path), 1)
    states = randomness.capture_globals(device)
    try:
        with torch.no_grad():
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            outputs, batch = run_machine(task, machine, batch, device, dtype)
            # Of what the machine was told in the end, with the same draws.
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            trace = machine.trace(**batch.inputs._asdict())
    finally:
        randomness.restore_globals(states, device)
    return outputs, batch, trace
