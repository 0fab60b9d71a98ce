"""The parameters of the heads: the interface vector brought into range, and back."""

from tapehead.ops.ntm.cpu.addressing import LOWEST, normalise_exp
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import expm1, sigmoid, softplus, tanh
from tapehead.ops.numba_kit.simd import (
    fill,
    first,
    lanes,
    larger,
    less,
    load,
    max_lanes,
    select,
    store,
    store_first,
    sum_lanes,
)


@part
def head_parameters(a, interface, record):
    """Split the interface vector and bring each piece into its range, as in the reference."""
    width = lanes(record)
    heads, word = a.heads, a.word
    at = interface
    for head in range(heads):
        for j in range(0, word, width):
            store(record + a.at_keys + head * a.word_pad + j, tanh(load(at + j)))
        at = at + word
    for j in range(0, heads, width):
        store(record + a.at_strengths + j, softplus(load(at + j)))
        store(record + a.at_gates + j, sigmoid(load(at + heads + j)))
    at = at + 2 * heads
    for head in range(heads):
        shift_softmax(a.shifts, at, record + a.at_shifts + head * a.shifts_pad)
        at = at + a.shifts
    for j in range(0, heads, width):
        # Less one: so that its slope can be told from it without loss.
        store(record + a.at_sharpenings + j, softplus(load(at + j)))
    at = at + heads
    for head in range(a.num_writes):
        for j in range(0, word, width):
            store(record + a.at_erases + head * a.word_pad + j, sigmoid(load(at + j)))
        at = at + word
    for head in range(a.num_writes):
        for j in range(0, word, width):
            store(record + a.at_adds + head * a.word_pad + j, tanh(load(at + j)))
        at = at + word


@part
def shift_softmax(count, source, target):
    width = lanes(source)
    lowest = fill(source, LOWEST)
    top = lowest
    for j in range(0, count, width):
        value = first(load(source + j), count - j, lowest)
        store(target + j, value)
        top = larger(value, top)
    normalise_exp(count, target, max_lanes(top))


@part
def parameters_backward(a, record, d_record, target):
    """From the head parameters' gradients to the interface vector's, into `target`."""
    heads, word = a.heads, a.word
    at = target
    for head in range(heads):
        place = a.at_keys + head * a.word_pad
        tanh_backward(record + place, d_record + place, at, word)
        at = at + word
    softplus_backward(record + a.at_strengths, d_record + a.at_strengths, at, heads)
    sigmoid_backward(record + a.at_gates, d_record + a.at_gates, at + heads, heads)
    at = at + 2 * heads
    for head in range(heads):
        place = a.at_shifts + head * a.shifts_pad
        short_softmax_backward(record + place, d_record + place, at, a.shifts)
        at = at + a.shifts
    softplus_backward(record + a.at_sharpenings, d_record + a.at_sharpenings, at, heads)
    at = at + heads
    for head in range(a.num_writes):
        place = a.at_erases + head * a.word_pad
        sigmoid_backward(record + place, d_record + place, at, word)
        at = at + word
    for head in range(a.num_writes):
        place = a.at_adds + head * a.word_pad
        tanh_backward(record + place, d_record + place, at, word)
        at = at + word


@part
def tanh_backward(values, d_values, target, count):
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        store_first(target + j, load(d_values + j) * (1 - value * value), count - j)


@part
def sigmoid_backward(values, d_values, target, count):
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        store_first(target + j, load(d_values + j) * ((1 - value) * value), count - j)


@part
def softplus_backward(values, d_values, target, count):
    """The slope is 1 - e^-value, and 1 where PyTorch's softplus is the identity."""
    width = lanes(values)
    for j in range(0, count, width):
        value = load(values + j)
        slope = select(less(fill(value, 20), value), fill(value, 1), -expm1(-value))
        store_first(target + j, load(d_values + j) * slope, count - j)


@part
def short_softmax_backward(values, d_values, target, count):
    width = lanes(values)
    total, zero = fill(values, 0), fill(values, 0)
    for j in range(0, count, width):
        both = load(values + j) * load(d_values + j)
        total = total + first(both, count - j, zero)
    total = sum_lanes(total)
    for j in range(0, count, width):
        value = load(values + j) * (load(d_values + j) - total)
        store_first(target + j, value, count - j)
