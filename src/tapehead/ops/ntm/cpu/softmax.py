"""The softmax over rows, forward and backward."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import exp
from tapehead.ops.numba_kit.simd import fill, fma, lanes, load, store, sum_lanes

LOWEST = -1e30
"""Stands for minus infinity: exp of it is zero, and it is no infinity to subtract from itself."""


@part
def normalise_exp(count, values, top):
    """values = softmax(values), given their maximum; -1e30 becomes zero."""
    width = lanes(values)
    total = fill(values, 0)
    for n in range(0, count, width):
        value = exp(load(values + n) - top)
        store(values + n, value)
        total = total + value
    total = sum_lanes(total)
    inverse = 1 / total
    for n in range(0, count, width):
        store(values + n, load(values + n) * inverse)


@part
def softmax_backward(a, values, d_values, target):
    """target = y (dy - <dy, y>) for a softmax y over rows; may be in place."""
    width = lanes(values)
    total = fill(values, 0)
    for n in range(0, a.rows_pad, width):
        total = fma(load(values + n), load(d_values + n), total)
    total = sum_lanes(total)
    for n in range(0, a.rows_pad, width):
        store(target + n, load(values + n) * (load(d_values + n) - total))
