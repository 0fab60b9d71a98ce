"""Comparing batches."""

import torch

from tapehead.tasks import Batch


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches have the same tensors, to the bit."""
    mine, yours = one.tensors(), other.tensors()
    return mine.keys() == yours.keys() and all(torch.equal(mine[n], yours[n]) for n in mine)
