"""What may reach an operation: every tensor is looked at here, once, before anything reads it.

A kernel takes an address for what the caller says it is, and PyTorch's own messages name neither
the argument nor the way out. So each refusal is one line: the argument, what it must be, what it
was. Values are looked at only where that is possible: not of meta tensors, nor while a graph is
captured.
"""

import operator
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence

from tapehead.room import memory_of

WHOLE = (
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
"""Types that lengths may have."""

TOO_LARGE = (RuntimeError, TypeError, OverflowError, MemoryError)
"""What PyTorch raises when a buffer cannot be had: its size may not even fit into a number."""


def check_alike(
    names: Iterable[str],
    tensors: Iterable[Any],
    shapes: Iterable[Sequence[int]],
    like: Tensor,
    leader: str = "x",
) -> None:
    """Raise unless each is a dense tensor of its shape, of the type and on the device of `like`.

    Args:
        leader: what `like` is called.
    """
    dtype, device, strided, on_cpu = like.dtype, like.device, torch.strided, like.is_cpu
    for name, tensor, shape in zip(names, tensors, shapes, strict=True):
        if (
            isinstance(tensor, Tensor)
            and tensor.dtype is dtype
            and (tensor.is_cpu if on_cpu else tensor.device == device)
            and tensor.layout is strided
            and not tensor.is_nested
            and tensor.shape == shape
        ):
            continue
        if not isinstance(tensor, Tensor):
            _refuse_type(name, "a tensor", tensor)
        if tensor.dtype is not dtype or tensor.device != device:
            raise ValueError(
                f"{name} must be {dtype} on {device} as {leader} is, "
                f"got {tensor.dtype} on {tensor.device}"
            )
        if tensor.layout is not strided or tensor.is_nested:
            _refuse_layout(name, tensor)
        raise ValueError(f"{name} must have shape {_shape(shape)}, got {_shape(tensor.shape)}")


class Admitted:
    """Shapes that have passed a gate before, by what decides them all.

    To work out what shapes a machine's weights and states should have takes longer than to find
    that they are again as they were.
    """

    def __init__(self, most: int = 256):
        self._shapes: dict[Hashable, Sequence[Sequence[int]]] = {}
        self._most = most

    def again(self, key: Hashable, tensors: Sequence[Any], like: Tensor) -> bool:
        """Whether tensors have the shapes that were the last to pass under this key, are dense and
        on the CPU, and of the type of `like`: then they would pass once more."""
        shapes = self._shapes.get(key)
        if shapes is None or len(shapes) != len(tensors) or not like.is_cpu:
            return False
        dtype, strided = like.dtype, torch.strided
        try:
            for tensor, shape in zip(tensors, shapes, strict=True):
                if (
                    tensor.dtype is not dtype
                    or not tensor.is_cpu
                    or tensor.layout is not strided
                    or tensor.shape != shape
                ):
                    return False
        except (AttributeError, RuntimeError):  # no tensors; nested ones, which have no shape
            return False
        return True

    def remember(self, key: Hashable, tensors: Sequence[Tensor]) -> None:
        if len(self._shapes) >= self._most:
            self._shapes.clear()
        self._shapes[key] = [tensor.shape for tensor in tensors]


def check_rank(name: str, tensor: Any, *sizes: int | str) -> None:
    """Raise unless it is a dense tensor of these sizes; a size with a name may be any but zero."""
    if isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_nested:
        got = tensor.shape
        if len(got) == len(sizes):
            for have, want in zip(got, sizes, strict=True):
                if have != want and (have == 0 or not isinstance(want, str)):
                    break
            else:
                return
    wanted = f"({', '.join(str(size) for size in sizes)})"
    if not isinstance(tensor, Tensor):
        if isinstance(tensor, PackedSequence):
            raise TypeError(
                f"{name} must be a padded tensor {wanted} with its lengths beside it, "
                "got PackedSequence: pad_packed_sequence(..., batch_first=True) gives both"
            )
        _refuse_type(name, f"a tensor {wanted}", tensor)
    if tensor.layout is not torch.strided or tensor.is_nested:
        _refuse_layout(name, tensor)
    raise ValueError(
        f"{name} must be {wanted} with at least one of each, got shape {_shape(tensor.shape)}"
    )


def size(name: str, tensor: Any, dimension: int) -> int:
    """A size of a tensor, to hold others against."""
    if not isinstance(tensor, Tensor):
        _refuse_type(name, "a tensor", tensor)
    if tensor.dim() <= dimension:
        raise ValueError(f"{name} must have more dimensions, got shape {_shape(tensor.shape)}")
    return tensor.shape[dimension]


def check_type(
    name: str, tensor: Tensor, dtype: torch.dtype, device: torch.device, why: str
) -> None:
    """Raise unless a tensor is of this type and on this device; `why` says in words why so."""
    if tensor.dtype is not dtype or tensor.device != device:
        raise ValueError(
            f"{name} must be {dtype} on {device} {why}, got {tensor.dtype} on {tensor.device}"
        )


def alike(module: nn.Module, like: Tensor) -> bool:
    """Whether all floating weights of a module are of the type and on the device of `like`."""
    if like.is_cpu and _alike_on_cpu(module, like.dtype):
        return True
    dtype, device, on_cpu = like.dtype, like.device, like.is_cpu
    for weights in (module._parameters, module._buffers):
        for weight in weights.values():
            if weight is None:
                continue
            here = weight.is_cpu if on_cpu else weight.device == device
            if here and weight.dtype is dtype:
                if has_storage(weight):
                    continue
                return False
            if not here or weights is module._parameters or computes(weight):
                return False
    return all(alike(child, like) for child in module._modules.values() if child is not None)


def _alike_on_cpu(module: nn.Module, dtype: torch.dtype) -> bool:
    """Whether that is plain to see, as it most often is."""
    try:
        for weights in (module._parameters, module._buffers):
            for weight in weights.values():
                if weight is not None and not (
                    weight.dtype is dtype and weight.is_cpu and weight.data_ptr()
                ):
                    return False
    except RuntimeError:  # a tensor that wraps another has no address
        return False
    for child in module._modules.values():
        if child is not None and not _alike_on_cpu(child, dtype):
            return False
    return True


def computes(weight: Tensor) -> bool:
    """Whether it holds numbers to compute with, not a count or a switch."""
    return weight.is_floating_point() or weight.is_complex()


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


def check_numbers(name: str, tensor: Tensor, like: Tensor, leader: str) -> None:
    """Raise unless a tensor is of the type and on the device of `like`, called `leader`."""
    check_type(name, tensor, like.dtype, like.device, f"as {leader} are")


def check_room(name: str, tensor: Tensor, outputs: int) -> None:
    """Raise if not even the outputs of a sequence (batch, time, ...) would fit into memory: one
    number can be expanded to any length, and its steps would take for ever."""
    batch, time = tensor.shape[:2]
    # Asked only of what is large, as memory is looked up in files.
    if torch.compiler.is_compiling() or batch * time < 2**24:
        return
    there_is = memory_of(tensor.device.type, tensor.device.index)
    needs = batch * time * outputs * tensor.element_size()
    if there_is is not None and needs > there_is:
        raise too_large(name, tensor, batch * time * outputs)


def admit_lengths(lengths: Any, x: Tensor) -> Tensor | None:
    """Lengths as an operation may keep them: a copy, int64, on the device of x (batch, time, ...).

    None if every sequence fills the batch, as far as values can be looked at.

    Args:
        lengths: whole numbers from 1 to time, one for each sequence: a tensor or a list.
    """
    batch, time = x.shape[:2]
    if isinstance(lengths, list | tuple) and not isinstance(lengths, PackedSequence):
        lengths = _tensor_of(lengths, batch, time)
    elif not isinstance(lengths, Tensor):
        _refuse_type("lengths", "whole numbers, one for each sequence", lengths)
    if lengths.dtype not in WHOLE:
        raise ValueError(f"lengths must be whole numbers, got {lengths.dtype}")
    if lengths.layout is not torch.strided or lengths.is_nested:
        _refuse_layout("lengths", lengths)
    _check_count(lengths, batch)
    check_storage("lengths", lengths)
    if lengths.is_meta and not x.is_meta:
        raise ValueError(f"lengths must hold values that x on {x.device} can use, got them on meta")
    # The caller may change his own before the backward pass reads them.
    own = lengths.to(torch.int64, copy=True)
    if values_known(own):
        values = own.tolist()
        _check_range(values, time)
        if min(values) == time:
            return None
    return own.to(x.device)


def steps(x: Tensor) -> range:
    """The steps of x (batch, time, ...), for a loop that takes one after the other.

    Raises:
        RuntimeError: a graph is being exported in which their number is open.
    """
    time = x.shape[1]
    if isinstance(time, torch.SymInt) and torch.compiler.is_exporting():
        raise RuntimeError(
            "time must be a fixed number of steps in torch.export here, got a dynamic dimension: "
            "only kernels have no loop over it"
        )
    return range(time)


def values_known(tensor: Tensor) -> bool:
    """Whether the values of a tensor can be looked at."""
    # A subclass may stand for a tensor without values, as when a graph is exported.
    return type(tensor) is Tensor and not tensor.is_meta and not torch.compiler.is_compiling()


def within_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (batch, time, ...) with zeros past each sequence's length, and no gradient from there."""
    if lengths is None:
        return x
    steps = torch.arange(x.shape[1], device=x.device)
    past = steps >= lengths[:, None]
    return x.masked_fill(past.view(*past.shape, *[1] * (x.dim() - 2)), 0.0)


def check_kernel_input(name: str, tensor: Tensor) -> None:
    """Raise unless a CPU kernel can compute with tensors of this one's type, where it is."""
    if tensor.dtype not in (torch.float32, torch.float64) or not tensor.is_cpu:
        raise ValueError(
            f"{name} must be torch.float32 or torch.float64 on cpu for this backend, "
            f"got {tensor.dtype} on {tensor.device}"
        )


def own_lengths(lengths: Tensor | None, x: Tensor) -> Tensor | None:
    """Lengths that a kernel and its backward pass can read, whatever becomes of the caller's.

    Their values are for the kernel to keep within the steps there are.
    """
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor) or lengths.dtype not in WHOLE or lengths.device != x.device:
        raise ValueError(f"lengths must be whole numbers on {x.device}, got {_kind(lengths)}")
    _check_count(lengths, x.shape[0])
    return dense(lengths.to(torch.int64, copy=True))


