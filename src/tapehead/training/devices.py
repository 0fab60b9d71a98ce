"""Device, precision and processes, by Lightning Fabric."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from tapehead.tasks import Batch
from tapehead.training.config import TrainConfig
from tapehead.training.randomness import capture_globals, restore_globals

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PRECISIONS: dict[str, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "32": "32-true",
    "64": "64-true",
    "bf16-mixed": "bf16-mixed",
}


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def launch_fabric(config: TrainConfig) -> "Fabric":
    """Fabric for this process: on its own, or one of those that `torchrun` started.

    Raises:
        ValueError: the device does not exist, or the batch cannot be shared out evenly.
    """
    # A second of imports, which those who only look at runs need not wait for.
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    accelerator, devices = _device(config.device)
    precision = _PRECISIONS[config.precision]
    if not TorchElasticEnvironment.detect():
        # Named outright: Fabric would look for a cluster, and warn inside an interactive job.
        environment = LightningEnvironment()
        fabric = Fabric(
            accelerator=accelerator, devices=devices, precision=precision, plugins=[environment]
        )
    else:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        world = int(os.environ["WORLD_SIZE"])
        fabric = Fabric(
            accelerator=accelerator,
            devices=local,
            num_nodes=world // local,
            strategy="ddp",
            precision=precision,
            plugins=[TorchElasticEnvironment()],
        )
        # While its threads still run: at the very end of the process they would abort it.
        atexit.register(_leave_group)
    if config.batch_size % fabric.world_size:
        raise ValueError(
            f"batch_size must be a multiple of the {fabric.world_size} processes, "
            f"got {config.batch_size}"
        )
    fabric.launch()
    return fabric


def usable_device(device: str) -> str:
    """A device where a machine can be put, by its name; auto takes a GPU if there is one.

    Raises:
        ValueError: there is no such device.
    """
    named = device in ("auto", "cpu", "cuda")
    if not named and not (device.startswith("cuda:") and device[5:].isdecimal()):
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}")
    kind, _ = _device(device)
    return kind if device == "auto" else device


def _device(device: str) -> tuple[str, int | list[int]]:
    kind, _, number = device.partition(":")
    if kind == "auto":
        return ("cuda" if torch.cuda.is_available() else "cpu"), 1
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} does not exist: PyTorch sees {torch.cuda.device_count()} GPUs; "
            "allowed: auto, cpu, or a GPU that it sees"
        )
    return kind, [int(number)] if number else 1


@contextmanager
def process_settings(config: TrainConfig) -> Iterator[None]:
    """Threads, determinism and global random states of one run, put back after it."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    device = torch.device("cuda" if torch.cuda.is_initialized() else "cpu")
    states = capture_globals(device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its start
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
        restore_globals(states, device)


def batch_to(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """A batch drawn on the CPU, where the machine can read it.

    Sequences are drawn on the CPU on every device: one seed means the same data everywhere, and a
    GPU need not stop to tell how long the sequences became.
    """
    if device.type == "cpu" and dtype == torch.float32:
        return batch
    inputs = batch.inputs.to(device, dtype, non_blocking=True)
    targets = batch.targets.to(device, dtype, non_blocking=True)
    mask, lengths = (part.to(device, non_blocking=True) for part in (batch.mask, batch.lengths))
    return Batch(inputs, targets, mask, lengths)


def place(machine: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and dtype of a machine's weights."""
    first = next(machine.parameters())
    return first.device, first.dtype
