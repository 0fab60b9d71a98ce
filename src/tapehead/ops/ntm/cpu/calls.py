"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tapehead.ops.ntm.cpu.layout import PACK, REDUCE, RUN, Arguments, Layout
from tapehead.ops.ntm.reference import NTMState, NTMWeights
from tapehead.ops.numba_kit.native import Kernel, compile_kernel

_STATE = NTMState._fields
_WEIGHTS = NTMWeights._fields


@cache
def _kernel(direction: str, dtype: torch.dtype) -> Kernel:
    """The compiled kernel: "forward" or "backward", of one type of number."""
    if direction == "forward":
        from tapehead.ops.ntm.cpu import forward as module
    else:
        from tapehead.ops.ntm.cpu import backward as module
    double = dtype == torch.float64
    build = getattr(module, f"{direction}_kernel" + ("_double" if double else ""))
    name = f"the NTM's CPU kernel ({direction}, {'float64' if double else 'float32'})"
    return compile_kernel(name, build, _sources())


@cache
def _sources() -> list[Path]:
    here = Path(__file__).parent
    kit = here.parent.parent / "numba_kit"
    constants = [here.parent.parent / "addressing.py", here.parent.parent / "similarity.py"]
    return [*sorted(here.glob("*.py")), *sorted(kit.glob("*.py")), *constants]


def run_forward(
    plan: Layout,
    projected: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    lengths: Tensor | None,
    features_size: int,
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Features, the last state and the tape."""
    batch, time = projected.shape[:2]
    kernel = _kernel("forward", projected.dtype)
    arguments = plan.arguments()
    threads = _threads(plan)
    features = projected.new_empty(batch, time, features_size)
    last = [projected.new_empty(tensor.shape) for tensor in state]
    tape = projected.new_empty(batch * plan.tape_size)
    scratch = projected.new_empty(plan.packed_size + threads * plan.work_size)

    arguments.projected = projected.data_ptr()
    arguments.lengths = 0 if lengths is None else lengths.data_ptr()
    for name, tensor in zip(_WEIGHTS, weights, strict=True):
        setattr(arguments, name, tensor.data_ptr())
    for name, tensor, after in zip(_STATE, state, last, strict=True):
        setattr(arguments, name, tensor.data_ptr())
        setattr(arguments, f"{name}_stride", tensor.stride(0))
        setattr(arguments, f"last_{name}", after.data_ptr())
    arguments.features = features.data_ptr()
    arguments.tape = tape.data_ptr()
    _run(kernel, arguments, plan, scratch, threads)
    return features, last, tape


def run_backward(
    plan: Layout,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    tape: Tensor,
    features: Tensor,
    d_features: Tensor,
    d_last: Sequence[Tensor | None],
    gates: int,
    state_shapes: Sequence[torch.Size],
    wanted: Sequence[bool],
) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    """Gradients of the projected input, the weights, and the `wanted` parts of the first state."""
    batch, time = d_features.shape[:2]
    kernel = _kernel("backward", d_features.dtype)
    arguments = plan.arguments()
    threads = _threads(plan)
    d_projected = d_features.new_empty(batch, time, gates)
    d_weights = [torch.empty_like(tensor) for tensor in weights]
    d_state = [
        d_features.new_empty(shape) if want else None
        for shape, want in zip(state_shapes, wanted, strict=True)
    ]
    scratch = d_features.new_empty(
        plan.packed_size + threads * plan.work_size + plan.groups * plan.sums_size
    )
    arguments.lengths = 0 if lengths is None else lengths.data_ptr()
    for name, tensor, gradient in zip(_WEIGHTS, weights, d_weights, strict=True):
        setattr(arguments, name, tensor.data_ptr())
        setattr(arguments, f"d_{name}", gradient.data_ptr())
    for name, above, below in zip(_STATE, d_last, d_state, strict=True):
        setattr(arguments, f"d_last_{name}", 0 if above is None else above.data_ptr())
        setattr(arguments, f"d_{name}", 0 if below is None else below.data_ptr())
    arguments.d_features = d_features.data_ptr()
    arguments.d_projected = d_projected.data_ptr()
    arguments.tape = tape.data_ptr()
    arguments.sums = (
        scratch.data_ptr() + (plan.packed_size + threads * plan.work_size) * scratch.element_size()
    )
    _run(kernel, arguments, plan, scratch, threads)
    return d_projected, d_weights, d_state


def _threads(plan: Layout) -> int:
    return min(torch.get_num_threads(), plan.groups)


def _run(kernel: Kernel, arguments: Arguments, plan: Layout, scratch: Tensor, threads: int):
    arguments.packed = scratch.data_ptr()
    arguments.work = scratch.data_ptr() + plan.packed_size * scratch.element_size()
    address = addressof(arguments)
    if threads == 1:
        arguments.phase = PACK | RUN | REDUCE
        kernel(address)
        return
    arguments.phase = PACK
    kernel(address)
    arguments.phase = RUN
    kernel(address, threads)
    arguments.phase = REDUCE
    kernel(address)