def too_large(name: str, tensor: Tensor, count: int) -> RuntimeError:
    """The error of a kernel for whose buffer of `count` numbers there is no memory."""
    size = count * tensor.element_size() / 2**30
    return RuntimeError(
        f"{name} of shape {_shape(tensor.shape)} needs {size:,.1f} GiB of memory on the way, "
        "more than there is"
    )


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


def address(name: str, tensor: Tensor) -> int:
    """Where a dense tensor's numbers lie."""
    place = tensor.data_ptr()
    if not place:
        check_storage(name, tensor)
    return place


def asks_for_gradients(*tensors: Tensor) -> bool:
    """Whether a backward pass through an operation on these can come, so that it must keep a tape.

    Inside forward-mode differentiation it counts as asked for: PyTorch then says that the operation
    has no such derivative, where a plain call would lose it in silence.
    """
    if torch.is_grad_enabled() and any(
        getattr(tensor, "requires_grad", False) for tensor in tensors
    ):
        return True
    return getattr(forward_ad, "_current_level", -1) >= 0


def autocasting(x: Any) -> bool:
    """Whether operations on this tensor would be cast to another type as they go."""
    kind = x.device.type if isinstance(x, Tensor) else "meta"
    return kind != "meta" and torch.is_autocast_enabled(kind)


