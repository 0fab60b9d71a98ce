"""The gates of a GRU, a vector at a time: what its kernel and those of machines with one share."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import fill, fma


@part
def mix(update, before, candidate):
    """h = z h_{t-1} + (1 - z) c"""
    return fma(update, before - candidate, candidate)


@part
def undo_gates(above, reset, update, candidate, hidden, before):
    """From the gradient `above` of h to those of the sums that go into reset gate, update gate and
    candidate; `hidden` is U h + b of the candidate."""
    one = fill(above, 1)
    d_candidate = above * (one - update) * (one - candidate * candidate)
    d_reset = d_candidate * hidden * reset * (one - reset)
    d_update = above * (before - candidate) * update * (one - update)
    return d_reset, d_update, d_candidate
