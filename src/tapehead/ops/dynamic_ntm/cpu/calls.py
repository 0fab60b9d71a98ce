"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.ops.dynamic_ntm.admission import admit
from tapehead.ops.dynamic_ntm.cpu.layout import FEEDFORWARD, GRU, LSTM, POINTERS, Arguments, layout
from tapehead.ops.dynamic_ntm.parts import DynamicNTMSpec, DynamicNTMState, DynamicNTMWeights
from tapehead.ops.estimators.addresses import Choosing
from tapehead.ops.gate import check_kernel_input
from tapehead.ops.lending import borrow
from tapehead.ops.lengths import own_lengths
from tapehead.ops.ntm.cpu.choices import codes
from tapehead.ops.numba_kit.native import Kernels
from tapehead.ops.numba_kit.phases import PACK, RUN, run_phases
from tapehead.ops.storage import TOO_LARGE, dense, dense_all, room_like, too_large

_WEIGHTS = DynamicNTMWeights._fields
_INSIDE = _WEIGHTS[:-2]
"""Weights that the kernel reads: all but those of the output."""
_STATE = DynamicNTMState._fields

_SHARED = ("choices", "controller", "memory", "similarity", "softmax", "tape")
"""Parts of the NTM's kernels."""

_kernel = Kernels(
    "dynamic_ntm.cpu",
    "the Dynamic NTM's CPU kernels ({kind})",
    *(f"ntm/cpu/{name}.py" for name in _SHARED),
    "gru/cpu/gates.py",
    "dynamic_ntm/reference.py",
    "similarity.py",
)
prepare = _kernel.prepare


class Run(NamedTuple):
    """What the backward pass of a forward pass needs besides weights and state.

    found: what each turn of reading found, (batch, time, turns, reads times word).
    """

    tape: Tensor
    found: Tensor
    features: Tensor
    logits: Tensor
    lengths: Tensor | None


class Found(NamedTuple):
    """What the kernel gives; of a controller without a cell the last one is the first."""

    features: Tensor
    last: DynamicNTMState
    logits: Tensor
    weights: Tensor


def forward(
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: DynamicNTMSpec,
    choose: Choosing,
    lengths: Tensor | None = None,
    offset: Tensor | None = None,
    *,
    keep: bool = True,
) -> tuple[Found, Run]:
    """The inputs of the output layer, the last state, all addresses, and what `backward` needs, if
    it is to be kept; see `reference.dynamic_ntm_features`."""
    admit(x, weights, state, spec)
    check_kernel_input("x", x)
    x, lengths = dense(x), own_lengths(lengths, x)
    weights, state = dense_all(weights), dense_all(state)
    plan = _plan(x, weights, spec, keep)
    batch, time = plan.batch, plan.time
    # What lies past a sequence's end is not written.
    room = x.new_empty if lengths is None else x.new_zeros
    logits = room(batch, time, plan.choices, plan.rows)
    found = Found(
        room(batch, time, plan.features_size),
        DynamicNTMState(*(room_like(part) for part in state)),
        logits,
        room(logits.shape),
    )
    tape_size = batch * (1 + time * keep) * plan.record
    try:
        tape = borrow(x, tape_size) if keep else x.new_empty(tape_size)
    except TOO_LARGE as error:
        raise too_large("x", x, tape_size) from error
    turns = room(batch, time, plan.turns, plan.read_numbers) if keep else None
    tensors = dict(zip(_INSIDE, weights[: len(_INSIDE)], strict=True)) | dict(
        zip(_STATE, state, strict=True)
    )
    tensors |= {f"last_{name}": part for name, part in found.last._asdict().items()}
    tensors |= {
        "x": x, "lengths": lengths, "features": found.features, "found": turns, "tape": tape,
        "choice_logits": found.logits, "choice_weights": found.weights,
        "choice_offset": _dense(offset),
    }  # fmt: skip
    _run("forward", plan, choose, tensors, x)
    if plan.controller != LSTM:
        found = found._replace(last=found.last._replace(cell=state[-1]))
    return found, Run(tape, tape if turns is None else turns, found.features, logits, lengths)


def backward(
    run: Run,
    x: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: DynamicNTMSpec,
    choose: Choosing,
    above: Found,
    *,
    x_wanted: bool,
    noise_wanted: bool,
    offset_wanted: bool,
) -> tuple[Tensor | None, list[Tensor | None], list[Tensor | None], Tensor | None, Tensor | None]:
    """Gradients of x, of the weights but for the output's, of the state, of noise and offset; not
    of those that are not wanted, nor of a cell that there is not. A given one of None stands for
    zeros."""
    x, weights, state = dense(x), dense_all(weights), dense_all(state)
    plan = _plan(x, weights, spec, keep=True)
    batch, time = plan.batch, plan.time
    room = x.new_empty if run.lengths is None else x.new_zeros
    slopes: dict[str, Tensor] = {
        "d_read": room(batch, time, plan.turns, plan.reading),
        "d_input": room(batch, time, plan.gates),
        "d_asked": room(batch, time, plan.asked),
        "d_shown": room(batch, time, plan.shown),
        "d_address": x.new_empty(batch, plan.rows, plan.address_size),
    }
    if plan.controller == GRU:
        slopes["d_recurrent"] = room(batch, time, plan.gates)
    d_state = {
        f"d_{name}": room_like(part) if name != "cell" or plan.controller == LSTM else None
        for name, part in zip(_STATE, state, strict=True)
    }
    d_noise = room(run.logits.shape) if noise_wanted else None
    d_offset = room(run.logits.shape) if offset_wanted else None
    tensors = dict(zip(_INSIDE, weights[: len(_INSIDE)], strict=True)) | slopes | d_state
    tensors |= {f"d_last_{name}": _dense(part) for name, part in above.last._asdict().items()}
    tensors |= {
        "lengths": run.lengths, "tape": run.tape, "choice_logits": run.logits,
        "d_features": _dense(above.features), "d_choice_logits": _dense(above.logits),
        "d_choice_weights": _dense(above.weights), "d_choice_noise": d_noise,
        "d_choice_offset": d_offset,
    }  # fmt: skip
    _run("backward", plan, choose, tensors, x)
    d_weights = _of_weights(slopes, run, x, state, plan)
    d_x = _of_inputs(slopes, weights, plan) if x_wanted else None
    return d_x, d_weights, [*d_state.values()], d_noise, d_offset


