"""How training ends before its time because of numbers that are not finite."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from tapehead.errors import TapeheadError
from tapehead.files import clear_errors, read_file, write_atomically
from tapehead.forms import FORMS
from tapehead.tasks import Batch
from tapehead.training.averaging import MOVING


class NonFiniteError(TapeheadError):
    """A loss, gradient, weight or score is infinite or not a number.

    step: the step, counted from 1.
    tensor: "loss", the name of a score, or that of the first parameter whose gradient is not
        finite, that is so itself, or whose state in the optimiser is.
    batch: the sequences of the step; None for a validation, whose sequences are always the same.
    path: the file that holds them, if there is a run directory.

    >>> from tapehead.training import NonFiniteError, TrainConfig, train
    >>> config = TrainConfig(machine="lstm", learning_rate=1e30, max_sequences=64, batch_size=16)
    >>> try:
    ...     train(config)
    ... except NonFiniteError as error:
    ...     print(error.step, error.tensor)
    1 output.bias
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
        tensors = {name: part.cpu().contiguous() for name, part in self.batch.tensors().items()}
        with clear_errors(f"{self}; nor could its batch be saved as {path}"):
            form = {"form": type(self.batch.inputs).__name__}
            write_atomically(path, safetensors.torch.save(tensors, form))
        self.path = path
        self.args = (f"{self}; its batch is saved in {path}",)


def read_batch(path: Path | str) -> Batch:
    """A batch saved by a run that met a number that is not finite.

    Raises:
        TapeheadError: the file cannot be read, or holds something else.
    """
    with clear_errors(f"read {path}"):
        data = read_file(Path(path))
    try:
        return _batch_of(safetensors.torch.load(data), _form_in(data))
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise TapeheadError(f"{path} holds no batch: {error}") from error


def _form_in(data: bytes) -> str | None:
    """The name of the form that a whole safetensors file says its batch has; None of an old one."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {}).get("form")


def _batch_of(tensors: dict[str, Tensor], form_name: str | None) -> Batch:
    if "inputs" in tensors:  # of tapehead 0.1.0
        tensors |= {"inputs.x": tensors.pop("inputs"), "inputs.lengths": tensors.pop("lengths")}
    names = {name.removeprefix("inputs.") for name in tensors if name.startswith("inputs.")}
    forms = {form.__name__: form for form in FORMS}
    if form_name is not None:
        form = forms[form_name]
    else:  # of an early tapehead, which did not say
        form = next((form for form in FORMS if names <= {*form._fields}), FORMS[0])
    return Batch(
        form(**{name: tensors[f"inputs.{name}"] for name in names}),
        tensors["targets"],
        tensors["mask"],
    )


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


def overgrown(
    number: int, batch: Batch, named_weights: Iterable[tuple[str, Tensor]]
) -> NonFiniteError:
    """The error for weights whose norm is not finite: one is not, or they are absurdly large."""
    weights = list(named_weights)
    for name, values in weights:
        broken = _count(values)
        if broken:
            description = f"the update left {name} not finite ({broken})"
            return NonFiniteError(number, name, description, batch)
    name, values = max(weights, key=lambda item: float(item[1].abs().max()))
    description = f"the update left {name} too large to compute with: {values.abs().max():.1e}"
    return NonFiniteError(number, name, description, batch)


def non_finite_in(
    parts: Mapping[str, Mapping[str, Tensor]], step: int, batch: Batch | None
) -> NonFiniteError | None:
    """The error for weights or an optimiser that are not to be saved, if there is a reason."""
    for part in ("weights", MOVING, "optimiser"):
        for name, tensor in parts.get(part, {}).items():
            broken = _count(tensor)
            if broken:
                description = f"{name} of the {part} is not finite ({broken})"
                return NonFiniteError(step, name, description, batch)
    return None


def _count(tensor: Tensor) -> str:
    broken = int((~torch.isfinite(tensor)).sum())
    return f"{broken:,} of {tensor.numel():,} numbers are not finite" if broken else ""
