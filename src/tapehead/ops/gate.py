"""What may reach an operation: every tensor is looked at here, once, before anything reads it.

A kernel takes an address for what the caller says it is, and PyTorch's own messages name neither
the argument nor the way out. So each refusal is one line: the argument, what it must be, what it
was. Values are looked at only where that is possible: not of meta tensors, nor while a graph is
captured.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence

from tapehead.ops.storage import has_storage, too_large
from tapehead.room import memory_of


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
            refuse_type(name, "a tensor", tensor)
        if tensor.dtype is not dtype or tensor.device != device:
            raise ValueError(
                f"{name} must be {dtype} on {device} as {leader} is, "
                f"got {tensor.dtype} on {tensor.device}"
            )
        if tensor.layout is not strided or tensor.is_nested:
            refuse_layout(name, tensor)
        raise ValueError(f"{name} must have shape {_shape(shape)}, got {_shape(tensor.shape)}")


MANY = 2**24
"""Numbers from which on it is asked whether memory can hold what is made of them."""


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


def is_dense(tensor: Any) -> bool:
    """Whether it is a tensor with a shape, laid out as usual."""
    return isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_nested


def check_rank(name: str, tensor: Any, *sizes: int | str) -> None:
    """Raise unless it is a dense tensor of these sizes; a size with a name may be any but zero."""
    if is_dense(tensor):
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
        refuse_type(name, f"a tensor {wanted}", tensor)
    if tensor.layout is not torch.strided or tensor.is_nested:
        refuse_layout(name, tensor)
    raise ValueError(
        f"{name} must be {wanted} with at least one of each, got shape {_shape(tensor.shape)}"
    )


def size(name: str, tensor: Any, dimension: int) -> int:
    """A size of a tensor, to hold others against."""
    if not isinstance(tensor, Tensor):
        refuse_type(name, "a tensor", tensor)
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


def check_numbers(name: str, tensor: Tensor, like: Tensor, leader: str) -> None:
    """Raise unless a tensor is of the type and on the device of `like`, called `leader`."""
    check_type(name, tensor, like.dtype, like.device, f"as {leader} are")


def check_room(name: str, tensor: Tensor, outputs: int) -> None:
    """Raise if not even the outputs of a sequence (batch, time, ...) would fit into memory: one
    number can be expanded to any length, and its steps would take for ever."""
    batch, time = tensor.shape[:2]
    # Asked only of what is large, as memory is looked up in files.
    if torch.compiler.is_compiling() or batch * time < MANY:
        return
    there_is = memory_of(tensor.device.type, tensor.device.index)
    needs = batch * time * outputs * tensor.element_size()
    if there_is is not None and needs > there_is:
        raise too_large(name, tensor, batch * time * outputs)


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


def check_kernel_input(name: str, tensor: Tensor) -> None:
    """Raise unless a CPU kernel can compute with tensors of this one's type, where it is."""
    if tensor.dtype not in (torch.float32, torch.float64) or not tensor.is_cpu:
        raise ValueError(
            f"{name} must be torch.float32 or torch.float64 on cpu for this backend, "
            f"got {tensor.dtype} on {tensor.device}"
        )


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


def refuse_type(name: str, wanted: str, got: Any) -> NoReturn:
    raise TypeError(f"{name} must be {wanted}, got {kind_of(got)}")


def refuse_layout(name: str, tensor: Tensor) -> NoReturn:
    what = "a nested tensor" if tensor.is_nested else str(tensor.layout)
    raise ValueError(f"{name} must be a dense tensor, got {what}")


def kind_of(got: Any) -> str:
    if isinstance(got, Tensor):
        return f"{got.dtype} on {got.device}"
    if got is None:
        return "None"
    kind = type(got)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return module + kind.__qualname__


def _shape(sizes: Sequence[int]) -> str:
    return str(tuple(sizes))
