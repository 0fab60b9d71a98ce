"""Content look-up, forward and backward: similarity of keys and rows, and its softmax.

Names as in `access` and `access_backward`.
"""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import absolute, exp, sqrt
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    larger,
    less,
    load,
    max_lanes,
    select,
    store,
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON

COSINE, DOT, EUCLIDEAN, MANHATTAN = 0, 1, 2, 3
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
    inverse = 1 / sum_lanes(total)
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
    width, zero = lanes(key), fill(key, 0)
    total = zero
    for j in range(0, a.word, width):
        value = first(load(key + j), a.word - j, zero)
        total = fma(value, value, total)
    return 1 / sqrt(sum_lanes(total) + EPSILON)


@part
def compare(a, head, count, record, memory, inverse):
    """Similarity of the keys of `count` heads from `head` on with every row, into the record."""
    width, rows_pad = lanes(memory), a.rows_pad
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
def look_up(a, head, count, record, memory, inverse):
    """Content weightings of `count` heads from `head` on."""
    compare(a, head, count, record, memory, inverse)
    width, rows_pad = lanes(memory), a.rows_pad
    for h in range(head, head + count):
        scores, content = record + a.at_scores + h * rows_pad, record + a.at_content + h * rows_pad
        strength = 1 + broadcast(record + a.at_strengths + h)
        top = fill(memory, LOWEST)
        for n in range(0, rows_pad, width):
            value = first(strength * load(scores + n), a.rows - n, fill(memory, LOWEST))
            store(content + n, value)
            top = larger(value, top)
        normalise_exp(rows_pad, content, max_lanes(top))


@part
def softmax_backward(a, values, d_values):
    """dx = y (dy - <dy, y>) for a softmax y over rows, in place."""
    width = lanes(values)
    total = fill(values, 0)
    for n in range(0, a.rows_pad, width):
        total = fma(load(values + n), load(d_values + n), total)
    total = sum_lanes(total)
    for n in range(0, a.rows_pad, width):
        store(d_values + n, load(values + n) * (load(d_values + n) - total))


@part
def look_up_backward(a, head, record, memory, inverse, d_content, d_memory, d_record):
    """One head's content weighting; `d_content` is lost."""
    width, rows_pad, word = lanes(memory), a.rows_pad, a.word
    content, scores = (
        record + a.at_content + head * rows_pad,
        record + a.at_scores + head * rows_pad,
    )
    key, d_key = record + a.at_keys + head * a.word_pad, d_record + a.at_keys + head * a.word_pad
    softmax_backward(a, content, d_content)
    strength = 1 + broadcast(record + a.at_strengths + head)
    zero = fill(memory, 0)
    d_strength, total = zero, zero
    inverse_key = zero
    if a.similarity == COSINE:
        inverse_key = inverse_key_norm(a, key)
    # `d_content` becomes what each row's numbers are multiplied by.
    for n in range(0, rows_pad, width):
        score, change = load(scores + n), load(d_content + n)
        d_strength = fma(change, score, d_strength)
        change = change * strength
        if a.similarity == COSINE:
            total = fma(change, score, total)
            change = change * (inverse_key * load(inverse + n))
        elif a.similarity == EUCLIDEAN:
            # The score is minus the distance: d score / d k = (k - m) / score.
            change = first(change / score, a.rows - n, zero)
        store(d_content + n, change)
    store_one(d_record + a.at_strengths + head, sum_lanes(d_strength))
    total = sum_lanes(total) * inverse_key * inverse_key
    for j in range(word):
        line, d_line, number = memory + j * rows_pad, d_memory + j * rows_pad, broadcast(key + j)
        d_number = zero
        for n in range(0, rows_pad, width):
            value, change = load(line + n), load(d_content + n)
            if a.similarity == COSINE:
                d_number = fma(change, value, d_number)
                # change k - c s / |m|^2 m, where change = c / (|k| |m|), so c s = change s |k| |m|
                norm = load(inverse + n)
                along = change * load(scores + n) * (norm / inverse_key)
                rest = fma(change, number, load(d_line + n))
                store(d_line + n, rest - along * value)
            elif a.similarity == DOT:
                d_number = fma(change, value, d_number)
                store(d_line + n, fma(change, number, load(d_line + n)))
            elif a.similarity == EUCLIDEAN:
                through = change * (number - value)
                d_number = d_number + through
                store(d_line + n, load(d_line + n) - through)
            else:
                through = change * minus_sign(number - value)
                d_number = d_number + through
                store(d_line + n, load(d_line + n) - through)
        store_one(d_key + j, sum_lanes(d_number) - total * number)


@part
def minus_sign(x):
    """-sign(x)"""
    zero = fill(x, 0)
    return select(less(zero, x), zero - 1, select(less(x, zero), zero + 1, zero))
