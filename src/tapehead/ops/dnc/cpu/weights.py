"""Gradients of the weight matrices: large products of what the backward kernel leaves."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tapehead.ops.dnc.cpu.layout import STATE


def weight_gradients(
    d_projected: Tensor,
    d_offset: Tensor,
    features: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
) -> list[Tensor]:
    """Gradients of the four matrices: those of what they gave, times what they were given.

    Past a sequence's end the gradients are zero, so what stands in the features there is no matter.
    """
    _, recurrent_weight, layer_weight, interface_weight = weights[:4]
    outputs, layers = interface_weight.shape[1], len(layer_weight) + 1
    named = dict(zip(STATE, state, strict=True))
    d_gates = d_projected.flatten(0, 1).mT
    hidden = features[..., :outputs].flatten(0, 1)
    d_read = d_gates @ _before(named["reads"], features[:, :-1, outputs:])
    d_recurrent, d_layer = torch.empty_like(recurrent_weight), torch.empty_like(layer_weight)
    if len(recurrent_weight):
        before = _before(named["hidden"], features[:, :-1, :outputs])
        _products(d_gates, before, layers, d_recurrent)
    if layers > 1:
        _products(d_gates[len(d_gates) // layers :], hidden, layers, d_layer)
    d_interface = d_offset.flatten(0, 1).mT @ hidden
    return [d_read, d_recurrent, d_layer, d_interface]


def _before(first: Tensor, after: Tensor) -> Tensor:
    """What each step had from the one before it: (batch * time, numbers)."""
    return torch.cat([first.flatten(1)[:, None], after], 1).flatten(0, 1)


def _products(d_gates: Tensor, given: Tensor, layers: int, found: Tensor) -> None:
    """Into `found` (some, gates, hidden), of each layer, the gradient of its gates times what it
    was given: the first of both, the second of both, and so on."""
    size = given.shape[1] // layers
    gates = found.shape[1]
    for layer, room in enumerate(found):
        rows = d_gates[layer * gates : (layer + 1) * gates]
        torch.mm(rows, given[:, layer * size : (layer + 1) * size], out=room)
