"""The processes of one run, with their device and precision, by Lightning Fabric."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from tapehead.runs.config import TrainConfig
from tapehead.runs.devices import resolved_device
from tapehead.runs.randomness import capture_globals, restore_globals

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

    accelerator, devices = resolved_device(config.device)
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
