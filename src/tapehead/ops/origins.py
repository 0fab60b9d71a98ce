"""Which writes a read came from: as `tapehead.viewing.origins` works it out of a whole episode, of
single reads."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def written_by(
    reading: Float[Tensor, "batch reads rows"],
    at: Int64[Tensor, " batch"],
    weights: Float[Tensor, "batch time writes rows"],
    erase: Float[Tensor, "batch time writes word"],
    add: Float[Tensor, "batch time writes word"],
) -> Float[Tensor, "batch reads time"]:
    """The share of each step's writes in the content that was read: the projection of what is left
    of them on the whole. Shares sum to 1, or are 0 where nothing had been written.

    A write leaves w(n) a(m) in an empty memory; every later one, of the same step too, takes
    w(n) e(m) of it away.

    Args:
        reading: over rows, before the writes of the step.
        at: the step of each sequence.
    """
    batch, reads, _ = reading.shape
    time, writes = weights.shape[1:3]
    row = torch.arange(batch, device=at.device)
    left = weights.new_ones(batch, weights.shape[3], add.shape[3])
    parts = weights.new_zeros(batch, reads, time, add.shape[3])
    # Backwards, so that what later writes left is known.
    for back in range(1, time + 1):
        there = at >= back
        step = (at - back).clamp(min=0)
        for head in reversed(range(writes)):
            wrote = weights[row, step, head] * there[:, None]
            found = torch.einsum("bhn,bn,bnw->bhw", reading, wrote, left)
            parts[row, :, step] += found * add[row, step, head][:, None]
            left = left * (1 - wrote[..., None] * erase[row, step, head][:, None])
    whole = parts.sum(2, keepdim=True)
    square = (whole * whole).sum(-1)
    return (parts * whole).sum(-1) / square.clamp(min=torch.finfo(square.dtype).tiny)
