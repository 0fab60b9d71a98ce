"""The equations of the recurrent entity network (Henaff et al. 2017, section 2), and a whole story
by them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
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


def entities(
    facts: Float[Tensor, "distinct size"],
    likeness: Float[Tensor, "distinct slots"],
    own: Float[Tensor, "distinct size"],
    keys: Float[Tensor, "slots size"],
    of_keys: Float[Tensor, "slots size"],
    hidden_weight: Float[Tensor, "size size"],
    slope: Float[Tensor, " size"],
    told: Int64[Tensor, "batch time"],
    known: Int64[Tensor, "batch asked"],
) -> Float[Tensor, "batch asked slots size"]:
    """What the slots hold of a story when each question about it is asked.

    Args:
        facts, likeness, own: of each different sentence s: itself, s w_j for each slot, and W s.
        keys: w_j, what the slots hold before the story begins.
        of_keys: V w_j.
        hidden_weight: U.
        slope: of the PReLU below zero.
        told: numbers of the sentences that each story tells.
        known: how many of them are told before each question.
    """
    states, _ = entity_states(facts, likeness, own, keys, of_keys, hidden_weight, slope, told)
    batch = torch.arange(len(told), device=told.device)[:, None]
    return states[batch, known]


def entity_states(
    facts: Float[Tensor, "distinct size"],
    likeness: Float[Tensor, "distinct slots"],
    own: Float[Tensor, "distinct size"],
    keys: Float[Tensor, "slots size"],
    of_keys: Float[Tensor, "slots size"],
    hidden_weight: Float[Tensor, "size size"],
    slope: Float[Tensor, " size"],
    told: Int64[Tensor, "batch time"],
) -> tuple[Float[Tensor, "batch time_and_one slots size"], Float[Tensor, "batch time slots"]]:
    """What the slots hold before the story and after each sentence, and how far each opened them;
    arguments as of `entities`."""
    h = keys.expand(len(told), -1, -1)
    states, gates = [h], []
    for rows in told.unbind(1):
        gate = entity_gate(h, facts[rows], likeness[rows])
        h = update_entities(h, gate, entity_candidate(h, hidden_weight, of_keys, own[rows], slope))
        states.append(h)
        gates.append(gate)
    return torch.stack(states, 1), torch.stack(gates, 1)
