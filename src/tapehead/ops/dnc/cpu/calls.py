"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.ops.dnc.admission import admit
from tapehead.ops.dnc.cpu.layout import POINTERS, STATE, WEIGHTS, Arguments, Layout, layout
from tapehead.ops.dnc.cpu.sizes import ALLOCATION_CODES
from tapehead.ops.dnc.cpu.weights import weight_gradients
from tapehead.ops.dnc.parts import DNCSpec
from tapehead.ops.dnc.reference import oneplus
from tapehead.ops.gate import autocasting, check_alike, check_kernel_input
from tapehead.ops.lending import borrow
from tapehead.ops.lengths import own_lengths
from tapehead.ops.numba_kit.native import Kernel, Kernels
from tapehead.ops.numba_kit.phases import PACK, RUN, run_phases
from tapehead.ops.storage import TOO_LARGE, dense, dense_all, room_like, too_large

_FORWARD = (*WEIGHTS, *STATE, *(f"last_{name}" for name in STATE))
_BACKWARD = (*WEIGHTS, *(f"d_last_{name}" for name in STATE), *(f"d_{name}" for name in STATE))

_kernel = Kernels(
    "dnc.cpu",
    "the DNC's CPU kernel ({direction}, {kind})",
    "ntm/cpu",
    "addressing.py",
    "allocation.py",
    "dnc/reference.py",
    "links.py",
    "similarity.py",
)
prepare = _kernel.prepare

STEPS_AT_ONCE = 64
"""Where no tape is kept, its room serves so many steps and is then used again."""


class Run(NamedTuple):
    """A forward pass: its results, and what its backward pass needs besides weights and state.

    `last` and `columns` are the state after it.

    An autograd function saves features, tape, order and lengths by `save_for_backward` and keeps
    the plan: only so can a checkpoint let them go, and a change of the features be noticed.

    order: the rows of every step from least used to most.
    """

    features: Tensor
    last: list[Tensor]
    columns: Tensor
    tape: Tensor
    order: Tensor
    lengths: Tensor | None
    plan: Layout


def forward(
    projected: Tensor,
    offset: Tensor,
    lengths: Tensor | None,
    strength: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    columns: Tensor,
    spec: DNCSpec,
    every: int | None = None,
    *,
    clean: bool = False,
) -> Run:
    """See `dnc`; `columns` are the state's `link_columns`, which are no part of `state` here.

    Args:
        strength: of the softmax allocation, before oneplus.
        clean: leave no number of tape and order undefined, not even in their gaps.
    """
    given = _admitted(projected, offset, lengths, strength, weights, state, columns, spec)
    plan = plan_for(projected, weights, state, spec, every)
    room = _room(projected, plan, clean)
    features, last, columns = _steps(given, plan, room, PACK | RUN)
    return Run(features, last, columns, room.tape, room.order, given.lengths, plan)


