"""Heads, one sequence at a time, forward: interface vector to weightings, write, read.

`a` is the block of arguments (`layout`), `record` a record of the tape, `memory` (word, rows).
Rows beyond the last are padding: weightings are zero there, and so is the memory.
"""

from tapehead.ops.addressing import SHARPENING_FLOOR
from tapehead.ops.numba_kit.copying import copy
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
    """1 / sqrt(sum_j M_j^2 + epsilon) of every row; only cosine similarity needs it."""
    if a.similarity != COSINE:
        return
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
def similarities(a, head, count, record, memory, inverse):
    """K of `count` heads from `head` on, into the record."""
    width = lanes(memory)
    rows_pad = a.rows_pad
    keys = record + a.at_keys + head * a.word_pad
    scores = record + a.at_scores + head * rows_pad
    if a.similarity == COSINE or a.similarity == DOT:
        multiply(count, keys, a.word_pad, 1, memory, rows_pad, rows_pad, a.word, scores, rows_pad)
        if a.similarity == COSINE:
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
def address(a, head, count, record, previous, previous_step, memory, inverse, halo):
    """NTM eq. 5 to 9 for `count` heads from `head` on; `previous` is where their w_{t-1} lie."""
    width = lanes(memory)
    rows, rows_pad = a.rows, a.rows_pad
    lowest = fill(memory, LOWEST)
    similarities(a, head, count, record, memory, inverse)
    for h in range(head, head + count):
        scores = record + a.at_scores + h * rows_pad
        content = record + a.at_heads + h * 3 * rows_pad
        shifted = content + rows_pad
        weights = shifted + rows_pad
        strength = broadcast(record + a.at_strengths + h)
        top = lowest
        for n in range(0, rows_pad, width):
            value = first(strength * load(scores + n), rows - n, lowest)
            store(content + n, value)
            top = larger(value, top)
        normalise_exp(rows, content, max_lanes(top))

        gate = broadcast(record + a.at_gates + h)
        gate_into_halo(a, content, previous + (h - head) * previous_step, gate, halo)
        shift = record + a.at_shifts + h * a.shifts_pad
        sharpening = 1 + broadcast(record + a.at_sharpenings + h)
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
def write(a, record, source, target, inverse):
    """target = source prod_h (1 - w_h e_h) + sum_h w_h a_h, NTM eq. 3 and 4; may be in place.

    `inverse` becomes the inverse norms of the new rows.
    """
    if a.num_writes == 1:
        write_once(a, record, source, target, inverse)
        return
    width = lanes(source)
    rows_pad = a.rows_pad
    for h in range(a.num_writes):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            erase = broadcast(record + a.at_erases + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                value = load(source + j * rows_pad + n)
                store(target + j * rows_pad + n, value * (1 - load(weights + n) * erase))
        source = target
    for h in range(a.num_writes):
        weights = write_weights(a, record, h)
        for j in range(a.word):
            add = broadcast(record + a.at_adds + h * a.word_pad + j)
            for n in range(0, rows_pad, width):
                at = target + j * rows_pad + n
                store(at, fma(load(weights + n), add, load(at)))
    inverse_norms(a, target, inverse)


@part
def write_once(a, record, source, target, inverse):
    """`write` with one head, as M + w (a - e M), and with the norms in the same sweep."""
    width = lanes(source)
    rows_pad = a.rows_pad
    weights = write_weights(a, record, 0)
    erases, adds = record + a.at_erases, record + a.at_adds
    n = 0
    while n + width < rows_pad:
        weight, weight2 = load(weights + n), load(weights + n + width)
        total, total2 = fill(source, EPSILON), fill(source, EPSILON)
        for j in range(a.word):
            erase, add = -broadcast(erases + j), broadcast(adds + j)
            value = load(source + j * rows_pad + n)
            value2 = load(source + j * rows_pad + n + width)
            value = fma(weight, fma(erase, value, add), value)
            value2 = fma(weight2, fma(erase, value2, add), value2)
            store(target + j * rows_pad + n, value)
            store(target + j * rows_pad + n + width, value2)
            total = fma(value, value, total)
            total2 = fma(value2, value2, total2)
        store(inverse + n, 1 / sqrt(total))
        store(inverse + n + width, 1 / sqrt(total2))
        n += 2 * width
    if n < rows_pad:
        weight = load(weights + n)
        total = fill(source, EPSILON)
        for j in range(a.word):
            value = load(source + j * rows_pad + n)
            change = fma(-broadcast(erases + j), value, broadcast(adds + j))
            value = fma(weight, change, value)
            store(target + j * rows_pad + n, value)
            total = fma(value, value, total)
        store(inverse + n, 1 / sqrt(total))


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
        place = head * a.word
        j = 0
        while j + 4 <= a.word:
            line = memory + j * rows_pad
            zero = fill(memory, 0)
            total, total1, total2, total3 = zero, zero, zero, zero
            for n in range(0, rows_pad, width):
                weight = load(weights + n)
                total = fma(weight, load(line + n), total)
                total1 = fma(weight, load(line + rows_pad + n), total1)
                total2 = fma(weight, load(line + 2 * rows_pad + n), total2)
                total3 = fma(weight, load(line + 3 * rows_pad + n), total3)
            store_one(features + place + j, sum_lanes(total))
            store_one(features + place + j + 1, sum_lanes(total1))
            store_one(features + place + j + 2, sum_lanes(total2))
            store_one(features + place + j + 3, sum_lanes(total3))
            j += 4
        while j < a.word:
            total = fill(memory, 0)
            for n in range(0, rows_pad, width):
                total = fma(load(weights + n), load(memory + j * rows_pad + n), total)
            store_one(features + place + j, sum_lanes(total))
            j += 1
    copy(features, following, a.read_numbers)
