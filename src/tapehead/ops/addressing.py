"""From head parameters to a weighting over memory rows: NTM eq. 5 to 9.

A weighting is non-negative and sums to one over its last axis. Shapes: batch, heads, rows.
"""

import torch
from jaxtyping import Float
from torch import Tensor

SHARPENING_FLOOR = 1e-16
"""Added to a weight before its logarithm is taken: a row of exactly zero weight keeps a finite
gradient, and is raised by less than the rounding of any weighting that matters."""

CHOICE_FLOOR = 1e-6
"""The same where a weighting is what a row is drawn from. A head that stood on one row and shifts
by one gives all other rows no weight at all; this is the chance, to within sharpening, that it
leaves them, and it bounds the slope of the logarithm."""

Weighting = Float[Tensor, "batch heads rows"]
PerHead = Float[Tensor, "batch heads"]


def content_weighting(scores: Weighting, strength: PerHead) -> Weighting:
    """w_c(i) = softmax_i(beta K[k, M(i)]), NTM eq. 5; `scores` is K, `strength` beta > 0."""
    return torch.softmax(strength[..., None] * scores, dim=-1)


def interpolate(content: Weighting, previous: Weighting, gate: PerHead) -> Weighting:
    """w_g = g w_c + (1 - g) w_{t-1}, NTM eq. 7; `gate` g in (0, 1)."""
    return gate[..., None] * content + (1 - gate[..., None]) * previous


def circular_shift(weighting: Weighting, shift: Float[Tensor, "batch heads shifts"]) -> Weighting:
    """w~(i) = sum_j w_g(j) s(i - j), indices modulo the rows, NTM eq. 8.

    `shift` is a distribution over the whole numbers -range .. +range, in that order (so it has
    2 range + 1 entries); weight on +1 moves the head from row i to row i + 1.
    """
    shift_range = shift.shape[-1] // 2
    moved = [
        shift[..., index, None] * weighting.roll(index - shift_range, dims=-1)
        for index in range(shift.shape[-1])
    ]
    return torch.stack(moved).sum(0)


def sharpen(weighting: Weighting, sharpening: PerHead) -> Weighting:
    """w(i) = w~(i)^gamma / sum_j w~(j)^gamma, NTM eq. 9; `sharpening` gamma >= 1.

    In log space, where no power underflows: softmax(gamma log(w~ + floor)).
    """
    return torch.softmax(sharpening[..., None] * (weighting + SHARPENING_FLOOR).log(), dim=-1)
