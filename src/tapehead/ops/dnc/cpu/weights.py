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
    return [d_read, d_recurrent, d_layer, d_interface]
