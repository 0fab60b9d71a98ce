"""What a task draws: sequences side by side, what is to be answered, and where."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Batch(NamedTuple):
    """Sequences of several lengths side by side, padded with zeros at the end.

    `mask` marks the answer steps; the rest of `targets` is zero and is never scored.
    `lengths` counts the real steps of each sequence, answer steps included.
    """

    inputs: Float[Tensor, "batch time input_size"]
    targets: Float[Tensor, "batch time output_size"]
    mask: Bool[Tensor, "batch time"]
    lengths: Int64[Tensor, " batch"]
