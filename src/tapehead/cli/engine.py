"""The engine that a command's options name, for several runs at a time."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tapehead.cli.options import UsageError
from tapehead.registry import AddressError
from tapehead.runs.config import TrainConfig

if TYPE_CHECKING:
    from tapehead.training.fleet import Engine


@runtime_checkable
class Options(Protocol):
    """Of `train` and `reproduce`."""

    @property
    def engine(self) -> str: ...
    @property
    def ray_address(self) -> str | None: ...
    @property
    def workers(self) -> int | None: ...


def check_engine(command: Options) -> None:
    if command.ray_address is not None and command.engine != "ray":
        raise UsageError("--ray-address needs --engine ray")
    if command.ray_address == "":
        raise UsageError("--ray-address must be HOST:PORT, got ''")


def engine_of(command: Options, config: TrainConfig, jobs: int) -> "Engine":
    """Args:
    config: of one of the jobs, which all take as much.
    """
    from tapehead.training.fleet import make_engine

    try:
        return make_engine(
            command.engine,
            jobs,
            workers=command.workers,
            address=command.ray_address,
            cores=config.threads or 1,
            gpus=int(config.device.startswith("cuda")),
        )
    except AddressError as error:
        raise UsageError(str(error)) from None
