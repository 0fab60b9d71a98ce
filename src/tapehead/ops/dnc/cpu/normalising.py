"""Layer normalisation of the interface vector, forward and backward.

Names as in `access` and `access_backward`; gain and bias are PyTorch's, `a.interface` numbers.
"""

from tapehead.ops.dnc.reference import LAYER_NORM_EPSILON
from tapehead.ops.numba_kit.copying import add_to
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sqrt
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    load,
    load_first,
    pointer_like,
    store,
    store_first,
    store_one,
    sum_lanes,
)


@part
def normalise(a, interface, record):
    """y = gain (x - mean) / sqrt(variance + epsilon) + bias, in place."""
    width, count = lanes(record), a.interface
    gain, bias = pointer_like(record, a.norm_gain), pointer_like(record, a.norm_bias)
    zero = fill(record, 0)
    share = 1 / fill(record, count)
    total = zero
    for j in range(0, count, width):
        total = total + first(load(interface + j), count - j, zero)
    mean = sum_lanes(total) * share
    total = zero
    for j in range(0, count, width):
        apart = first(load(interface + j) - mean, count - j, zero)
        total = fma(apart, apart, total)
    inverse = 1 / sqrt(sum_lanes(total) * share + LAYER_NORM_EPSILON)
    store_one(record + a.at_inverse_deviation, inverse)
    for j in range(0, count, width):
        value = first((load(interface + j) - mean) * inverse, count - j, zero)
        store(record + a.at_normal + j, value)
        value = fma(load_first(gain + j, count - j), value, load_first(bias + j, count - j))
        store(interface + j, value)


@part
def normalise_backward(a, record, d_interface, d_gain, d_bias):
    """In place; adds to the gradients of gain and bias."""
    width, count = lanes(record), a.interface
    gain = pointer_like(record, a.norm_gain)
    along, total = fill(record, 0), fill(record, 0)
    add_to(d_bias, d_interface, count)
    for j in range(0, count, width):
        change, value = load_first(d_interface + j, count - j), load(record + a.at_normal + j)
        slope = load_first(d_gain + j, count - j)
        store_first(d_gain + j, fma(change, value, slope), count - j)
        change = change * load_first(gain + j, count - j)
        total = total + change
        along = fma(change, value, along)
    share = 1 / fill(record, count)
    mean, along = sum_lanes(total) * share, sum_lanes(along) * share
    inverse = broadcast(record + a.at_inverse_deviation)
    for j in range(0, count, width):
        change = load_first(d_interface + j, count - j) * load_first(gain + j, count - j)
        change = inverse * (change - mean - load(record + a.at_normal + j) * along)
        store_first(d_interface + j, change, count - j)
