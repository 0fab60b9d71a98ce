"""Which rows are in use, and which to write next: the DNC's dynamic memory allocation.

Source: Graves, Wayne et al., "Hybrid computing using a neural network with dynamic external
memory", Nature 538 (2016), Methods, "Dynamic memory allocation". Usage and retention are numbers
in [0, 1], one for each row; an allocation is a weighting that sums to at most one.
"""

import torch
from jaxtyping import Float
from torch import Tensor

ALLOCATIONS = ("sort", "proportional", "softmax")

Rows = Float[Tensor, "batch rows"]
Weighting = Float[Tensor, "batch heads rows"]


def retention(free_gates: Float[Tensor, "batch reads"], read_weights: Weighting) -> Rows:
    """psi_t = prod_i (1 - f_t^i w_{t-1}^{r,i}): how much of each row's use the free gates keep."""
    kept = torch.ones_like(read_weights[:, 0])
    for gate, weighting in zip(free_gates.unbind(1), read_weights.unbind(1), strict=True):
        kept = kept * (1 - gate[:, None] * weighting)
    return kept


def update_usage(usage: Rows, write_weights: Rows, retention: Rows) -> Rows:
    """u_t = (u_{t-1} + w_{t-1}^w - u_{t-1} w_{t-1}^w) psi_t."""
    return (usage + write_weights - usage * write_weights) * retention


def running_product(factors: Float[Tensor, "*shape rows"]) -> Float[Tensor, "*shape rows"]:
    """prod_{i < j} factors[i] for every j; one for the first.

    By doubling, in log2(rows) products, so that its gradient holds no division either: a usage of
    exactly zero, which every memory starts with, costs nothing and loses nothing.
    """
    product = torch.cat([torch.ones_like(factors[..., :1]), factors[..., :-1]], -1)
    step = 1
    while step < factors.shape[-1]:
        earlier = torch.cat([torch.ones_like(product[..., :step]), product[..., :-step]], -1)
        product = product * earlier
        step *= 2
    return product


def allocate_by_sort(usage: Rows) -> Rows:
    """a[phi[j]] = (1 - u[phi[j]]) prod_{i < j} u[phi[i]], phi the rows from least used to most.

    Equation 1 of the paper: almost all weight goes to the least used row, ties to the first of
    them. Where two rows change places in the order the function jumps; as in the paper the
    gradient follows the order as it stands and ignores the jump.
    """
    ascending, order = usage.sort(dim=-1, stable=True)
    weighting = (1 - ascending) * running_product(ascending)
    return torch.zeros_like(usage).scatter(-1, order, weighting)


def allocate_in_proportion(usage: Rows) -> Rows:
    """a[i] = (1 - u[i]) / (n - sum_j u[j]): every row by its share of the free space.

    In a memory full to the last row that is 0 / 0: nothing is allocated then, and the gradient is
    zero. The fuller a memory, the steeper the slope: up to one over the free space that is left.
    """
    free = 1 - usage
    space = free.sum(-1, keepdim=True)
    some = space > 0
    return torch.where(some, free / torch.where(some, space, 1.0), 0.0)


def allocate_by_softmax(usage: Rows, strength: Float[Tensor, ""]) -> Rows:
    """a[i] = exp((1 - u[i]) beta) / sum_j exp((1 - u[j]) beta), `strength` beta > 0.

    Printed as exp((u[i] - 1) beta), this would give most weight to the fullest row for any
    positive beta; meant is the sign that favours free rows, and that sign is taken here. Unlike
    the other two it sums to one even when the memory is full.
    """
    return torch.softmax((1 - usage) * strength, dim=-1)


def write_weighting(
    allocation: Rows,
    content: Rows,
    allocation_gate: Float[Tensor, " batch"],
    write_gate: Float[Tensor, " batch"],
) -> Rows:
    """w^w = g^w [g^a a + (1 - g^a) c^w], equation 2 of the paper."""
    chosen = allocation_gate[:, None] * allocation + (1 - allocation_gate[:, None]) * content
    return write_gate[:, None] * chosen
