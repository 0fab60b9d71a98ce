"""The Differentiable Neural Computer on the CPU: whole sequences in one Numba kernel, and back."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tapehead.ops.dnc.cpu.calls import run_backward, run_forward
from tapehead.ops.dnc.cpu.layout import STATE, layout
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights
from tapehead.ops.dnc.reference import dnc_trace, oneplus

__all__ = ["dnc", "dnc_trace", "obstacle"]


def obstacle(projected: Tensor, spec: DNCSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if projected.device.type != "cpu":
        return f"its tensors are on {projected.device.type}"
    if projected.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {projected.dtype}"
    for switch in ("masked", "sharp_links", "layer_norm", "sparse_links"):
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
    features, *last = _DNC.apply(
        spec,
        checkpoint_every,
        projected,
        offset,
        lengths,
        oneplus(weights.allocation_strength),
        *weights[:4],
        *(getattr(state, name) for name in STATE),
    )
    after = dict(zip(STATE, last, strict=True))
    return features, DNCState(link_columns=state.link_columns, **after)


class _DNC(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spec, every, projected, offset, lengths, strength, *tensors):
        weights = [tensor.contiguous() for tensor in tensors[:4]]
        state = [tensor.contiguous() for tensor in tensors[4:]]
        batch, time, gates = projected.shape
        rows, layers = state[0].shape[1], weights[2].shape[0] + 1
        hidden = weights[3].shape[1] // layers
        plan = layout(spec, batch, time, rows, hidden, layers, projected.element_size(), every)
        lengths = None if lengths is None else lengths.long().contiguous()
        features, last, tape, order = run_forward(
            plan,
            projected.contiguous(),
            offset.contiguous(),
            weights,
            strength,
            state,
            lengths,
            layers * hidden + spec.num_reads * spec.word_size,
            rows,
        )
        ctx.save_for_backward(strength, *weights, *state)
        ctx.rest = (plan, tape, order, features.detach(), lengths, gates, offset.shape[-1])
        ctx.set_materialize_grads(False)
        return features, *last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_features, *d_last):
        plan, tape, order, features, lengths, gates, interface = ctx.rest
        strength, *rest = ctx.saved_tensors
        weights, state = rest[:4], rest[4:]
        if d_features is None:
            d_features = torch.zeros_like(features)
        d_projected, d_offset, d_strength, d_state = run_backward(
            plan,
            weights,
            strength,
            lengths,
            tape,
            order,
            features,
            d_features.contiguous(),
            [None if d is None else d.contiguous() for d in d_last],
            state,
            ctx.needs_input_grad[10:],
            gates,
            interface,
        )
        d_weights = _weight_gradients(d_projected, d_offset, features, weights, state)
        return None, None, d_projected, d_offset, None, d_strength.sum(), *d_weights, *d_state


def _weight_gradients(d_projected, d_offset, features, weights, state):
    """Gradients of the four weights: those of what they gave, times what they were given.

    Past a sequence's end the gradients are zero, so what stands in the features there is no matter.
    """
    _, recurrent_weight, layer_weight, interface_weight = weights
    outputs, layers = interface_weight.shape[1], layer_weight.shape[0] + 1
    named = dict(zip(STATE, state, strict=True))
    reads = torch.cat([named["reads"].flatten(1)[:, None], features[:, :-1, outputs:]], 1)
    d_gates = d_projected.flatten(0, 1)
    d_read = d_gates.mT @ reads.flatten(0, 1)
    hidden = features[..., :outputs].reshape(-1, layers, outputs // layers)
    d_by_layer = d_gates.view(len(d_gates), layers, -1)
    d_recurrent = torch.empty_like(recurrent_weight)
    if len(recurrent_weight):
        before = torch.cat([named["hidden"].flatten(1)[:, None], features[:, :-1, :outputs]], 1)
        before = before.reshape(-1, layers, outputs // layers)
        for layer in range(layers):
            torch.mm(d_by_layer[:, layer].mT, before[:, layer], out=d_recurrent[layer])
    d_layer = torch.empty_like(layer_weight)
    for layer in range(1, layers):
        torch.mm(d_by_layer[:, layer].mT, hidden[:, layer - 1], out=d_layer[layer - 1])
    d_interface = d_offset.flatten(0, 1).mT @ hidden.flatten(1)
    return d_read, d_recurrent, d_layer, d_interface