def _of_weights(
    slopes: dict[str, Tensor], run: Run, x: Tensor, state: Sequence[Tensor], plan: Arguments
) -> list[Tensor | None]:
    """Gradients of the weights: what each was multiplied by, times what came back."""
    size, inputs, turns = plan.hidden_size, plan.inputs, plan.turns
    _, _, reads, hidden, _ = state
    first = torch.cat([hidden, reads.flatten(1)], 1)[:, None]
    before = torch.cat([first, run.features[:, :-1]], 1)
    seen = torch.cat([x, run.features[..., size:]], -1).flatten(0, 1)
    after = run.features[..., :size].flatten(0, 1)
    known = torch.cat([x, before], -1)
    d_read = slopes["d_read"]
    if turns == 1:
        known = known.flatten(0, 1)
    else:
        # All turns know the same, but for what the one before found.
        later = known[:, :, None].expand(-1, -1, turns - 1, -1)[..., : inputs + size]
        later = torch.cat([later, run.found[:, :, :-1]], -1)
        known = torch.cat([known[:, :, None], later], 2).flatten(0, 2)
    d_read, d_input = d_read.view(-1, plan.reading), slopes["d_input"].flatten(0, 1)
    d_asked, d_shown = slopes["d_asked"].flatten(0, 1), slopes["d_shown"].flatten(0, 1)
    words = plan.num_writes * plan.content_size
    pieces = (plan.num_writes * plan.numbers, words, words, plan.num_writes)
    asked, shown = d_asked.mT @ after, d_shown.mT @ x.flatten(0, 1)
    d_write, d_erase, d_candidate, d_gate = asked.split(pieces)
    gates, biases = shown.split((plan.num_writes, words)), d_asked.sum(0).split(pieces)
    if plan.controller == FEEDFORWARD:
        recurrent = [d_input.new_empty(0, size), d_input.new_empty(0)]
    else:
        d_recurrent = slopes.get("d_recurrent", slopes["d_input"]).flatten(0, 1)
        recurrent = [d_recurrent.mT @ before[..., :size].flatten(0, 1), d_recurrent.sum(0)]
    return [
        slopes["d_address"].sum(0),
        d_read.mT @ known,
        d_read.sum(0),
        d_input.mT @ seen,
        d_input.sum(0),
        *recurrent,
        d_write,
        biases[0],
        d_erase,
        biases[1],
        d_candidate,
        biases[2],
        gates[1],
        torch.cat([gates[0], d_gate], 1),
        biases[3],
    ]


def _of_inputs(slopes: dict[str, Tensor], weights: Sequence[Tensor], plan: Arguments) -> Tensor:
    named, inputs = DynamicNTMWeights(*weights), plan.inputs
    d_gate, d_shown = slopes["d_shown"].split(
        (plan.num_writes, plan.num_writes * plan.content_size), -1
    )
    return (
        slopes["d_read"].sum(2) @ named.read_weight[:, :inputs]
        + slopes["d_input"] @ named.input_weight[:, :inputs]
        + d_gate @ named.gate_weight[:, :inputs]
        + d_shown @ named.shown_weight
    )


def _run(
    direction: str, plan: Arguments, choose: Choosing, tensors: dict[str, Tensor | None], x: Tensor
) -> None:
    threads = max(1, min(torch.get_num_threads(), plan.blocks))
    arguments = Arguments.from_buffer_copy(plan)
    for name, code in codes(choose).items():
        setattr(arguments, name, code)
    tensors = tensors | {
        "packed": x.new_empty(plan.packed_size),
        "work": x.new_empty(threads * plan.work_size),
        "choice_noise": _dense(choose.noise),
        "choice_temperature": x.new_full((1,), choose.temperature),
    }
    POINTERS.write(arguments, tensors)
    run_phases(_kernel(direction, x.dtype), arguments, PACK | RUN, threads)


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else dense(tensor)


def _plan(x: Tensor, weights: Sequence[Tensor], spec: DynamicNTMSpec, keep: bool) -> Arguments:
    batch, time, inputs = x.shape
    named = DynamicNTMWeights(*weights)
    rows, address = named.address.shape
    hidden = named.write_weight.shape[1]
    if spec.called:
        # The cache must not keep a machine's parts alive.
        spec = replace(spec, called=None)
    return layout(spec, batch, time, inputs, rows, address, hidden, x.element_size(), keep)
