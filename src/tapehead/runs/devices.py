"""Where a machine and its data are: devices by name, and batches brought to them."""

import torch
from torch import nn

from tapehead.checks import shown
from tapehead.tasks import Batch


def usable_device(device: str) -> str:
    """A device where a machine can be put, by its name; auto takes a GPU if there is one.

    Raises:
        ValueError: there is no such device.
    """
    named = device in ("auto", "cpu", "cuda")
    if not named and not (device.startswith("cuda:") and device[5:].isdecimal()):
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {shown(device)}")
    kind, _ = resolved_device(device)
    return kind if device == "auto" else device


def resolved_device(device: str) -> tuple[str, int | list[int]]:
    """Its kind, and how many of that kind or the number of the one that is meant.

    Raises:
        ValueError: there is no such device.
    """
    kind, _, number = device.partition(":")
    if kind == "auto":
        return ("cuda" if torch.cuda.is_available() else "cpu"), 1
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {shown(device)} does not exist: PyTorch sees "
            f"{torch.cuda.device_count()} GPUs; allowed: auto, cpu, or a GPU that it sees"
        )
    return kind, [int(number)] if number else 1


def batch_to(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """A batch drawn on the CPU, where the machine can read it.

    Sequences are drawn on the CPU on every device: one seed means the same data everywhere, and a
    GPU need not stop to tell how long the sequences became.
    """
    targets = batch.targets
    return Batch(
        batch.inputs.to(device, dtype),
        targets.to(device, dtype if targets.is_floating_point() else None, non_blocking=True),
        batch.mask.to(device, non_blocking=True),
    )


def place(machine: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and dtype of a machine's weights."""
    first = next(machine.parameters())
    return first.device, first.dtype
