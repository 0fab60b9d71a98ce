"""Where the numbers of a tensor lie, and room for those of a result."""

from collections.abc import Iterable

import torch
from torch import Tensor

TOO_LARGE = (RuntimeError, TypeError, OverflowError, MemoryError)
"""What PyTorch raises when a buffer cannot be had: its size may not even fit into a number."""


def has_storage(tensor: Tensor) -> bool:
    """Whether its numbers lie in memory; false of one whose storage was taken away, which even
    PyTorch would read from address 0."""
    try:
        return tensor.data_ptr() != 0 or tensor.is_meta or tensor.numel() == 0
    except RuntimeError:  # one that wraps another; of another layout, it is not looked at here
        return tensor.layout is torch.strided


def check_storage(name: str, tensor: Tensor) -> None:
    """Raise unless a tensor holds its numbers in memory; see `has_storage`."""
    if not torch.compiler.is_compiling() and not has_storage(tensor):
        raise RuntimeError(f"{name} must hold its numbers in memory, got a tensor without storage")


def address(name: str, tensor: Tensor) -> int:
    """Where a dense tensor's numbers lie."""
    place = tensor.data_ptr()
    if not place:
        check_storage(name, tensor)
    return place


def dense(tensor: Tensor) -> Tensor:
    """The same numbers one behind the other, as they are: no lazy sign, no sparse layout."""
    if tensor.layout is not torch.strided:
        return tensor.to_dense()
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def dense_all(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Each as `dense` gives it; of tensors that are so already, in less time."""
    strided = torch.strided
    return [
        tensor
        if tensor.layout is strided and not tensor.is_neg() and tensor.is_contiguous()
        else dense(tensor)
        for tensor in tensors
    ]


def room_like(tensor: Tensor) -> Tensor:
    """Room for a result of the shape, type and device of a tensor, dense; its numbers undefined.

    In half the time of `new_empty`, and unlike `torch.empty` whatever the default type is.
    """
    return torch.empty_like(tensor, memory_format=torch.contiguous_format, requires_grad=False)


def too_large(name: str, tensor: Tensor, count: int) -> RuntimeError:
    """The error of a kernel for whose buffer of `count` numbers there is no memory."""
    size = count * tensor.element_size() / 2**30
    return RuntimeError(
        f"{name} of shape {tuple(tensor.shape)} needs {size:,.1f} GiB of memory on the way, "
        "more than there is"
    )
