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
from tapehead.ops.ntm.reference import NTMSpec, NTMState, NTMWeights
from tapehead.ops.numba_kit.native import Kernel, compile_kernel

_WEIGHTS = NTMWeights._fields
_STATE = NTMState._fields


class Run(NamedTuple):
    """A forward pass: its results, and what its backward pass needs besides the weights."""

    features: Tensor | None
    last: list[Tensor] | None
    tape: Tensor
    lengths: Tensor | None
    plan: Layout

    def without_results(self) -> "Run":
        return self._replace(features=None, last=None)


def forward(
    projected: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    lengths: Tensor | None = None,
    every: int | None = None,
    block: int | None = None,
    clean: bool = False,
) -> Run:
    """See `ntm`.

    Args:
        block: sequences computed together.
        clean: leave no number of the tape undefined, not even in its gaps.
    """
    projected = projected.contiguous()
    weights = [tensor.contiguous() for tensor in weights]
    state = [_sequences_contiguous(tensor) for tensor in state]
    lengths = None if lengths is None else lengths.long().contiguous()
    plan = plan_for(projected, weights, state, spec, every, block)
    kernel = _kernel("forward", projected.dtype)
    threads = min(torch.get_num_threads(), plan.groups)
    batch, time, _ = projected.shape
    features = projected.new_empty(batch, time, plan.features_size)
    last = [torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in state]
    new = projected.new_zeros if clean else projected.new_empty
    tape = new(batch, plan.tape_size)
    scratch = new(plan.packed_size + threads * plan.work_size)

    arguments = plan.arguments()
    arguments.clean = clean
    arguments.projected = projected.data_ptr()
    arguments.lengths = 0 if lengths is None else lengths.data_ptr()
    for name, tensor in zip(_WEIGHTS, weights, strict=True):
        setattr(arguments, name, tensor.data_ptr())
    for name, stride, after, tensor, result in _state_fields(state, last):
        setattr(arguments, name, tensor.data_ptr())
        setattr(arguments, stride, tensor.stride(0))
        setattr(arguments, after, result.data_ptr())
    arguments.features = features.data_ptr()
    arguments.tape = tape.data_ptr()
    _run(kernel, arguments, plan, scratch, threads)
    return Run(features, last, tape, lengths, plan)


def backward(
    run: Run,
    weights: Sequence[Tensor],
    d_features: Tensor | None,
    d_last: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    """Gradients of the projected input, of the weights, and of the `wanted` parts of the state.

    A gradient of None stands for zeros.
    """
    plan, tape = run.plan, run.tape
    kernel = _kernel("backward", tape.dtype)
    threads = min(torch.get_num_threads(), plan.groups)
    sizes = plan.sizes
    batch, time = sizes.batch, sizes.time
    if d_features is None:
        d_features = tape.new_zeros(batch, time, plan.features_size)
    d_features = d_features.contiguous()
    d_last = [None if d is None else d.contiguous() for d in d_last]
    weights = [tensor.contiguous() for tensor in weights]
    d_projected = tape.new_empty(batch, time, sizes.gates)
    d_weights = [torch.empty_like(tensor) for tensor in weights]
    d_state = [
        tape.new_empty(batch, *shape) if want else None
        for shape, want in zip(plan.state_shapes, wanted, strict=True)
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
    arguments.d_features = d_features.data_ptr()
    arguments.d_projected = d_projected.data_ptr()
    arguments.tape = tape.data_ptr()
    arguments.sums = scratch.data_ptr() + packed_and_work * scratch.element_size()
    _run(kernel, arguments, plan, scratch, threads)
    return d_projected, d_weights, d_state


def plan_for(
    projected: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: NTMSpec,
    every: int | None,
    block: int | None = None,
) -> Layout:
    batch, time, _ = projected.shape
    rows, hidden, layers = state[0].shape[1], weights[4].shape[1], weights[2].shape[0] + 1
    return layout(
        spec,
        batch,
        time,
        rows,
        hidden,
        layers,
        projected.element_size(),
        every or default_every(time),
        block or block_size(batch),
    )


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
    python_only = {"__init__.py", "calls.py", "registered.py", "tracing.py", "native.py"}
    folders = [here, ops / "numba_kit"]
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    return [
        *(file for file in files if file.name not in python_only),
        ops / "addressing.py",
        ops / "similarity.py",
    ]
