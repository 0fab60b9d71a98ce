"""The Differentiable Neural Computer on the CPU: whole sequences in one Numba kernel, and back."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tapehead.ops.dnc.cpu import calls, registered
from tapehead.ops.dnc.cpu.layout import STATE
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights
from tapehead.ops.dnc.reference import dnc_trace, oneplus
from tapehead.ops.gate import asks_for_gradients

__all__ = ["dnc", "dnc_trace", "obstacle", "prepare"]

prepare = calls.prepare

UNKNOWN_SWITCHES = ("masked", "sharp_links", "layer_norm", "sparse_links")


def obstacle(projected: Tensor, spec: DNCSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if projected.device.type != "cpu":
        return f"its tensors are on {projected.device.type}"
    if projected.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {projected.dtype}"
    for part in ("controller", "similarity"):
        if callable(getattr(spec, part)):
            return f"it does not know a {part} brought along"
    for switch in UNKNOWN_SWITCHES:
        if getattr(spec, switch):
            return f"it does not know {switch}"
    return None


def dnc(
    projected: Tensor,
    offset: Tensor,
    weights: DNCWeights,
    state: DNCState,
    spec: DNCSpec,
    lengths: Tensor | None = None,
    *,
    checkpoint_every: int | None = None,
) -> tuple[Tensor, DNCState]:
    """As `reference.dnc`.

    Args:
        checkpoint_every: memory and links are kept every so many steps, and computed again in
            between. None: a number that keeps time and space low.
    """
    strength = oneplus(weights.allocation_strength)
    parts = [getattr(state, name) for name in STATE]
    if torch.compiler.is_compiling():
        features, *last = registered.dnc(
            projected, offset, lengths, strength, weights, parts, spec, checkpoint_every
        )
    elif not asks_for_gradients(projected, offset, strength, *weights[:4], *parts):
        features, last = calls.infer(projected, offset, lengths, strength, weights[:4], parts, spec)
    else:
        features, *last = _DNC.apply(
            spec, checkpoint_every, projected, offset, lengths, strength, *weights[:4], *parts
        )
    after = dict(zip(STATE, last, strict=True))
    return features, DNCState(link_columns=state.link_columns, **after)


class _DNC(torch.autograd.Function):
    """The quick way in: the operators in `registered` take the dispatcher's time on top."""

    @staticmethod
    def forward(ctx, spec, every, projected, offset, lengths, strength, *tensors):
        weights, state = tensors[:4], tensors[4:]
        run = calls.forward(projected, offset, lengths, strength, weights, state, spec, every)
        # All that `backward` reads: a checkpoint must be able to let it go, and a caller who
        # changes some of it in between must be told.
        ctx.save_for_backward(strength, *tensors, run.features, run.tape, run.order, run.lengths)
        ctx.plan = run.plan
        ctx.set_materialize_grads(False)
        return run.features, *run.last

    @staticmethod
    @once_differentiable
    # The decorator's type forgets that ctx has a name.
    # pyrefly: ignore[bad-override]
    def backward(ctx, *grad_outputs):
        d_features, *d_last = grad_outputs
        strength, *rest, features, tape, order, lengths = ctx.saved_tensors
        run = calls.Run(features, [], tape, order, lengths, ctx.plan)
        wanted = ctx.needs_input_grad[10:]
        d_projected, d_offset, d_strength, d_weights, d_state = calls.backward(
            run, strength, rest[:4], rest[4:], d_features, d_last, wanted
        )
        return None, None, d_projected, d_offset, None, d_strength, *d_weights, *d_state
