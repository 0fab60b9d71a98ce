"""Sentences as vectors: what the machines that read stories share.

Sentences come as a table of word numbers, each different one once: it is encoded once, however
often it is told.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Lengths = Literal["sentence", "longest"]


def position_weights(
    sentences: Int64[Tensor, "distinct words"],
    size: int,
    lengths: Lengths,
    dtype: torch.dtype,
) -> Float[Tensor, "distinct words size"]:
    """What each word's vector counts for in its sentence: 0 where there is no word.

    l_kj = (1 - j/J) - (k/d)(1 - 2j/J), with words j and numbers k of a vector counted from 1
    (Sukhbaatar et al. 2015, section 4.1).

    Args:
        size: d, numbers of a word's vector.
        lengths: J is the number of words of each "sentence", as in the paper's equation, or of the
            "longest" there may be, the width of the table, as in the authors' code.
    """
    there, width = sentences != 0, sentences.shape[1]
    j = torch.arange(1, width + 1, device=sentences.device, dtype=dtype)
    k = torch.arange(1, size + 1, device=sentences.device, dtype=dtype) / size
    if lengths == "longest":
        part = (j / width).expand(sentences.shape)
    else:
        part = j / there.sum(1, keepdim=True).clamp(min=1)
    weights = (1 - part)[..., None] - k * (1 - 2 * part)[..., None]
    return weights * there[..., None]


def recent(
    told: Int64[Tensor, "batch time"], known: Int64[Tensor, "batch asked"], size: int
) -> tuple[Int64[Tensor, "batch asked size"], Bool[Tensor, "batch asked size"]]:
    """For each question the last `size` sentences told before it, newest first, and a mask of those
    that there are."""
    back = torch.arange(size, device=told.device)
    place = known[..., None] - 1 - back
    there = place >= 0
    rows = told[:, None].expand(-1, known.shape[1], -1).gather(2, place.clamp(min=0))
    return rows, there


def softmax_over(
    scores: Float[Tensor, "*shape items"], there: Bool[Tensor, "*shape items"]
) -> Float[Tensor, "*shape items"]:
    """Softmax over the items that there are, zeros elsewhere; only zeros if there are none."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~there, lowest).softmax(-1) * there
