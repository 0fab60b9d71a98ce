"""The equations of the recurrent entity network (Henaff et al. 2017, section 2)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def entity_gate(
    h: Float[Tensor, "batch slots size"],
    s: Float[Tensor, "batch size"],
    likeness: Float[Tensor, "batch slots"],
) -> Float[Tensor, "batch slots"]:
    """How far each slot is open to a sentence (equation 2).

    Args:
        likeness: of the sentence to each slot's key, s w_j.
    """
    return ((h @ s[..., None]).squeeze(-1) + likeness).sigmoid()


def entity_candidate(
    h: Float[Tensor, "batch slots size"],
    u: Float[Tensor, "size size"],
    keys: Float[Tensor, "slots size"],
    sentence: Float[Tensor, "batch size"],
    slope: Float[Tensor, " size"],
) -> Float[Tensor, "batch slots size"]:
    """What a slot would take up: PReLU(U h_j + V w_j + W s) (equation 3).

    Args:
        keys: V w_j of every slot.
        sentence: W s.
        slope: of the PReLU below zero.
    """
    x = h @ u.mT + keys + sentence[:, None]
    return torch.where(x > 0, x, slope * x)


def update_entities(
    h: Float[Tensor, "batch slots size"],
    gate: Float[Tensor, "batch slots"],
    candidate: Float[Tensor, "batch slots size"],
) -> Float[Tensor, "batch slots size"]:
    """h_j + g_j h~_j, at length 1 (equations 4 and 5)."""
    return F.normalize(h + gate[..., None] * candidate, dim=-1)
