"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.ops.gate import check_kernel_input
from tapehead.ops.lending import borrow
from tapehead.ops.lengths import own_lengths
from tapehead.ops.ntm.admission import admit
from tapehead.ops.ntm.cpu.layout import (
    Arguments,
    Layout,
    block_size,
    default_every,
    layout,
)
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.numba_kit.native import Kernel, Kernels
from tapehead.ops.numba_kit.phases import PACK, REDUCE, RUN, run_phases
from tapehead.ops.storage import TOO_LARGE, address, dense, dense_all, room_like, too_large

_WEIGHTS = NTMWeights._fields
_STATE = NTMState._fields

_kernel = Kernels("ntm.cpu", "the NTM's CPU kernels ({kind})", "addressing.py", "similarity.py")
prepare = _kernel.prepare

NOTHING: Mapping[str, int] = MappingProxyType({})

STEPS_AT_ONCE = 64
"""Where no tape is kept, its room serves so many steps and is then used again."""


class Run(NamedTuple):
    """What the backward pass of a forward pass needs besides the weights.

    An autograd function saves `tape` and `lengths` by `save_for_backward` and keeps the plan: only
    so can a checkpoint let the tape go.
    """

    tape: Tensor
    lengths: Tensor | None
    plan: Layout


def forward(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    lengths: Tensor | None = None,
    every: int | None = None,
    block: int | None = None,
    clean: bool = False,
    more: Mapping[str, int] = NOTHING,
) -> tuple[Tensor, list[Tensor], Run]:
    """Outputs, the parts of the last state, and what `backward` needs; see `ntm`.

    Args:
        block: sequences computed together.
        clean: leave no number of the tape undefined, not even in its gaps.
        more: further fields of the kernel's arguments, by name.
    """
    x, weights, state, lengths = _admitted(x, weights, state, spec, lengths)
    plan = plan_for(x, weights, state, spec, every, block)
    room = _room(x, plan, clean)
    y, last = _steps(x, weights, state, lengths, plan, room, PACK | RUN, clean, more)
    return y, last, Run(room.tape, lengths, plan)