def infer(
    projected: Tensor,
    offset: Tensor,
    lengths: Tensor | None,
    strength: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    columns: Tensor,
    spec: DNCSpec,
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Features and last state of `forward`, to the bit, in room for a few steps."""
    given = _admitted(projected, offset, lengths, strength, weights, state, columns, spec)
    batch, time, _ = projected.shape
    plan = plan_for(projected, weights, state, spec, None, min(time, STEPS_AT_ONCE))
    room = _room(projected, plan, clean=False)
    if time <= STEPS_AT_ONCE:
        return _steps(given, plan, room, PACK | RUN)
    features = projected.new_empty(batch, time, plan.sizes["features_size"])
    phases = PACK | RUN
    for low in range(0, time, STEPS_AT_ONCE):
        high = min(time, low + STEPS_AT_ONCE)
        piece = given._replace(
            projected=given.projected[:, low:high],
            offset=given.offset[:, low:high],
            lengths=None if given.lengths is None else given.lengths - low,
        )
        plan = plan_for(projected, weights, state, spec, None, high - low)
        features[:, low:high], last, columns = _steps(piece, plan, room, phases)
        given = given._replace(state=last, columns=columns)
        # The packed weights are still there.
        phases = RUN
    return features, given.state, given.columns


class _Given(NamedTuple):
    """The inputs as the kernel may read them, once `projected` and `offset` are dense."""

    projected: Tensor
    offset: Tensor
    lengths: Tensor | None
    strength: Tensor
    weights: list[Tensor]
    state: list[Tensor]
    columns: Tensor


class _Room(NamedTuple):
    """Where a kernel writes besides its results."""

    tape: Tensor
    order: Tensor
    scratch: Tensor


def _admitted(projected, offset, lengths, strength, weights, state, columns, spec) -> _Given:
    admit(projected, offset, [*weights, *state], STATE, spec)
    check_alike(["allocation_strength"], [strength], [()], like=projected)
    check_kernel_input("projected", projected)
    weights = dense_all(weights)
    state = dense_all(state)
    lengths = own_lengths(lengths, projected)
    if spec.allocation == "softmax":
        strength = oneplus(strength)
    if spec.sparse_links:
        columns = _dense_columns(columns, state)
    return _Given(projected, offset, lengths, dense(strength), weights, state, columns)


def _dense_columns(columns: Tensor, state: Sequence[Tensor]) -> Tensor:
    """Columns of sparse links as the kernel may read them; it keeps them within the rows."""
    shape = state[STATE.index("link")].shape
    like = torch.empty(0, dtype=torch.int64, device=state[0].device)
    check_alike(["state.link_columns"], [columns], [shape], like, leader="an index")
    return dense(columns)


def _room(projected: Tensor, plan: Layout, clean: bool) -> _Room:
    sizes = plan.sizes
    batch, order = sizes["batch"], (sizes["batch"], sizes["time"], sizes["rows"])
    tape, scratch = sizes["tape_size"], sizes["packed_size"] + _threads(plan) * sizes["work_size"]
    try:
        if clean:
            new = projected.new_zeros
            return _Room(new(batch, tape), new(order, dtype=torch.int64), new(scratch))
        return _Room(
            borrow(projected, batch * tape).view(batch, -1),
            projected.new_empty(order, dtype=torch.int64),
            projected.new_empty(scratch),
        )
    except TOO_LARGE as error:
        raise too_large("projected", projected, batch * tape) from error


def _steps(
    given: _Given, plan: Layout, room: _Room, phases: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Run the kernel once."""
    sizes, arguments = plan.sizes, plan.arguments()
    projected, offset = dense(given.projected), dense(given.offset)
    features = projected.new_empty(sizes["batch"], sizes["time"], sizes["features_size"])
    last = [torch.empty_like(tensor) for tensor in given.state]
    tensors = {
        "projected": projected,
        "offset": offset,
        "lengths": given.lengths,
        "strength": given.strength,
        "features": features,
        "tape": room.tape,
        "order": room.order,
        "mask_floor": _mask_floor(plan.spec, projected),
        **dict(zip(_FORWARD, (*given.weights, *given.state, *last), strict=True)),
    }
    columns = given.columns
    if plan.spec.sparse_links:
        columns = torch.empty_like(columns)
        tensors |= {"link_columns": given.columns, "last_link_columns": columns}
    POINTERS.write(arguments, tensors)
    _run(_kernel("forward", projected.dtype), arguments, plan, room.scratch, phases)
    return features, last, columns


def backward(
    run: Run,
    strength: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    d_features: Tensor | None,
    d_last: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, list[Tensor], list[Tensor | None]]:
    """Gradients of the projected input, the offset, the allocation's strength, the weights, and
    the `wanted` parts of the first state. A gradient of None stands for zeros."""
    plan, features = run.plan, run.features
    sizes, arguments, threads = plan.sizes, plan.arguments(), _threads(plan)
    batch, time = sizes["batch"], sizes["time"]
    weights = dense_all(weights)
    state = dense_all(state)
    d_features = torch.zeros_like(features) if d_features is None else dense(d_features)
    d_last = [None if d is None else dense(d) for d in d_last]
    d_projected = features.new_empty(batch, time, sizes["all_gates"])
    d_offset = features.new_empty(batch, time, sizes["interface"])
    d_strength = features.new_empty(batch)
    d_state = [
        room_like(tensor) if want else None for tensor, want in zip(state, wanted, strict=True)
    ]
    norm = weights[4:]
    d_norm = [features.new_empty(batch, len(part)) if len(part) else None for part in norm]
    scratch = features.new_empty(sizes["packed_size"] + threads * sizes["work_size"])
    softmax = sizes["allocation"] == ALLOCATION_CODES["softmax"]
    raised = dense(oneplus(strength) if softmax else strength)
    bound = features.new_full((1,), plan.spec.gradient_clip) if plan.spec.gradient_clip else None
    tensors = {
        "strength": raised,
        "lengths": run.lengths,
        "tape": run.tape,
        "order": run.order,
        "features": features,
        "bound": bound,
        "mask_floor": _mask_floor(plan.spec, features),
        "d_features": d_features,
        "d_projected": d_projected,
        "d_offset": d_offset,
        "d_strength": d_strength,
        "d_norm_gain": d_norm[0],
        "d_norm_bias": d_norm[1],
        **dict(zip(_BACKWARD, (*weights, *d_last, *d_state), strict=True)),
    }
    POINTERS.write(arguments, tensors)
    _run(_kernel("backward", features.dtype), arguments, plan, scratch, PACK | RUN)
    # A backward pass inside `torch.autocast` must not be rounded on the way.
    with torch.autocast("cpu", enabled=False) if autocasting(features) else nullcontext():
        d_weights = weight_gradients(d_projected, d_offset, features, weights, state)
    for weight, each in zip(norm, d_norm, strict=True):
        d_weights.append(room_like(weight) if each is None else each.sum(0))
    d_strength = d_strength.sum()
    if softmax:
        # The slope of oneplus, as autograd has it.
        d_strength = torch.ops.aten.softplus_backward(d_strength, strength, 1, 20)
    return d_projected, d_offset, d_strength, d_weights, d_state


def plan_for(
    projected: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: DNCSpec,
    every: int | None,
    steps: int | None = None,
) -> Layout:
    """Where everything lies in a run of the whole sequence, or of `steps` steps of it."""
    batch, time, _ = projected.shape
    time = steps or time
    rows, layers = state[0].shape[1], weights[2].shape[0] + 1
    hidden = weights[3].shape[1] // layers
    return layout(spec, batch, time, rows, hidden, layers, projected.element_size(), every)


def _mask_floor(spec: DNCSpec, like: Tensor) -> Tensor | None:
    return like.new_full((1,), spec.mask_floor) if spec.masked else None


def _threads(plan: Layout) -> int:
    return min(torch.get_num_threads(), plan.sizes["blocks"])


def _run(kernel: Kernel, arguments: Arguments, plan: Layout, scratch: Tensor, phases: int) -> None:
    arguments.packed = scratch.data_ptr()
    arguments.work = scratch.data_ptr() + plan.sizes["packed_size"] * scratch.element_size()
    run_phases(kernel, arguments, phases, _threads(plan))
