"""Mean scores of a trained machine on sequences it has never seen."""

import torch
from torch import Tensor, nn

from tapehead.checks import whole
from tapehead.runs.devices import batch_to, place
from tapehead.runs.randomness import (
    Stream,
    capture_globals,
    generator_for,
    restore_globals,
    seed_globals,
)
from tapehead.tasks import Batch, Task


def evaluate(
    machine: nn.Module, task: Task, *, sequences: int = 1_000, seed: int = 0, batch_size: int = 64
) -> dict[str, float]:
    """Mean scores over fresh sequences, which no training or validation has drawn; of a task whose
    problems are given, over all of them.

    The same arguments give the same sequences, on every device. The machine's mode and the global
    random states are left as they were.

    Returns:
        The mean of each of `task.scores` and of the `loss` (nats per answered bit).

    Raises:
        ValueError: `sequences` or `batch_size` is below 1.
    """
    for name, value in (("sequences", sequences), ("batch_size", batch_size)):
        whole(1)(name, value)
    return mean_scores(machine, task, sequences, batch_size, seed, Stream.TEST)


def evaluate_settings(
    machine: nn.Module,
    task: Task,
    *,
    sequences: int = 1_000,
    seed: int = 0,
    batch_size: int = 64,
) -> dict[str, dict[str, float]]:
    """`evaluate` at each of the task's test settings, by their labels."""
    return {
        label: evaluate(machine, setting, sequences=sequences, seed=seed, batch_size=batch_size)
        for label, setting in task.test_settings().items()
    }


def mean_scores(
    machine: nn.Module,
    task: Task,
    sequences: int,
    batch_size: int,
    seed: int,
    stream: Stream,
) -> dict[str, float]:
    """As `evaluate`, of the sequences of any stream; each batch has a generator of its own."""
    task = task.fresh
    sequences = task.num_problems or sequences
    device, dtype = place(machine)
    states, was_training = capture_globals(device), machine.training
    machine.eval()
    totals: dict[str, float] = {}
    try:
        for number, start in enumerate(range(0, sequences, batch_size)):
            seed_globals(seed, int(stream), number)  # for machines that draw numbers themselves
            size = min(batch_size, sequences - start)
            if task.num_problems is None:
                batch = task.batch(generator_for(seed, stream, number), size)
            else:
                batch = task.problems(torch.arange(start, start + size, device="cpu"))
            with torch.no_grad():
                outputs, batch = run_machine(task, machine, batch, device, dtype)
                means = {"loss": task.loss(outputs, batch), **task.scores(outputs, batch)}
            for name, value in means.items():
                total = float(value.double().mean()) * size
                totals[name] = totals.get(name, 0.0) + total
    finally:
        restore_globals(states, device)
        machine.train(was_training)
    return {name: total / sequences for name, total in totals.items()}


def run_machine(
    task: Task, machine: nn.Module, batch: Batch, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Batch]:
    """A machine's outputs for a batch drawn on the CPU, and the batch beside them."""
    return task.run(machine, batch_to(batch, device, dtype))
