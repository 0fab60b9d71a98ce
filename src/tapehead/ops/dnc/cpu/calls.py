"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tapehead.ops.dnc.cpu.layout import PACK, RUN, STATE, WEIGHTS, Arguments, Layout
from tapehead.ops.numba_kit.native import Kernel, compile_kernel


@cache
def _kernel(direction: str, dtype: torch.dtype) -> Kernel:
    """The compiled kernel: "forward" or "backward", of one type of number."""
    if direction == "forward":
        from tapehead.ops.dnc.cpu import forward as module
    else:
        from tapehead.ops.dnc.cpu import backward as module
    double = dtype == torch.float64
    build = getattr(module, f"{direction}_kernel" + ("_double" if double else ""))
    name = f"the DNC's CPU kernel ({direction}, {'float64' if double else 'float32'})"
    return compile_kernel(name, build, _sources())


@cache
def _sources() -> list[Path]:
    here = Path(__file__).parent
    ops = here.parent.parent
    others = [ops / "allocation.py", ops / "similarity.py", ops / "ntm" / "cpu" / "controller.py"]
    return [*sorted(here.glob("*.py")), *sorted((ops / "numba_kit").glob("*.py")), *others]


def run_forward(
    plan: Layout,
    projected: Tensor,
    offset: Tensor,
    weights: Sequence[Tensor],
    strength: Tensor,
    state: Sequence[Tensor],
    lengths: Tensor | None,
    features_size: int,
    rows: int,
) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
    """Features, the last state, the tape, and the rows of every step in order of usage."""
    batch, time = projected.shape[:2]
    arguments = plan.arguments()
    threads = _threads(plan)
    features = projected.new_empty(batch, time, features_size)
    last = [torch.empty_like(tensor) for tensor in state]
    tape = projected.new_empty(batch * plan.tape_size)
    order = torch.empty(batch, time, rows, dtype=torch.int64)
    scratch = projected.new_empty(plan.packed_size + threads * plan.work_size)
    _point(arguments, "", WEIGHTS, weights)
    _point(arguments, "", STATE, state)
    _point(arguments, "last_", STATE, last)
    names = ["projected", "offset", "lengths", "strength", "features", "tape", "order"]
    _point(arguments, "", names, [projected, offset, lengths, strength, features, tape, order])
    _run(_kernel("forward", projected.dtype), arguments, plan, scratch, threads)
    return features, last, tape, order


def run_backward(
    plan: Layout,
    weights: Sequence[Tensor],
    strength: Tensor,
    lengths: Tensor | None,
    tape: Tensor,
    order: Tensor,
    features: Tensor,
    d_features: Tensor,
    d_last: Sequence[Tensor | None],
    state: Sequence[Tensor],
    wanted: Sequence[bool],
    gates: int,
    interface: int,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor | None]]:
    """Gradients of the projected input, the offset, the allocation's strength (for each
    sequence), and the `wanted` parts of the first state."""
    batch, time = d_features.shape[:2]
    arguments = plan.arguments()
    threads = _threads(plan)
    d_projected = d_features.new_empty(batch, time, gates)
    d_offset = d_features.new_empty(batch, time, interface)
    d_strength = d_features.new_empty(batch)
    d_state = [
        torch.empty_like(tensor) if want else None
        for tensor, want in zip(state, wanted, strict=True)
    ]
    scratch = d_features.new_empty(plan.packed_size + threads * plan.work_size)
    _point(arguments, "", WEIGHTS, weights)
    _point(arguments, "d_last_", STATE, d_last)
    _point(arguments, "d_", STATE, d_state)
    names = ["strength", "lengths", "tape", "order", "features"]
    _point(arguments, "", names, [strength, lengths, tape, order, features])
    names = ["features", "projected", "offset", "strength"]
    _point(arguments, "d_", names, [d_features, d_projected, d_offset, d_strength])
    _run(_kernel("backward", d_features.dtype), arguments, plan, scratch, threads)
    return d_projected, d_offset, d_strength, d_state


def _point(
    arguments: Arguments, prefix: str, names: Sequence[str], tensors: Sequence[Tensor | None]
) -> None:
    for name, tensor in zip(names, tensors, strict=True):
        setattr(arguments, prefix + name, 0 if tensor is None else tensor.data_ptr())


def _threads(plan: Layout) -> int:
    return min(torch.get_num_threads(), plan.blocks)


def _run(kernel: Kernel, arguments: Arguments, plan: Layout, scratch: Tensor, threads: int):
    arguments.packed = scratch.data_ptr()
    arguments.work = scratch.data_ptr() + plan.packed_size * scratch.element_size()
    address = addressof(arguments)
    if threads == 1:
        arguments.phase = PACK | RUN
        kernel(address)
        return
    arguments.phase = PACK
    kernel(address)
    arguments.phase = RUN
    kernel(address, threads)
