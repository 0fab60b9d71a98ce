"""The Neural Turing Machine on the CPU: the whole sequence in one Numba kernel, and back.

`ntm` and `ntm_trace` are `reference.ntm` and `reference.ntm_trace`, sooner. The mathematics of the
backward pass is derived in ops/ntm/README.md, the arrangement of numbers in `layout`.
"""

import torch
from torch import Tensor

from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.ntm import reference
from tapehead.ops.ntm.cpu import calls, registered, second_order
from tapehead.ops.ntm.cpu.tracing import unpack
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.second_order import needed

__all__ = ["ntm", "ntm_trace", "obstacle", "prepare"]

prepare = calls.prepare


def obstacle(x: Tensor, spec: NTMSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if x.device.type != "cpu":
        return f"its tensors are on {x.device.type}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {x.dtype}"
    if spec.called:
        return spec.called.obstacle
    for part in ("controller", "similarity"):
        if callable(getattr(spec, part)):
            return f"it does not know a {part} brought along"
    return None


def ntm(
    x: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Tensor | None = None,
    *,
    checkpoint_every: int | None = None,
) -> tuple[Tensor, NTMState]:
    """As `reference.ntm`.

    Args:
        checkpoint_every: the memory is kept every so many steps, and computed again in between for
            the backward pass: near the root of the number of steps takes the least space. None: a
            number that is quick.
    """
    if torch.compiler.is_compiling():
        y, *last = registered.ntm(x, weights, state, spec, lengths, checkpoint_every)
    elif not asks_for_gradients(x, *weights, *state):
        y, last = calls.infer(x, weights, state, spec, lengths)
    else:
        y, *last = _NTM.apply(spec, checkpoint_every, lengths, x, *weights, *state)
    return y, NTMState(*last)


def ntm_trace(
    x: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Tensor | None = None,
) -> tuple[Tensor, NTMState, dict[str, Tensor]]:
    """As `reference.ntm_trace`, which it takes where a gradient may be asked for: the inner tensors
    are read off a tape, and no gradient could flow through them."""
    if torch.compiler.is_compiling() or asks_for_gradients(x, *weights, *state):
        return reference.ntm_trace(x, weights, state, spec, lengths)
    # One sequence a block and every memory kept: then the tape can be read as it is.
    y, last, run = calls.forward(x, weights, state, spec, lengths, every=1, block=1)
    after = NTMState(*last)
    return y, after, unpack(run, after, spec, lengths)


_WEIGHTS = len(NTMWeights._fields)


class _NTM(torch.autograd.Function):
    """The quick way in: the operators in `registered` take the dispatcher's time on top."""

    @staticmethod
    def forward(ctx, spec, every, lengths, x, *tensors):
        weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
        y, last, run = calls.forward(x, weights, state, spec, lengths, every)
        # All that `backward` reads: a checkpoint must be able to let it go, and a caller who
        # changes some of it in between must be told.
        ctx.save_for_backward(run.tape, run.lengths, x, *tensors)
        ctx.spec, ctx.plan = spec, run.plan
        ctx.set_materialize_grads(False)
        return y, *last

    @staticmethod
    def backward(ctx, *grad_outputs):
        tape, lengths, *inputs = ctx.saved_tensors
        wanted = ctx.needs_input_grad[3:]
        if needed(grad_outputs):
            found = second_order.gradients(ctx.spec, lengths, inputs, wanted, grad_outputs)
            return None, None, None, *found
        d_y, *d_last = grad_outputs
        d_x, d_weights, d_state = calls.backward(
            calls.Run(tape, lengths, ctx.plan),
            inputs[1 : 1 + _WEIGHTS],
            d_y,
            d_last,
            x_wanted=wanted[0],
            state_wanted=wanted[1 + _WEIGHTS :],
        )
        return None, None, None, d_x, *d_weights, *d_state
