"""How alike a key and each memory row are: the K[., .] of NTM eq. 5.

Every function maps keys (batch, heads, word) and memory (batch, rows, word) to (batch, heads,
rows); larger means more alike. All are finite, with finite gradients, on all-zero keys and
memories: each square root holds its epsilon inside, so that its slope stays bounded at zero.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-6
"""Added to each squared norm, inside the root."""

Keys = Float[Tensor, "batch heads word"]
Memory = Float[Tensor, "batch rows word"]
Scores = Float[Tensor, "batch heads rows"]


def dot(key: Keys, memory: Memory) -> Scores:
    """k . m"""
    return torch.einsum("bhw,bnw->bhn", key, memory)


def cosine(key: Keys, memory: Memory) -> Scores:
    """k . m / (|k| |m|), NTM eq. 6, with |v| = sqrt(v . v + epsilon)."""
    key_norm = (key.square().sum(-1) + EPSILON).sqrt()
    memory_norm = (memory.square().sum(-1) + EPSILON).sqrt()
    return dot(key, memory) / (key_norm[:, :, None] * memory_norm[:, None, :])


def euclidean(key: Keys, memory: Memory) -> Scores:
    """-|k - m|, with |v| = sqrt(v . v + epsilon)."""
    difference = key[:, :, None, :] - memory[:, None, :, :]
    return -(difference.square().sum(-1) + EPSILON).sqrt()


def manhattan(key: Keys, memory: Memory) -> Scores:
    """-sum_j |k_j - m_j|; where k_j = m_j the subgradient is zero."""
    return -(key[:, :, None, :] - memory[:, None, :, :]).abs().sum(-1)


Similarity = Callable[[Tensor, Tensor], Tensor]
MEASURE = "a function (keys, memory) -> scores"

SIMILARITIES: dict[str, Similarity] = {
    "cosine": cosine,
    "dot": dot,
    "euclidean": euclidean,
    "manhattan": manhattan,
}


def scores(similarity: str | Similarity, key: Keys, memory: Memory) -> Scores:
    """How alike they are by the measure of that name, or by a function of key and memory.

    Raises:
        ValueError: a function gives another shape, which would broadcast unseen.
    """
    if isinstance(similarity, str):
        return SIMILARITIES[similarity](key, memory)
    found = similarity(key, memory)
    expected = (*key.shape[:2], memory.shape[1])
    if not isinstance(found, Tensor) or found.shape != expected:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"similarity must give scores of shape {expected} for keys {tuple(key.shape)} and "
            f"memory {tuple(memory.shape)}, got {got}"
        )
    return found
