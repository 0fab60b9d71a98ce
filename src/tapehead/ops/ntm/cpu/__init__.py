"""The Neural Turing Machine on the CPU: the whole sequence in one Numba kernel, and back.

`ntm` and `ntm_trace` are `reference.ntm` and `reference.ntm_trace`, sooner. The mathematics of the
way back stands in ops/ntm/README.md, the arrangement of numbers in `layout`.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tapehead.ops.ntm.cpu import calls, registered
from tapehead.ops.ntm.cpu.tracing import unpack
from tapehead.ops.ntm.reference import NTMSpec, NTMState, NTMWeights

__all__ = ["ntm", "ntm_trace", "obstacle"]


def obstacle(projected: Tensor, spec: NTMSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if projected.device.type != "cpu":
        return f"its tensors are on {projected.device.type}"
    if projected.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {projected.dtype}"
    return None


def ntm(
    projected: Tensor,
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
        features, *last = registered.ntm(projected, weights, state, spec, lengths, checkpoint_every)
    else:
        features, *last = _NTM.apply(spec, checkpoint_every, projected, lengths, *weights, *state)
    return features, NTMState(*last)


def ntm_trace(
    projected: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Tensor | None = None,
) -> tuple[Tensor, NTMState, dict[str, Tensor]]:
    """As `reference.ntm_trace`, but no gradient flows through the inner tensors.

    Features and state are those of `ntm`, and gradients flow through them.
    """
    features, state_after = ntm(projected, weights, state, spec, lengths)
    with torch.no_grad():
        # One sequence a block and every memory kept: then the tape can be read as it is.
        run = calls.forward(projected, weights, state, spec, lengths, every=1, block=1)
        inner = unpack(run, spec, state, lengths)
    return features, state_after, inner


class _NTM(torch.autograd.Function):
    """The quick way in: the operators in `registered` take the dispatcher's time on top."""

    @staticmethod
    def forward(ctx, spec, every, projected, lengths, *tensors):
        weights, state = tensors[:6], tensors[6:]
        run = calls.forward(projected, weights, state, spec, lengths, every)
        ctx.save_for_backward(*weights)
        ctx.run = run.without_results()
        ctx.set_materialize_grads(False)
        return run.features, *run.last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_features, *d_last):
        d_projected, d_weights, d_state = calls.backward(
            ctx.run, ctx.saved_tensors, d_features, d_last, ctx.needs_input_grad[10:]
        )
        return None, None, d_projected, None, *d_weights, *d_state