def infer(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    lengths: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Outputs and the parts of the last state of `forward`, to the bit, in room for a few steps."""
    x, weights, state, lengths = _admitted(x, weights, state, spec, lengths)
    time = x.shape[1]
    plan = plan_for(x, weights, state, spec, None, steps=min(time, STEPS_AT_ONCE))
    room = _room(x, plan, clean=False)
    if time <= STEPS_AT_ONCE:
        return _steps(x, weights, state, lengths, plan, room, PACK | RUN)
    y = x.new_empty(x.shape[0], time, plan.sizes.outputs)
    phases = PACK | RUN
    for low in range(0, time, STEPS_AT_ONCE):
        piece = x[:, low : low + STEPS_AT_ONCE].contiguous()
        left = None if lengths is None else lengths - low
        plan = plan_for(piece, weights, state, spec, None)
        here, state = _steps(piece, weights, state, left, plan, room, phases)
        y[:, low : low + STEPS_AT_ONCE] = here
        # The packed weights are still there.
        phases = RUN
    return y, state


class _Room(NamedTuple):
    """Where a kernel writes besides its results."""

    tape: Tensor
    scratch: Tensor


def _room(x: Tensor, plan: Layout, clean: bool) -> _Room:
    batch = x.shape[0]
    scratch = plan.packed_size + _threads(plan) * plan.work_size
    try:
        if clean:
            return _Room(x.new_zeros(batch, plan.tape_size), x.new_zeros(scratch))
        tape = borrow(x, batch * plan.tape_size).view(batch, -1)
        return _Room(tape, x.new_empty(scratch))
    except TOO_LARGE as error:
        raise too_large("x", x, batch * plan.tape_size) from error


def _admitted(x, weights, state, spec, lengths):
    """The inputs as the kernel may read them."""
    admit(x, weights, state, spec)
    check_kernel_input("x", x)
    x = dense(x)
    weights = dense_all(weights)
    state = [_sequences_dense(tensor) for tensor in state]
    return x, weights, state, own_lengths(lengths, x)


def _steps(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    lengths: Tensor | None,
    plan: Layout,
    room: _Room,
    phases: int,
    clean: bool = False,
    more: Mapping[str, int] = NOTHING,
) -> tuple[Tensor, list[Tensor]]:
    """Run the kernel once."""
    batch, time, _ = x.shape
    y = x.new_empty(batch, time, plan.sizes.outputs)
    last = [room_like(tensor) for tensor in state]
    arguments = plan.arguments()
    arguments.clean = clean
    for name, value in more.items():
        setattr(arguments, name, value)
    arguments.x = address("x", x)
    arguments.lengths = 0 if lengths is None else lengths.data_ptr()
    for name, tensor in zip(_WEIGHTS, weights, strict=True):
        setattr(arguments, name, tensor.data_ptr() or address(name, tensor))
    for name, stride, after, tensor, result in _state_fields(state, last):
        setattr(arguments, name, tensor.data_ptr() or address(name, tensor))
        setattr(arguments, stride, tensor.stride(0))
        setattr(arguments, after, result.data_ptr())
    arguments.y = y.data_ptr()
    arguments.tape = room.tape.data_ptr()
    _run(_kernel("forward", x.dtype), arguments, plan, room.scratch, phases)
    return y, last


def backward(
    run: Run,
    weights: Sequence[Tensor],
    d_y: Tensor | None,
    d_last: Sequence[Tensor | None],
    *,
    x_wanted: bool,
    state_wanted: Sequence[bool],
    more: Mapping[str, int] = NOTHING,
) -> tuple[Tensor | None, list[Tensor], list[Tensor | None]]:
    """Gradients of the input if `x_wanted`, of the weights, and of the wanted parts of the state.

    A gradient of None stands for zeros.
    """
    plan, tape = run.plan, run.tape
    sizes = plan.sizes
    batch, time = sizes.batch, sizes.time
    if d_y is None:
        d_y = tape.new_zeros(batch, time, sizes.outputs)
    d_y = dense(d_y)
    d_last = [None if d is None else dense(d) for d in d_last]
    weights = dense_all(weights)
    d_x = tape.new_empty(batch, time, sizes.inputs) if x_wanted else None
    d_weights = [room_like(tensor) for tensor in weights]
    d_state = [
        tape.new_empty(batch, *shape) if wanted else None
        for shape, wanted in zip(plan.state_shapes, state_wanted, strict=True)
    ]
    packed_and_work = plan.packed_size + _threads(plan) * plan.work_size
    scratch = tape.new_empty(packed_and_work + plan.groups * plan.sums_size)

    arguments = plan.arguments()
    arguments.lengths = 0 if run.lengths is None else run.lengths.data_ptr()
    for name, value in more.items():
        setattr(arguments, name, value)
    for name, tensor, gradient in zip(_WEIGHTS, weights, d_weights, strict=True):
        setattr(arguments, name, tensor.data_ptr() or address(name, tensor))
        setattr(arguments, "d_" + name, gradient.data_ptr())
    for name, above, below in zip(_STATE, d_last, d_state, strict=True):
        if above is not None:
            setattr(arguments, "d_last_" + name, address(name, above))
        if below is not None:
            setattr(arguments, "d_" + name, below.data_ptr())
    arguments.d_y = address("the gradient of y", d_y)
    if d_x is not None:
        arguments.d_x = d_x.data_ptr()
    arguments.tape = tape.data_ptr()
    bound = tape.new_full((1,), plan.gradient_clip) if plan.gradient_clip else None
    arguments.bound = 0 if bound is None else bound.data_ptr()
    arguments.sums = scratch.data_ptr() + packed_and_work * scratch.element_size()
    _run(_kernel("backward", tape.dtype), arguments, plan, scratch, PACK | RUN | REDUCE)
    return d_x, d_weights, d_state


def plan_for(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    every: int | None,
    block: int | None = None,
    steps: int | None = None,
) -> Layout:
    """Where everything lies in a run of x, or of `steps` steps of it."""
    batch, time, inputs = x.shape
    time = steps or time
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


def _sequences_dense(tensor: Tensor) -> Tensor:
    """Dense within each sequence; sequences may share memory, as expanded tensors do."""
    if tensor.is_contiguous() or tensor[0].is_contiguous():
        return tensor.resolve_neg() if tensor.is_neg() else tensor
    return dense(tensor)


def _threads(plan: Layout) -> int:
    return min(torch.get_num_threads(), plan.groups)


def _run(kernel: Kernel, arguments: Arguments, plan: Layout, scratch: Tensor, phases: int) -> None:
    arguments.packed = scratch.data_ptr()
    arguments.work = scratch.data_ptr() + plan.packed_size * scratch.element_size()
    run_phases(kernel, arguments, phases, _threads(plan))
