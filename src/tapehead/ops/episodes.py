"""The equations of the episodic memory of DMN+ (Xiong, Merity & Socher 2016, section 3.3), but for
its attention GRU, which is in `tapehead.ops.gru`."""

import torch
from jaxtyping import Float
from torch import Tensor


def interactions(
    facts: Float[Tensor, "rows size"], other: Float[Tensor, "rows size"]
) -> Float[Tensor, "rows two_sizes"]:
    """How each fact goes with a question, or with a memory: the half of equation 8 that is of the
    one or of the other, [f q; |f - q|]."""
    return torch.cat([facts * other, (facts - other).abs()], -1)
