"""Gated recurrent units on the CPU: all sequences in one Numba kernel, and back.

`gru` and `attention_gru` are those of `reference`, sooner: each sequence takes as many steps as it
has, and the gradient of the weight is one product over all of them.
"""

import torch
from torch import Tensor

from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.gru import reference
from tapehead.ops.gru.cpu import calls
from tapehead.ops.ragged import Ragged
from tapehead.ops.second_order import gradients, needed

__all__ = ["attention_gru", "gru", "obstacle", "prepare"]

prepare = calls.prepare


def obstacle(tensor: Tensor, spec: None = None) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if tensor.device.type != "cpu":
        return f"its tensors are on {tensor.device.type}"
    if tensor.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {tensor.dtype}"
    return None


def gru(inputs: Tensor, hidden_weight: Tensor, hidden_bias: Tensor, ragged: Ragged) -> Tensor:
    """As `reference.gru`."""
    if torch.compiler.is_compiling():
        return reference.gru(inputs, hidden_weight, hidden_bias, ragged)
    if not asks_for_gradients(inputs, hidden_weight, hidden_bias):
        return calls.forward(inputs, None, hidden_weight, hidden_bias, ragged.starts)[0]
    return _GRU.apply(ragged, inputs, hidden_weight, hidden_bias)


def attention_gru(
    inputs: Tensor, attention: Tensor, hidden_weight: Tensor, hidden_bias: Tensor, ragged: Ragged
) -> Tensor:
    """As `reference.attention_gru`."""
    if torch.compiler.is_compiling():
        return reference.attention_gru(inputs, attention, hidden_weight, hidden_bias, ragged)
    if not asks_for_gradients(inputs, attention, hidden_weight, hidden_bias):
        return calls.forward(inputs, attention, hidden_weight, hidden_bias, ragged.starts)[0]
    return _GRU.apply(ragged, inputs, hidden_weight, hidden_bias, attention)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, ragged, inputs, weight, bias, attention=None):
        states, run = calls.forward(inputs, attention, weight, bias, ragged.starts)
        ctx.save_for_backward(*run, *ragged[:3], inputs, weight, bias, attention)
        ctx.sizes = ragged[3:]
        return states

    @staticmethod
    def backward(ctx, *grad_outputs):
        (d_states,) = grad_outputs
        *saved, kept, starts, counts, inputs, weight, bias, attention = ctx.saved_tensors
        ragged = Ragged(kept, starts, counts, *ctx.sizes)
        own = [inputs, weight, bias] + ([] if attention is None else [attention])
        if needed([d_states]):
            found = gradients(
                lambda *names: [_reference(ragged, *names)],
                own,
                ctx.needs_input_grad[1:],
                [d_states],
            )
            return None, *found
        d_inputs, d_attention, d_weight, d_bias = calls.backward(
            calls.Run(*saved), inputs, attention, weight, bias, starts, d_states
        )
        found = [d_inputs, d_weight, d_bias] + ([] if attention is None else [d_attention])
        return None, *found


def _reference(
    ragged: Ragged, inputs: Tensor, weight: Tensor, bias: Tensor, attention: Tensor | None = None
) -> Tensor:
    if attention is None:
        return reference.gru(inputs, weight, bias, ragged)
    return reference.attention_gru(inputs, attention, weight, bias, ragged)
