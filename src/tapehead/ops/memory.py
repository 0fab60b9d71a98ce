"""Reading from and writing to a memory (batch, rows, word): NTM eq. 2 to 4."""

import torch
from jaxtyping import Float
from torch import Tensor

Memory = Float[Tensor, "batch rows word"]
Weighting = Float[Tensor, "batch heads rows"]
Words = Float[Tensor, "batch heads word"]


def read(memory: Memory, weighting: Weighting) -> Words:
    """r = sum_i w(i) M(i), NTM eq. 2."""
    return torch.einsum("bhn,bnw->bhw", weighting, memory)


def erase(memory: Memory, weighting: Weighting, erase: Words) -> Memory:
    """M~(i) = M_{t-1}(i) prod_heads (1 - w(i) e), NTM eq. 3; `erase` e in (0, 1).

    Factors of several heads commute, as the paper notes, so their order does not matter.
    """
    for head in range(weighting.shape[1]):
        memory = memory * (1 - weighting[:, head, :, None] * erase[:, head, None, :])
    return memory


def add(memory: Memory, weighting: Weighting, add: Words) -> Memory:
    """M_t(i) = M~(i) + sum_heads w(i) a, NTM eq. 4."""
    return memory + torch.einsum("bhn,bhw->bnw", weighting, add)
