"""How graphs are told: triples of three-digit labels, one triple a step, and two flags.

Source: Graves, Wayne et al., Nature 538 (2016), Methods, "Graph task descriptions". A triple is
(source, edge, destination), each a number from 0 to 999, each digit one of ten channels; a blank
label has all thirty of its channels at zero.
"""

from functools import cache

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

DIGITS = 9
"""Digits of a triple: three of each label."""
TRIPLE_SIZE = 10 * DIGITS
NEW_PHASE = TRIPLE_SIZE
"""The channel that marks the first step of each query, plan and answer."""
ANSWER = TRIPLE_SIZE + 1
"""The channel that asks for an answer, throughout each answer."""


LABELS = 1000
WORDS = ("source", "edge", "destination")
"""The labels of a triple."""
BLANK = -1
"""Stands for no label."""
FINISHED = 999
"""Three of these are the pattern that ends an answer; no edge leads from a node to itself by its
own name, so no graph holds it."""

_POWERS = (100, 10, 1)


def encode(triples: Int64[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 90"]:
    """One-hot digits of labels, hundreds first; zeros for `BLANK`."""
    powers = torch.tensor(_POWERS, device=triples.device)
    digits = triples.clamp(min=0)[..., None] // powers % 10
    hot = torch.nn.functional.one_hot(digits, 10).float()
    return (hot * (triples >= 0)[..., None, None]).flatten(-3)


def decode(triples: Float[Tensor, "*shape 90"]) -> Int64[Tensor, "*shape 3"]:
    """The reverse of `encode`, or the likeliest labels of a prediction."""
    hot = triples.unflatten(-1, (3, 3, 10))
    powers = torch.tensor(_POWERS, device=triples.device)
    labels = (hot.argmax(-1) * powers).sum(-1)
    return labels.masked_fill((hot == 0).all(-1).all(-1), BLANK)


def digits_of(triples: Int64[Tensor, "*shape 3"]) -> Int64[Tensor, "*shape 9"]:
    """The nine digits of triples without blanks."""
    powers = torch.tensor(_POWERS, device=triples.device)
    return (triples[..., None] // powers % 10).flatten(-2)


def tell(
    triples: Int64[Tensor, "batch time 3"],
    new_phase: Bool[Tensor, "batch time"],
    answer: Bool[Tensor, "batch time"],
) -> Float[Tensor, "batch time 92"]:
    """The input channels of a sequence."""
    flags = torch.stack([new_phase, answer], -1).float()
    return torch.cat([encode(triples), flags], -1)


@cache
def channel_names() -> tuple[str, ...]:
    """One name for each channel of a triple."""
    return tuple(
        f"{label} {place}: {digit}"
        for label in WORDS
        for place in ("100s", "10s", "1s")
        for digit in range(10)
    )
