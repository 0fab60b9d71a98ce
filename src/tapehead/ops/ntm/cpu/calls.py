"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.ops.ntm.cpu.layout import (
    PACK,
    REDUCE,
    RUN,
    Arguments,
    Layout,
    block_size,
    default_every,
    layout,
)
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.numba_kit.native import Kernel, compile_kernel, kernel_files

_WEIGHTS = NTMWeights._fields
_STATE = NTMState._fields


class Run(NamedTuple):
    """What the backward pass of a forward pass needs besides the weights."""

    tape: Tensor
    lengths: Tensor | None
    plan: Layout
    loan: "_Loan | None" = None
    """Gives the tape back once the run is forgotten."""


_spare: dict[torch.dtype, Tensor] = {}
"""Of each type of number the largest tape that is not in use."""

_LARGEST_SPARE = 2**28
"""Bytes of the largest tape that is worth keeping."""


class _Loan:
    """A tape to be used again.

    The system clears each page of fresh memory at first touch: of a tape beyond 32 MiB, which the C
    library always asks for afresh, that takes as long as the forward pass itself.
    """

    def __init__(self, like: Tensor, count: int):
        spare = _spare.pop(like.dtype, None)
        if spare is None or spare.numel() < count:
            spare = like.new_empty(count)
        self._whole = spare
        self.tape = spare[:count]

    def __del__(self, spare=_spare, largest=_LARGEST_SPARE):
        # Names of the module may be gone by the time the process ends; defaults are not.
        whole = self._whole
        other = spare.get(whole.dtype)
        small = whole.numel() * whole.element_size() <= largest
        if small and (other is None or other.numel() < whole.numel()):
            spare[whole.dtype] = whole


def forward(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    lengths: Tensor | None = None,
    every: int | None = None,
    block: int | None = None,
    clean: bool = False,
    lend: bool = False,
) -> tuple[Tensor, list[Tensor], Run]:
    """Outputs, the parts of the last state, and what `backward` needs; see `ntm`.

    Args:
        block: sequences computed together.
        clean: leave no number of the tape undefined, not even in its gaps.
        lend: the tape may be used for another run as soon as this one's `Run` is gone.
    """
    _check_alike(x, weights, state)
    x = x.contiguous()
    weights = [tensor.contiguous() for tensor in weights]
    state = [_sequences_contiguous(tensor) for tensor in state]
    lengths = None if lengths is None else lengths.long().contiguous()
    plan = plan_for(x, weights, state, spec, every, block)
    kernel = _kernel("forward", x.dtype)
    threads = min(torch.get_num_threads(), plan.groups)
    batch, time, _ = x.shape
    y = x.new_empty(batch, time, plan.sizes.outputs)
    last = [torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in state]
    new = x.new_zeros if clean else x.new_empty
    loan = _Loan(x, batch * plan.tape_size) if lend else None
    tape = loan.tape.view(batch, -1) if loan else new(batch, plan.tape_size)
    scratch = new(plan.packed_size + threads * plan.work_size)

    arguments = plan.arguments()
    arguments.clean = clean
    arguments.x = x.data_ptr()
    arguments.lengths = 0 if lengths is None else lengths.data_ptr()
    for name, tensor in zip(_WEIGHTS, weights, strict=True):
        setattr(arguments, name, tensor.data_ptr())
    for name, stride, after, tensor, result in _state_fields(state, last):
        setattr(arguments, name, tensor.data_ptr())
        setattr(arguments, stride, tensor.stride(0))
        setattr(arguments, after, result.data_ptr())
    arguments.y = y.data_ptr()
    arguments.tape = tape.data_ptr()
    _run(kernel, arguments, plan, scratch, threads)
    return y, last, Run(tape, lengths, plan, loan)


