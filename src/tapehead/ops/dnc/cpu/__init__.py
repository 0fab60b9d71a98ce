"""The Differentiable Neural Computer on the CPU: whole sequences in one Numba kernel, and back."""

import torch
from torch import Tensor

from tapehead.ops.dnc.cpu import calls, registered, second_order
from tapehead.ops.dnc.cpu.layout import STATE, WEIGHTS
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights
from tapehead.ops.dnc.reference import dnc_trace
from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.second_order import needed

__all__ = ["dnc", "dnc_trace", "obstacle", "prepare"]

prepare = calls.prepare


def obstacle(projected: Tensor, spec: DNCSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if projected.device.type != "cpu":
        return f"its tensors are on {projected.device.type}"
    if projected.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {projected.dtype}"
    if spec.called:
        return spec.called.obstacle
    for part in ("controller", "similarity"):
        if callable(getattr(spec, part)):
            return f"it does not know a {part} brought along"
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
    strength, *known = weights.allocation_strength, *weights[: len(WEIGHTS)]
    parts, columns = [getattr(state, name) for name in STATE], state.link_columns
    if torch.compiler.is_compiling():
        features, *last, columns = registered.dnc(
            projected, offset, lengths, columns, strength, known, parts, spec, checkpoint_every
        )
    elif not asks_for_gradients(projected, offset, strength, *known, *parts):
        features, last, columns = calls.infer(
            projected, offset, lengths, strength, known, parts, columns, spec
        )
    else:
        features, *last, found = _DNC.apply(
            spec, checkpoint_every, lengths, columns, projected, offset, strength, *known, *parts
        )
        columns = found if spec.sparse_links else columns
    after = dict(zip(STATE, last, strict=True))
    return features, DNCState(link_columns=columns, **after)


class _DNC(torch.autograd.Function):
    """The quick way in: the operators in `registered` take the dispatcher's time on top."""

    @staticmethod
    def forward(ctx, spec, every, lengths, columns, projected, offset, strength, *tensors):
        weights, state = tensors[: len(WEIGHTS)], tensors[len(WEIGHTS) :]
        run = calls.forward(
            projected, offset, lengths, strength, weights, state, columns, spec, every
        )
        # All that `backward` reads: a checkpoint must be able to let it go, and a caller who
        # changes some of it in between must be told.
        kept = (run.features, run.tape, run.order, run.lengths, columns)
        ctx.save_for_backward(*kept, projected, offset, strength, *tensors)
        ctx.spec, ctx.plan = spec, run.plan
        ctx.set_materialize_grads(False)
        found = run.columns if spec.sparse_links else None
        if found is not None:
            ctx.mark_non_differentiable(found)
        return run.features, *run.last, found

    @staticmethod
    def backward(ctx, *grad_outputs):
        features, tape, order, lengths, columns, *inputs = ctx.saved_tensors
        wanted, grad_outputs = ctx.needs_input_grad[4:], grad_outputs[:-1]
        if needed(grad_outputs):
            found = second_order.gradients(ctx.spec, lengths, columns, inputs, wanted, grad_outputs)
            return None, None, None, None, *found
        run = calls.Run(features, [], columns, tape, order, lengths, ctx.plan)
        d_features, *d_last = grad_outputs
        strength, *rest = inputs[2:]
        weights, state = rest[: len(WEIGHTS)], rest[len(WEIGHTS) :]
        state_wanted = wanted[3 + len(WEIGHTS) :]
        d_projected, d_offset, d_strength, d_weights, d_state = calls.backward(
            run, strength, weights, state, d_features, d_last, state_wanted
        )
        return None, None, None, None, d_projected, d_offset, d_strength, *d_weights, *d_state
