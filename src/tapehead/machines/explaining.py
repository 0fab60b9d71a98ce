"""Why PyTorch could not go on, in one line that names what is to blame: looked for afterwards, so
that a call that works pays nothing for it."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

FAILURES = (RuntimeError, IndexError, NotImplementedError)
"""What PyTorch raises at a tensor that it cannot compute with."""


def plainer(error: Exception, machine: nn.Module, x: Any, state: Any) -> Exception | None:
    """An error in plain words for one of PyTorch's, if its cause can be named; else None."""
    text = str(error)
    for name, tensor in _tensors(machine, x, state):
        if "nference tensor" in text and tensor.is_inference():
            return RuntimeError(
                f"{name} must be no tensor of torch.inference_mode where gradients are recorded, "
                "got one: clone it, or make it under torch.no_grad"
            )
    if "allocate memory" in text and isinstance(x, Tensor):
        return RuntimeError(f"x of shape {tuple(x.shape)} needs more memory than there is")
    return misshapen(machine)


def well_shaped(module: nn.Module, shapes: Mapping[str, tuple[int, ...]], path: str = "") -> bool:
    """Whether every weight has the shape that is known of its name; of others nothing is asked."""
    for weights in (module._parameters, module._buffers):
        for name, weight in weights.items():
            wanted = shapes.get(path + name)
            if wanted is not None and weight is not None and weight.shape != wanted:
                return False
    return all(
        well_shaped(child, shapes, f"{path}{name}.")
        for name, child in module._modules.items()
        if child is not None
    )


def misshapen(machine: nn.Module) -> ValueError | None:
    """An error that names the first weight that is sparse or has not the shape it was made with."""
    shapes = getattr(machine, "_shapes", {})
    for name, weight in _weights(machine):
        wanted = shapes.get(name, weight.shape)
        if weight.layout is not torch.strided:
            return ValueError(f"{name} must be a dense tensor, got {weight.layout}")
        if weight.shape != wanted:
            return ValueError(f"{name} must have shape {wanted}, got {tuple(weight.shape)}")
    return None


def shapes_of(machine: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every weight by name."""
    return {name: tuple(weight.shape) for name, weight in _weights(machine)}


def _weights(machine: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from machine.named_parameters()
    yield from machine.named_buffers()


def _tensors(machine: nn.Module, x: Any, state: Any) -> Iterator[tuple[str, Tensor]]:
    parts = state._asdict() if hasattr(state, "_asdict") else {}
    for name, given in {"x": x, **{f"state.{name}": part for name, part in parts.items()}}.items():
        if isinstance(given, Tensor):
            yield name, given
    yield from _weights(machine)
