"""The processes of one run, with device and precision: one, or several by Lightning Fabric."""

import atexit
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from tapehead.runs.config import TrainConfig
from tapehead.runs.devices import resolved_device
from tapehead.runs.randomness import capture_globals, restore_globals

_PRECISIONS: dict[str, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "32": "32-true",
    "64": "64-true",
    "bf16-mixed": "bf16-mixed",
}


@runtime_checkable
class ProcessGroup(Protocol):
    """What training asks of the processes that share a run, each of which holds one of these.

    They are named as in `lightning_fabric.Fabric`, which is one of them. `autocast` is for
    `precision="bf16-mixed"`.
    """

    @property
    def device(self) -> torch.device: ...
    @property
    def world_size(self) -> int: ...
    @property
    def global_rank(self) -> int: ...
    @property
    def is_global_zero(self) -> bool: ...
    def autocast(self) -> AbstractContextManager: ...
    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Any: ...
    def broadcast(self, obj: Any) -> Any: ...


class OneProcess:
    """A process on its own: nothing to share, and no second of imports for it."""

    world_size, global_rank, is_global_zero = 1, 0, True

    def __init__(self, device: torch.device):
        self.device = device
        if device.type == "cuda":
            torch.cuda.set_device(device)

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, torch.bfloat16)

    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Tensor:
        return data

    def broadcast(self, obj: Any) -> Any:
        return obj


def launch_processes(config: TrainConfig) -> ProcessGroup:
    """This process on its own, or as one of those that `torchrun` started.

    Raises:
        ValueError: the device does not exist, or the batch cannot be shared out evenly.
    """
    kind, devices = resolved_device(config.device)
    several = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    if not several:
        number = devices[0] if isinstance(devices, list) else 0
        return OneProcess(torch.device("cpu") if kind == "cpu" else torch.device(kind, number))
    return _launch_fabric(config, kind)


def _launch_fabric(config: TrainConfig, accelerator: str) -> ProcessGroup:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import TorchElasticEnvironment

    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if config.batch_size % world:
        raise ValueError(
            f"batch_size must be a multiple of the {world} processes, got {config.batch_size}"
        )
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=world // local,
        strategy="ddp",
        precision=_PRECISIONS[config.precision],
        plugins=[TorchElasticEnvironment()],
    )
    # While its threads still run: at the very end of the process they would abort it.
    atexit.register(_leave_group)
    fabric.launch()
    return fabric


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


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
        if config.deterministic:  # PyTorch imports its compiler for this, which takes two seconds
            torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
        restore_globals(states, device)
