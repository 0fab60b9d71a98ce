"""The equations of the episodic memory of DMN+ (Xiong, Merity & Socher 2016, section 3.3), but for
its attention GRU, which is in `tapehead.ops.gru`."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def interactions(
    facts: Float[Tensor, "rows size"], other: Float[Tensor, "rows size"]
) -> Float[Tensor, "rows two_sizes"]:
    """How each fact goes with a question, or with a memory: the half of equation 8 that is of the
    one or of the other, [f q; |f - q|]."""
    return torch.cat([facts * other, (facts - other).abs()], -1)


def turned_round(
    step: Int64[Tensor, " rows"], count: Int64[Tensor, " rows"]
) -> Int64[Tensor, " rows"]:
    """The step at which a sequence told from its last item to its first has what it has at `step`;
    what lies past its end stays behind it."""
    return torch.where(step < count, count - 1 - step, step)
