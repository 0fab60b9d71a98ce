"""How like a key each row of the memory is, NTM eq. 6 and its relatives, forward and backward."""

from tapehead.ops.numba_kit.copying import clear
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import absolute, sqrt
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    less,
    load,
    select,
    store,
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON

COSINE, DOT, EUCLIDEAN, MANHATTAN = 0, 1, 2, 3


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
def similarity_backward(
    a, scores, key, memory, inverse, d_scores, d_memory, d_key, reading, weights, words, pull
):
    """K[k, M] of one head: the key's gradient into `d_key`, the memory's added to `d_memory`.

    If `reading`, so is the gradient that comes through what it read with `weights`, of which the
    gradient is in `words`. `d_scores` is overwritten; `pull` is room for one row.
    """
    width, rows_pad, word = lanes(memory), a.rows_pad, a.word
    if a.similarity == COSINE or a.similarity == DOT:
        inverse_key = fill(memory, 1)
        total = fill(memory, 0)
        if a.similarity == COSINE:
            inverse_key = inverse_key_norm(a, key)
            for n in range(0, rows_pad, width):
                both = load(d_scores + n) * load(scores + n)
                total = total + both
                own = load(inverse + n)
                store(d_scores + n, load(d_scores + n) * (inverse_key * own))
                store(pull + n, -both * (own * own))
            total = sum_lanes(total) * (inverse_key * inverse_key)
        else:
            clear(pull, rows_pad)
        j = 0
        while j + 2 <= word:
            if reading:
                _read_pair(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
            else:
                _key_pair(a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key)
            j += 2
        if j < word:
            if reading:
                _read_single(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
            else:
                _key_single(
                    a, j, key, total, memory, d_memory, d_scores, pull, weights, words, d_key
                )
        return
    if a.similarity == EUCLIDEAN:
        for n in range(0, rows_pad, width):
            store(d_scores + n, load(d_scores + n) / load(scores + n))
    for j in range(word):
        number = broadcast(key + j)
        d_number, d_word = fill(memory, 0), fill(memory, 0)
        if reading:
            d_word = broadcast(words + j)
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        for n in range(0, rows_pad, width):
            difference = number - load(line + n)
            if a.similarity != EUCLIDEAN:
                difference = minus_sign(difference)
            change = load(d_scores + n) * difference
            d_number = d_number + change
            d_value = fma(load(weights + n), d_word, load(d_line + n))
            store(d_line + n, d_value - change)
        store_one(d_key + j, sum_lanes(d_number))


def _key_sweep(pair, reads):
    """One word of the memory, or two side by side; with what comes through the reads, or without.

    dM += k d_dot + M pull (+ w dr), and dk = <d_dot, M> - total k.
    """

    @part
    def sweep(a, j, key, total, memory, d_memory, d_dots, pull, weights, words, d_key):
        width, rows_pad = lanes(memory), a.rows_pad
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        number = broadcast(key + j)
        d_number, d_number2 = fill(memory, 0), fill(memory, 0)
        # The second word of a pair, and zeros where nothing comes through reads.
        other = j + 1 if pair else j
        line2, d_line2 = memory + other * rows_pad, d_memory + other * rows_pad
        number2 = broadcast(key + other)
        d_word, d_word2 = d_number, d_number2
        if reads:
            d_word, d_word2 = broadcast(words + j), broadcast(words + other)
        for n in range(0, rows_pad, width):
            d_dot, pulled = load(d_dots + n), load(pull + n)
            value = load(line + n)
            d_number = fma(d_dot, value, d_number)
            d_value = fma(pulled, value, load(d_line + n))
            d_value = fma(d_dot, number, d_value)
            weight = load(weights + n)
            if reads:
                d_value = fma(weight, d_word, d_value)
            store(d_line + n, d_value)
            if pair:
                value = load(line2 + n)
                d_number2 = fma(d_dot, value, d_number2)
                d_value = fma(pulled, value, load(d_line2 + n))
                d_value = fma(d_dot, number2, d_value)
                if reads:
                    d_value = fma(weight, d_word2, d_value)
                store(d_line2 + n, d_value)
        store_one(d_key + j, sum_lanes(d_number) - total * number)
        if pair:
            store_one(d_key + j + 1, sum_lanes(d_number2) - total * number2)

    return sweep


@part
def minus_sign(x):
    """-sign(x)"""
    zero = fill(x, 0)
    return select(less(zero, x), zero - 1, select(less(x, zero), zero + 1, zero))


_read_pair, _read_single = _key_sweep(True, True), _key_sweep(False, True)
_key_pair, _key_single = _key_sweep(True, False), _key_sweep(False, False)
