"""How training ends before its time: numbers that are not finite, and signals."""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from tapehead.errors import TapeheadError
from tapehead.tasks import Batch
from tapehead.training.files import clear_errors, write_atomically


class Stopped(TapeheadError):
    """A signal ended training; everything so far is saved.

    exit_code: 130 for SIGINT, 143 for SIGTERM, as shells count.
    """

    def __init__(self, number: int, circumstances: str):
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name} {circumstances}")
        self.exit_code = 128 + number


class NonFiniteError(TapeheadError):
    """A loss or gradient is infinite or not a number.

    step: the step, counted from 1.
    tensor: "loss", or the name of the first parameter whose gradient is not finite.
    batch: the sequences of the step; None for a validation, whose sequences are always the same.
    path: the file that holds them, if there is a run directory.
    """

    def __init__(self, step: int, tensor: str, description: str, batch: Batch | None):
        super().__init__(f"step {step:,}: {description}")
        self.step, self.tensor, self.batch = step, tensor, batch
        self.path: Path | None = None

    def save(self, folder: Path, rank: int = 0) -> None:
        """Write the batch into a run directory, for `read_batch`, and say so in the message."""
        if self.batch is None:
            return
        name = f"non-finite-step-{self.step}" + (f"-process-{rank}" if rank else "")
        path = folder / f"{name}.safetensors"
        tensors = {name: part.cpu().contiguous() for name, part in self.batch._asdict().items()}
        with clear_errors(f"{self}; nor could its batch be saved as {path}"):
            write_atomically(path, safetensors.torch.save(tensors))
        self.path = path
        self.args = (f"{self}; its batch is saved in {path}",)


def read_batch(path: Path | str) -> Batch:
    """A batch saved by a run that met a number that is not finite.

    Raises:
        TapeheadError: the file cannot be read, or holds something else.
    """
    with clear_errors(f"read {path}"):
        data = Path(path).read_bytes()
    try:
        return Batch(**safetensors.torch.load(data))
    except (safetensors.SafetensorError, TypeError) as error:
        raise TapeheadError(f"{path} holds no batch: {error}") from error


@runtime_checkable
class _Step(Protocol):
    @property
    def batch(self) -> Batch: ...
    @property
    def outputs(self) -> Tensor: ...
    @property
    def loss(self) -> Tensor | float: ...


def non_finite(
    number: int, step: _Step, named_gradients: Iterable[tuple[str, Tensor]]
) -> NonFiniteError:
    """The error that names what went wrong first: the outputs, the loss or a gradient."""
    loss = float(step.loss)
    if loss != loss or loss in (float("inf"), float("-inf")):
        description = f"the loss is {loss}"
        broken = _count(step.outputs[step.batch.mask])
        if broken:
            description += f" ({broken} in the machine's outputs)"
        return NonFiniteError(number, "loss", description, step.batch)
    gradients = list(named_gradients)
    for name, gradient in gradients:
        broken = _count(gradient)
        if broken:
            description = f"the gradient of {name} is not finite ({broken})"
            return NonFiniteError(number, name, description, step.batch)
    # Each number is finite, but not the norm.
    name, gradient = max(gradients, key=lambda item: float(item[1].abs().max()))
    largest = float(gradient.abs().max())
    description = f"the gradient overflows: {largest:.1e} in that of {name}"
    return NonFiniteError(number, name, description, step.batch)


def _count(tensor: Tensor) -> str:
    broken = int((~torch.isfinite(tensor)).sum())
    return f"{broken:,} of {tensor.numel():,} numbers are not finite" if broken else ""


class StopRequest:
    """Whether SIGINT or SIGTERM has arrived; `number` is the signal's, or None."""

    number: int | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM instead of dying at once; a second SIGINT interrupts as usual.

    Outside the main thread, where Python takes no signals, this does nothing.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: object) -> None:
        if number == signal.SIGINT and request.number is not None:
            raise KeyboardInterrupt
        request.number = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
