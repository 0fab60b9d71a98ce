"""The kernels as operators of PyTorch, for `torch.compile`, `torch.export` and `opcheck`."""

import torch
from torch import Tensor

from tapehead.ops.ntm.cpu import calls, second_order
from tapehead.ops.ntm.cpu.sizes import tape_size
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights

EVERY = 4
"""The memory is kept every so many steps: one number, so that nothing hangs on how many steps a
graph will be given."""

_INPUTS = """
    Tensor x, Tensor? lengths, Tensor input_weight, Tensor input_bias, Tensor read_weight,
    Tensor recurrent_weight, Tensor layer_weight, Tensor layer_bias, Tensor interface_weight,
    Tensor interface_bias, Tensor output_weight, Tensor output_bias,
    Tensor memory, Tensor read_weights, Tensor write_weights, Tensor reads, Tensor hidden,
    Tensor cell,
"""
_OPTIONS = """
    int num_reads, int num_writes, int word_size, int shift_range, str controller, str similarity,
    bool read_first, float gradient_clip, int every
"""

_WEIGHTS, _STATE = len(NTMWeights._fields), len(NTMState._fields)
_TENSORS = _WEIGHTS + _STATE

_library = torch.library.Library("tapehead", "FRAGMENT")
_library.define(
    f"ntm({_INPUTS} {_OPTIONS}) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    tags=(torch.Tag.needs_fixed_stride_order,),
)
_library.define(
    "ntm_backward(Tensor d_y, Tensor d_memory, Tensor d_read_weights, "
    "Tensor d_write_weights, Tensor d_reads, Tensor d_hidden, Tensor d_cell, Tensor tape, "
    f"{_INPUTS} {_OPTIONS}) -> ({', '.join(['Tensor'] * (1 + _WEIGHTS + _STATE))})",
    tags=(torch.Tag.needs_fixed_stride_order,),
)


def ntm(
    x: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Tensor | None,
    every: int | None,
) -> list[Tensor]:
    """Outputs and the parts of the last state."""
    options = (
        spec.num_reads,
        spec.num_writes,
        spec.word_size,
        spec.shift_range,
        spec.controller,
        spec.similarity,
        spec.read_first,
        spec.gradient_clip,
        every or EVERY,
    )
    return torch.ops.tapehead.ntm(x, lengths, *weights, *state, *options)[:-1]


def _spec(num_reads, num_writes, word_size, shift_range, controller, similarity, read_first, clip):
    return NTMSpec(
        num_reads=num_reads,
        num_writes=num_writes,
        word_size=word_size,
        shift_range=shift_range,
        controller=controller,
        similarity=similarity,
        read_first=read_first,
        gradient_clip=clip,
    )


@torch.library.impl(_library, "ntm", "CPU")
def _forward(x, lengths, *rest):
    tensors, options, every = _inputs_and_options(rest)
    weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
    y, last, run = calls.forward(x, weights, state, _spec(*options), lengths, every, clean=True)
    return y, *last, run.tape


@torch.library.impl(_library, "ntm_backward", "CPU")
def _backward(d_y, *rest):
    d_last, tape, x, lengths = rest[:_STATE], *rest[_STATE : _STATE + 3]
    tensors, options, every = _inputs_and_options(rest[_STATE + 3 :])
    weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
    plan = calls.plan_for(x, weights, state, _spec(*options), every)
    lengths = None if lengths is None else lengths.long().contiguous()
    run = calls.Run(tape, lengths, plan)
    d_x, d_weights, d_state = calls.backward(
        run, weights, d_y, d_last, x_wanted=True, state_wanted=[True] * _STATE
    )
    return d_x, *d_weights, *d_state


def _inputs_and_options(rest):
    return rest[:_TENSORS], rest[_TENSORS:-1], rest[-1]


@torch.library.register_fake("tapehead::ntm", lib=_library)
def _fake_forward(x, lengths, *rest):
    tensors, options, every = _inputs_and_options(rest)
    weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
    batch, time, inputs = x.shape
    hidden, outputs, layers = calls.widths(weights)
    rows, itemsize = state[0].shape[1], x.element_size()
    size = tape_size(_spec(*options), inputs, outputs, rows, hidden, layers, itemsize, time, every)
    last = [x.new_empty(tensor.shape) for tensor in state]
    return x.new_empty(batch, time, outputs), *last, x.new_empty(batch, size)


@torch.library.register_fake("tapehead::ntm_backward", lib=_library)
def _fake_backward(d_y, *rest):
    x, tensors = rest[_STATE + 1], rest[_STATE + 3 : _STATE + 3 + _TENSORS]
    return tuple(tensor.new_empty(tensor.shape) for tensor in (x, *tensors))


def _setup_context(ctx, inputs, output):
    tensors, ctx.options = inputs[: 2 + _TENSORS], inputs[2 + _TENSORS :]
    ctx.save_for_backward(output[-1], *tensors)
    ctx.mark_non_differentiable(output[-1])


def _through(ctx, *gradients):
    tape, *tensors = ctx.saved_tensors
    if torch.is_grad_enabled():
        x, lengths, *rest = tensors
        wanted = [ctx.needs_input_grad[0], *ctx.needs_input_grad[2 : 2 + _TENSORS]]
        d_x, *d_rest = second_order.gradients(
            _spec(*ctx.options[:-1]), lengths, [x, *rest], wanted, gradients[:-1]
        )
        return d_x, None, *d_rest, *[None] * len(ctx.options)
    d_x, *d_rest = torch.ops.tapehead.ntm_backward(*gradients[:-1], tape, *tensors, *ctx.options)
    return d_x, None, *d_rest, *[None] * len(ctx.options)


torch.library.register_autograd(
    "tapehead::ntm", _through, setup_context=_setup_context, lib=_library
)
