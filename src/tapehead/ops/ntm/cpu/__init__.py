"""The Neural Turing Machine on the CPU: the whole sequence in one Numba kernel, and back."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tapehead.ops.ntm.cpu.calls import run_backward, run_forward
from tapehead.ops.ntm.cpu.layout import block_size, default_every, layout
from tapehead.ops.ntm.reference import NTMSpec, NTMState, NTMWeights, ntm_trace

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
        checkpoint_every: memories are kept every so many steps, and computed again in between.
            None: a number that keeps time and space low.
    """
    features, *last = _NTM.apply(spec, checkpoint_every, projected, lengths, *weights, *state)
    return features, NTMState(*last)


class _NTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spec, every, projected, lengths, *tensors):
        weights, state = tensors[:6], tensors[6:]
        rows, hidden = state[0].shape[1], weights[4].shape[1]
        batch, time, gates = projected.shape
        itemsize = projected.element_size()
        if every is None:
            every = default_every(time, rows, spec.word_size, itemsize)
        plan = layout(
            spec, batch, time, rows, hidden, weights[2].shape[0] + 1, itemsize, every,
            block_size(batch),
        )  # fmt: skip
        weights = [tensor.contiguous() for tensor in weights]
        state = [_rows_contiguous(tensor) for tensor in state]
        lengths = None if lengths is None else lengths.long().contiguous()
        features, last, tape = run_forward(
            plan, projected.contiguous(), weights, state, lengths,
            hidden + spec.num_reads * spec.word_size,
        )  # fmt: skip
        ctx.save_for_backward(*weights)
        ctx.rest = (plan, tape, features.detach(), lengths, gates, [t.shape for t in state])
        ctx.set_materialize_grads(False)
        return features, *last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_features, *d_last):
        plan, tape, features, lengths, gates, shapes = ctx.rest
        if d_features is None:
            d_features = torch.zeros_like(features)
        d_last = [None if d is None else d.contiguous() for d in d_last]
        d_projected, d_weights, d_state = run_backward(
            plan, ctx.saved_tensors, lengths, tape, features, d_features.contiguous(), d_last,
            gates, shapes, ctx.needs_input_grad[10:],
        )  # fmt: skip
        return None, None, d_projected, None, *d_weights, *d_state


def _rows_contiguous(tensor: Tensor) -> Tensor:
    """Contiguous within each sequence; sequences may share memory, as expanded tensors do."""
    if tensor.stride()[1:] == tensor[0].stride() and tensor[0].is_contiguous():
        return tensor
    return tensor.contiguous()
