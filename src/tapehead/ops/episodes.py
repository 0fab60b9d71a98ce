"""The equations of the episodic memory of DMN+ (Xiong, Merity & Socher 2016, section 3.3)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def interactions(
    facts: Float[Tensor, "items time size"],
    question: Float[Tensor, "items size"],
    memory: Float[Tensor, "items size"],
) -> Float[Tensor, "items time four_sizes"]:
    """How each fact goes with question and memory (equation 8)."""
    q, m = question[:, None], memory[:, None]
    return torch.cat([facts * q, facts * m, (facts - q).abs(), (facts - m).abs()], -1)


def attention_gru(
    facts: Float[Tensor, "items time two_sizes"],
    attention: Float[Tensor, "items time"],
    hidden_weight: Float[Tensor, "two_sizes size"],
    hidden_bias: Float[Tensor, " two_sizes"],
) -> Float[Tensor, "items size"]:
    """The last state of a GRU over facts whose update gate is the attention (equations 11 and 12).

    Args:
        facts: what each fact gives to the reset gate and the candidate, biases included:
            (items, time, 2 size).
        hidden_weight, hidden_bias: of reset gate and candidate, from the state before.
    """
    size = hidden_weight.shape[1]
    h = facts.new_zeros(len(facts), size)
    for fact, g in zip(facts.unbind(1), attention.unbind(1), strict=True):
        h = attention_step(h, fact, g, hidden_weight, hidden_bias)
    return h


def attention_step(
    h: Float[Tensor, "items size"],
    fact: Float[Tensor, "items two_sizes"],
    g: Float[Tensor, " items"],
    hidden_weight: Float[Tensor, "two_sizes size"],
    hidden_bias: Float[Tensor, " two_sizes"],
) -> Float[Tensor, "items size"]:
    """One step of it: r = sigmoid(W_r f + U_r h), h~ = tanh(W f + r (U h)), and
    g h~ + (1 - g) h."""
    from_h = F.linear(h, hidden_weight, hidden_bias)
    of_reset, of_candidate = from_h.chunk(2, -1)
    fact_reset, fact_candidate = fact.chunk(2, -1)
    reset = (fact_reset + of_reset).sigmoid()
    candidate = (fact_candidate + reset * of_candidate).tanh()
    return h + g[:, None] * (candidate - h)


def turned_round(
    items: Float[Tensor, "items time size"], counts: Int64[Tensor, " items"]
) -> Float[Tensor, "items time size"]:
    """Each sequence from its last item to its first; what lies past its end stays behind it."""
    time = torch.arange(items.shape[1], device=items.device)
    places = torch.where(time < counts[:, None], counts[:, None] - 1 - time, time)
    return items.gather(1, places[..., None].expand_as(items))
