"""The kernels as operators of PyTorch, for `torch.compile`, `torch.export` and `opcheck`."""

import torch
from torch import Tensor

from tapehead.ops.ntm.cpu import calls
from tapehead.ops.ntm.cpu.layout import default_every
from tapehead.ops.ntm.cpu.sizes import tape_size
from tapehead.ops.ntm.reference import NTMSpec, NTMState, NTMWeights

_INPUTS = """
    Tensor projected, Tensor? lengths,
    Tensor read_weight, Tensor recurrent_weight, Tensor layer_weight, Tensor layer_bias,
    Tensor interface_weight, Tensor interface_bias,
    Tensor memory, Tensor read_weights, Tensor write_weights, Tensor reads, Tensor hidden,
    Tensor cell,
"""
_OPTIONS = """
    int num_reads, int num_writes, int word_size, int shift_range, str controller, str similarity,
    bool read_first, int every
"""

_library = torch.library.Library("tapehead", "FRAGMENT")
_library.define(
    f"ntm({_INPUTS} {_OPTIONS}) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    tags=(torch.Tag.needs_fixed_stride_order,),
)
_library.define(
    "ntm_backward(Tensor d_features, Tensor d_memory, Tensor d_read_weights, "
    "Tensor d_write_weights, Tensor d_reads, Tensor d_hidden, Tensor d_cell, Tensor tape, "
    f"{_INPUTS} {_OPTIONS}) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, "
    "Tensor, Tensor)",
    tags=(torch.Tag.needs_fixed_stride_order,),
)


def ntm(
    projected: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Tensor | None,
    every: int | None,
) -> list[Tensor]:
    """Features and the parts of the last state."""
    options = (
        spec.num_reads,
        spec.num_writes,
        spec.word_size,
        spec.shift_range,
        spec.controller,
        spec.similarity,
        spec.read_first,
        every or default_every(projected.shape[1]),
    )
    return torch.ops.tapehead.ntm(projected, lengths, *weights, *state, *options)[:-1]


def _spec(num_reads, num_writes, word_size, shift_range, controller, similarity, read_first):
    return NTMSpec(
        num_reads=num_reads,
        num_writes=num_writes,
        word_size=word_size,
        shift_range=shift_range,
        controller=controller,
        similarity=similarity,
        read_first=read_first,
    )


@torch.library.impl(_library, "ntm", "CPU")
def _forward(projected, lengths, *rest):
    tensors, options, every = rest[:12], rest[12:-1], rest[-1]
    spec = _spec(*options)
    run = calls.forward(projected, tensors[:6], tensors[6:], spec, lengths, every, clean=True)
    return run.features, *run.last, run.tape


@torch.library.impl(_library, "ntm_backward", "CPU")
def _backward(d_features, *rest):
    d_last, tape, projected, lengths = rest[:6], rest[6], rest[7], rest[8]
    tensors, options, every = rest[9:21], rest[21:-1], rest[-1]
    weights, state = tensors[:6], tensors[6:]
    plan = calls.plan_for(projected, weights, state, _spec(*options), every)
    lengths = None if lengths is None else lengths.long().contiguous()
    run = calls.Run(None, None, tape, lengths, plan)
    d_projected, d_weights, d_state = calls.backward(run, weights, d_features, d_last, [True] * 6)
    return d_projected, *d_weights, *d_state


@torch.library.register_fake("tapehead::ntm", lib=_library)
def _fake_forward(projected, lengths, *rest):
    tensors, options, every = rest[:12], rest[12:-1], rest[-1]
    weights, state = tensors[:6], tensors[6:]
    batch, time, _ = projected.shape
    hidden = weights[4].shape[1]
    spec = _spec(*options)
    size = tape_size(
        spec,
        time,
        state[0].shape[1],
        hidden,
        weights[2].shape[0] + 1,
        projected.element_size(),
        every,
    )
    features = projected.new_empty(batch, time, hidden + spec.num_reads * spec.word_size)
    last = [projected.new_empty(tensor.shape) for tensor in state]
    return features, *last, projected.new_empty(batch, size)


@torch.library.register_fake("tapehead::ntm_backward", lib=_library)
def _fake_backward(d_features, *rest):
    projected, tensors = rest[7], rest[9:21]
    return tuple(tensor.new_empty(tensor.shape) for tensor in (projected, *tensors))


def _setup_context(ctx, inputs, output):
    tensors, ctx.options = inputs[:14], inputs[14:]
    ctx.save_for_backward(output[-1], *tensors)
    ctx.mark_non_differentiable(output[-1])


def _through(ctx, *gradients):
    tape, *tensors = ctx.saved_tensors
    d_projected, *d_rest = torch.ops.tapehead.ntm_backward(
        *gradients[:-1], tape, *tensors, *ctx.options
    )
    return d_projected, None, *d_rest, *[None] * len(ctx.options)


torch.library.register_autograd(
    "tapehead::ntm", _through, setup_context=_setup_context, lib=_library
)