def _tensor_of(lengths: Sequence[Any], batch: int, time: int) -> Tensor:
    values = []
    for value in lengths:
        try:
            whole = operator.index(value)
        except TypeError:
            whole = None
        if whole is None or isinstance(value, bool):
            raise TypeError(f"lengths must be whole numbers, got {value!r}")
        values.append(whole)
    if len(values) != batch:
        raise ValueError(
            f"lengths must hold one number for each of {batch} sequences, got {len(values)}"
        )
    _check_range(values, time)
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def _check_count(lengths: Tensor, batch: int) -> None:
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths must hold one number for each of {batch} sequences, "
            f"got shape {_shape(lengths.shape)}"
        )


def _check_range(values: list[int], time: int) -> None:
    shortest, longest = min(values), max(values)
    if shortest < 1 or longest > time:
        raise ValueError(
            f"lengths must lie between 1 and {time}, the steps of x, got {shortest} to {longest}"
        )


def _refuse_type(name: str, wanted: str, got: Any) -> NoReturn:
    raise TypeError(f"{name} must be {wanted}, got {_kind(got)}")


def _refuse_layout(name: str, tensor: Tensor) -> NoReturn:
    what = "a nested tensor" if tensor.is_nested else str(tensor.layout)
    raise ValueError(f"{name} must be a dense tensor, got {what}")


def _kind(got: Any) -> str:
    if isinstance(got, Tensor):
        return f"{got.dtype} on {got.device}"
    if got is None:
        return "None"
    kind = type(got)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return module + kind.__qualname__


def _shape(sizes: Sequence[int]) -> str:
    return str(tuple(sizes))
