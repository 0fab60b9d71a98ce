"""Heads, one sequence at a time, forward: interface vector to weightings, write, read.

`a` is the block of arguments (`layout`), `record` a record of the tape, `memory` (word, rows).
Rows beyond the last are padding: weightings are zero there, and so is the memory.
"""

from tapehead.ops.addressing import SHARPENING_FLOOR
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import absolute, exp, log_, sigmoid, softplus, sqrt, tanh
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    larger,
    load,
    max_lanes,
    store,
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON

COSINE, DOT, EUCLIDEAN, MANHATTAN = 0, 1, 2, 3
LOWEST = -1e30
"""Stands for minus infinity: exp of it is zero, and it is no infinity to subtract from itself."""


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
def inverse_norms(a, memory, inverse):
    """1 / sqrt(sum_j M_j^2 + epsilon) of every row."""
    width = lanes(memory)
    for n in range(0, a.rows_pad, width):
        total = fill(memory, EPSILON)
        for j in range(a.word):
            value = load(memory + j * a.rows_pad + n)
            total = fma(value, value, total)
        store(inverse + n, 1 / sqrt(total))


@part
def inverse_key_norm(a, key):
    width = lanes(key)
    zero = fill(key, 0)
    total = zero
    for j in range(0, a.word, width):
        value = first(load(key + j), a.word - j, zero)
        total = fma(value, value, total)
    return 1 / sqrt(sum_lanes(total) + EPSILON)


@part
def similarities(a, head, count, record, memory, inverse, scores):
    """K of `count` heads from `head` on, one row of `scores` each; fills `inverse` for cosine."""
    width = lanes(memory)
    rows_pad = a.rows_pad
    keys = record + a.at_keys + head * a.word_pad
    if a.similarity == COSINE or a.similarity == DOT:
        multiply(count, keys, a.word_pad, 1, memory, rows_pad, rows_pad, a.word, scores, rows_pad)
        if a.similarity == COSINE:
            inverse_norms(a, memory, inverse)
            for h in range(count):
                inverse_key = inverse_key_norm(a, keys + h * a.word_pad)
                for n in range(0, rows_pad, width):
                    at = scores + h * rows_pad + n
                    store(at, load(at) * (inverse_key * load(inverse + n)))
        return
    for h in range(count):
        for n in range(0, rows_pad, width):
            total = fill(memory, 0)
            for j in range(a.word):
                difference = broadcast(keys + h * a.word_pad + j) - load(memory + j * rows_pad + n)
                if a.similarity == EUCLIDEAN:
                    total = fma(difference, difference, total)
                else:
                    total = total + absolute(difference)
            if a.similarity == EUCLIDEAN:
                total = sqrt(total + EPSILON)
            store(scores + h * rows_pad + n, -total)


@part
def gate_into_halo(a, content, previous, gate, halo):
    """halo[range + n] = g w_c(n) + (1 - g) w_{t-1}(n), and round the ends: NTM eq. 7."""
    width = lanes(content)
    shift_range = a.shift_range
    for n in range(0, a.rows_pad, width):
        before = load(previous + n)
        store(halo + shift_range + n, fma(gate, load(content + n), (1 - gate) * before))
    wrap(a, halo)


@part
def wrap(a, halo):
    """Continue rows 0 .. N-1, which start at halo + range, round both ends."""
    for n in range(a.shift_range):
        store_one(
            halo + a.shift_range + a.rows + n,
            broadcast(halo + a.shift_range + n % a.rows),
        )
    for n in range(a.shift_range):
        row = a.rows - 1 - n % a.rows
        store_one(halo + a.shift_range - 1 - n, broadcast(halo + a.shift_range + row))


@part
def address(a, head, count, record, previous, previous_step, memory, misc):
    """NTM eq. 5 to 9 for `count` heads from `head` on; `previous` is where their w_{t-1} lie."""
    width = lanes(memory)
    rows, rows_pad = a.rows, a.rows_pad
    scores = misc
    inverse = misc + a.heads * rows_pad
    halo = inverse + rows_pad
    lowest = fill(memory, LOWEST)
    similarities(a, head, count, record, memory, inverse, scores)
    for h in range(count):
        content = record + a.at_heads + (head + h) * 3 * rows_pad
        shifted = content + rows_pad
        weights = shifted + rows_pad
        strength = broadcast(record + a.at_strengths + head + h)
        top = lowest
        for n in range(0, rows_pad, width):
            value = first(strength * load(scores + h * rows_pad + n), rows - n, lowest)
            store(content + n, value)
            top = larger(value, top)
        normalise_exp(rows, content, max_lanes(top))

        gate = broadcast(record + a.at_gates + head + h)
        gate_into_halo(a, content, previous + h * previous_step, gate, halo)
        shift = record + a.at_shifts + (head + h) * a.shifts_pad
        sharpening = 1 + broadcast(record + a.at_sharpenings + head + h)
        top = lowest
        for n in range(0, rows_pad, width):
            total = fill(memory, 0)
            for q in range(a.shifts):
                total = fma(broadcast(shift + q), load(halo + n + a.shifts - 1 - q), total)
            store(shifted + n, total)
            value = sharpening * log_(total + SHARPENING_FLOOR)
            value = first(value, rows - n, lowest)
            store(weights + n, value)
            top = larger(value, top)
        normalise_exp(rows, weights, max_lanes(top))


@part
def write(a, record, source, target):
    """target = source prod_h (1 - w_h e_h) + sum_h w_h a_h, NTM eq. 3 and 4; may be in place."""
    width = lanes(source)
    rows_pad, writes = a.rows_pad, a.num_writes
    for h in range(writes - 1):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                value = load(source + j * rows_pad + n)
                store(target + j * rows_pad + n, value * (1 - load(weights + n) * erase))
        source = target
    last = writes - 1
    weights = write_weights(a, record, last)
    for j in range(a.word):
        erase = broadcast(record + a.at_erases + last * a.word_pad + j)
        add = broadcast(record + a.at_adds + last * a.word_pad + j)
        for n in range(0, rows_pad, width):
            weight = load(weights + n)
            kept = load(source + j * rows_pad + n) * (1 - weight * erase)
            store(target + j * rows_pad + n, fma(weight, add, kept))
    for h in range(writes - 1):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            add = broadcast(record + a.at_adds + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                at = target + j * rows_pad + n
                store(at, fma(load(weights + n), add, load(at)))


@part
def write_weights(a, record, head):
    """Where the weighting of a write head lies."""
    return record + a.at_heads + ((a.num_reads + head) * 3 + 2) * a.rows_pad


@part
def read(a, record, memory, features, following):
    """r = sum_n w(n) M(n), NTM eq. 2, into the features and the next step's input."""
    width = lanes(memory)
    rows_pad = a.rows_pad
    for head in range(a.num_reads):
        weights = record + a.at_heads + (head * 3 + 2) * rows_pad
        for j in range(a.word):
            total = fill(memory, 0)
            for n in range(0, rows_pad, width):
                total = fma(load(weights + n), load(memory + j * rows_pad + n), total)
            total = sum_lanes(total)
            store_one(features + head * a.word + j, total)
            store_one(following + head * a.word + j, total)