def backward(
    run: Run,
    weights: Sequence[Tensor],
    d_y: Tensor | None,
    d_last: Sequence[Tensor | None],
    *,
    x_wanted: bool,
    state_wanted: Sequence[bool],
) -> tuple[Tensor | None, list[Tensor], list[Tensor | None]]:
    """Gradients of the input if `x_wanted`, of the weights, and of the wanted parts of the state.

    A gradient of None stands for zeros.
    """
    plan, tape = run.plan, run.tape
    kernel = _kernel("backward", tape.dtype)
    threads = min(torch.get_num_threads(), plan.groups)
    sizes = plan.sizes
    batch, time = sizes.batch, sizes.time
    if d_y is None:
        d_y = tape.new_zeros(batch, time, sizes.outputs)
    d_y = d_y.contiguous()
    d_last = [None if d is None else d.contiguous() for d in d_last]
    weights = [tensor.contiguous() for tensor in weights]
    d_x = tape.new_empty(batch, time, sizes.inputs) if x_wanted else None
    d_weights = [torch.empty_like(tensor) for tensor in weights]
    d_state = [
        tape.new_empty(batch, *shape) if wanted else None
        for shape, wanted in zip(plan.state_shapes, state_wanted, strict=True)
    ]
    packed_and_work = plan.packed_size + threads * plan.work_size
    scratch = tape.new_empty(packed_and_work + plan.groups * plan.sums_size)

    arguments = plan.arguments()
    arguments.lengths = 0 if run.lengths is None else run.lengths.data_ptr()
    for name, tensor, gradient in zip(_WEIGHTS, weights, d_weights, strict=True):
        setattr(arguments, name, tensor.data_ptr())
        setattr(arguments, "d_" + name, gradient.data_ptr())
    for name, above, below in zip(_STATE, d_last, d_state, strict=True):
        if above is not None:
            setattr(arguments, "d_last_" + name, above.data_ptr())
        if below is not None:
            setattr(arguments, "d_" + name, below.data_ptr())
    arguments.d_y = d_y.data_ptr()
    if d_x is not None:
        arguments.d_x = d_x.data_ptr()
    arguments.tape = tape.data_ptr()
    bound = tape.new_full((1,), plan.gradient_clip) if plan.gradient_clip else None
    arguments.bound = 0 if bound is None else bound.data_ptr()
    arguments.sums = scratch.data_ptr() + packed_and_work * scratch.element_size()
    _run(kernel, arguments, plan, scratch, threads)
    return d_x, d_weights, d_state


def _check_alike(x: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor]) -> None:
    """The kernels take every address for numbers of one type in this machine's memory."""
    dtype = x.dtype
    for name, tensor in zip(_WEIGHTS + _STATE, (*weights, *state), strict=True):
        if tensor.dtype != dtype or not tensor.is_cpu:
            raise ValueError(
                f"{name} must be {dtype} on cpu as x is, got {tensor.dtype} on {tensor.device}"
            )


def plan_for(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    every: int | None,
    block: int | None = None,
) -> Layout:
    batch, time, inputs = x.shape
    rows, (hidden, outputs, layers) = state[0].shape[1], widths(weights)
    return layout(
        spec,
        batch,
        time,
        inputs,
        outputs,
        rows,
        hidden,
        layers,
        x.element_size(),
        every or default_every(time),
        block or block_size(batch),
    )


def widths(weights: Sequence[Tensor]) -> tuple[int, int, int]:
    """Hidden size, output size and layers."""
    named = NTMWeights(*weights)
    hidden = named.interface_weight.shape[1]
    return hidden, named.output_bias.shape[0], named.layer_weight.shape[0] + 1


_FIELDS = [(name, f"{name}_stride", f"last_{name}") for name in _STATE]


def _state_fields(state, last):
    for (name, stride, after), tensor, result in zip(_FIELDS, state, last, strict=True):
        yield name, stride, after, tensor, result


def _sequences_contiguous(tensor: Tensor) -> Tensor:
    """Contiguous within each sequence; sequences may share memory, as expanded tensors do."""
    if tensor.is_contiguous() or tensor[0].is_contiguous():
        return tensor
    return tensor.contiguous()


def _run(kernel: Kernel, arguments: Arguments, plan: Layout, scratch: Tensor, threads: int):
    arguments.packed = scratch.data_ptr()
    arguments.work = scratch.data_ptr() + plan.packed_size * scratch.element_size()
    address = addressof(arguments)
    if threads == 1:
        arguments.phase = PACK | RUN | REDUCE
        kernel(address)
        return
    for phase, copies in ((PACK, 1), (RUN, threads), (REDUCE, 1)):
        arguments.phase = phase
        kernel(address, copies)


@cache
def _kernel(direction: str, dtype: torch.dtype) -> Kernel:
    """The compiled kernel: "forward" or "backward", of one type of number."""
    if direction == "forward":
        from tapehead.ops.ntm.cpu import forward as module
    else:
        from tapehead.ops.ntm.cpu import backward as module
    double = dtype == torch.float64
    build = getattr(module, f"{direction}_kernel" + ("_double" if double else ""))
    name = f"the NTM's CPU kernels ({'float64' if double else 'float32'})"
    return compile_kernel(name, build, _sources())


@cache
def _sources() -> list[Path]:
    """All files whose contents are compiled in."""
    here = Path(__file__).parent
    ops = here.parent.parent
    return [
        *kernel_files(here, ops / "numba_kit"),
        ops / "addressing.py",
        ops / "similarity.py",
    ]
