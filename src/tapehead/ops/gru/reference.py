"""Gated recurrent units over sequences of different lengths, in plain PyTorch."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tapehead.ops.ragged import Ragged


def gru(
    inputs: Float[Tensor, "rows three_sizes"],
    hidden_weight: Float[Tensor, "three_sizes size"],
    hidden_bias: Float[Tensor, " three_sizes"],
    ragged: Ragged,
) -> Float[Tensor, "rows size"]:
    """All states of a GRU, as in `torch.nn.GRU`; zeros before the first.

    Args:
        inputs: what each input gives to reset gate, update gate and candidate, biases included.
        hidden_weight, hidden_bias: of the same three, from the state before.
    """
    size = hidden_weight.shape[1]
    h, states = inputs.new_zeros(ragged.items, size), []
    for x in ragged.padded(inputs).unbind(1):
        h = gru_step(h, x, hidden_weight, hidden_bias)
        states.append(h)
    return ragged.rows(torch.stack(states, 1))


def gru_step(
    h: Float[Tensor, "items size"],
    x: Float[Tensor, "items three_sizes"],
    hidden_weight: Float[Tensor, "three_sizes size"],
    hidden_bias: Float[Tensor, " three_sizes"],
) -> Float[Tensor, "items size"]:
    """r = sigmoid(W_r x + U_r h), z = sigmoid(W_z x + U_z h), h~ = tanh(W x + r (U h)), and
    (1 - z) h~ + z h (Cho et al. 2014, with the reset gate where cuDNN has it)."""
    of_reset, of_update, of_candidate = F.linear(h, hidden_weight, hidden_bias).chunk(3, -1)
    x_reset, x_update, x_candidate = x.chunk(3, -1)
    reset, update = (x_reset + of_reset).sigmoid(), (x_update + of_update).sigmoid()
    candidate = (x_candidate + reset * of_candidate).tanh()
    return candidate + update * (h - candidate)


def attention_gru(
    inputs: Float[Tensor, "rows two_sizes"],
    attention: Float[Tensor, " rows"],
    hidden_weight: Float[Tensor, "two_sizes size"],
    hidden_bias: Float[Tensor, " two_sizes"],
    ragged: Ragged,
) -> Float[Tensor, "rows size"]:
    """All states of a GRU whose update gate is the attention (Xiong, Merity & Socher 2016,
    equations 11 and 12).

    Args:
        inputs: what each fact gives to the reset gate and the candidate, biases included.
        hidden_weight, hidden_bias: of the same two, from the state before.
    """
    size = hidden_weight.shape[1]
    h, states = inputs.new_zeros(ragged.items, size), []
    facts, gates = ragged.padded(inputs), ragged.padded(attention)
    for fact, g in zip(facts.unbind(1), gates.unbind(1), strict=True):
        h = attention_step(h, fact, g, hidden_weight, hidden_bias)
        states.append(h)
    return ragged.rows(torch.stack(states, 1))


def attention_step(
    h: Float[Tensor, "items size"],
    fact: Float[Tensor, "items two_sizes"],
    g: Float[Tensor, " items"],
    hidden_weight: Float[Tensor, "two_sizes size"],
    hidden_bias: Float[Tensor, " two_sizes"],
) -> Float[Tensor, "items size"]:
    """One step of it: r = sigmoid(W_r f + U_r h), h~ = tanh(W f + r (U h)), and
    g h~ + (1 - g) h."""
    of_reset, of_candidate = F.linear(h, hidden_weight, hidden_bias).chunk(2, -1)
    fact_reset, fact_candidate = fact.chunk(2, -1)
    reset = (fact_reset + of_reset).sigmoid()
    candidate = (fact_candidate + reset * of_candidate).tanh()
    return h + g[:, None] * (candidate - h)
