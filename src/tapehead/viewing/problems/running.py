"""A machine on one problem of a task, and what is drawn of it."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tapehead.machines.machine import Machine, Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.runs import TrainConfig, devices, load_run, randomness
from tapehead.tasks import Batch, Task
from tapehead.viewing.page.panels import Recording


class Drawn(NamedTuple):
    """Figures by name, what draws the summary when given learning curves (None: there is none),
    and what the page shows: of the same runs of the machine."""

    figures: dict[str, Figure]
    summarise: Callable[..., Figure] | None
    recordings: Sequence[Recording]


def load_viewed(
    path: Path | str, *, step: int | str = "best", data: Path | str | None = None
) -> tuple[TrainConfig, Machine, Task]:
    """What `load_run` gives, with as many rows of memory as in the run's tests, and to be run on a
    few single problems: by the reference, unless another backend was forced.

    Args:
        data: of the task, in place of that of the run.

    Raises:
        ValueError: the task reads no data.
    """
    config, machine, task = load_run(path, step=step, as_tested=True)
    if data is not None:
        if "data" not in {field.name for field in fields(task)}:
            raise ValueError(f"data must be left out for {task.name}, which reads none")
        changed: dict[str, Any] = {"data": str(data)}
        task = replace(task, **changed)
    # The reference is through with them before a kernel is compiled, or even loaded.
    if "backend" in machine.changeable and getattr(machine, "backend", "") == "auto":
        machine.backend = "reference"
    return config, machine, task


@contextmanager
def one_thread() -> Iterator[None]:
    """For steps of a single problem: PyTorch shares out even six numbers among its threads, and
    these then wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
    batch = devices.batch_to(batch, device, dtype)
    states = randomness.capture_globals(device)
    try:
        with torch.no_grad(), one_thread():
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            if isinstance(machine, Recurrent) and not task.interactive:
                trace = machine.trace(**batch.inputs._asdict())
                return trace.y, batch, trace
            outputs, batch = task.run(machine, batch)
            # Of what the machine was told in the end, with the same draws.
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            trace = machine.trace(**batch.inputs._asdict())
    finally:
        randomness.restore_globals(states, device)
    return outputs, batch, trace
