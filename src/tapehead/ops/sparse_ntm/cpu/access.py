"""One step of all heads of a sequence: rows are emptied, written, found and read."""

from tapehead.ops.numba_kit.copying import copy, store_part
from tapehead.ops.numba_kit.gathering import some_lane
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import absolute, exp, sigmoid, softplus, sqrt
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
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON
from tapehead.ops.sparse_ntm.cpu.layout import LIVE, OLDEST
from tapehead.ops.sparse_ntm.cpu.search import least_recent, most_alike, number, put, smaller
from tapehead.ops.sparse_ntm.cpu.tape import record_of, rows_of

_LIVE, _OLDEST, _EPSILON = LIVE, OLDEST, EPSILON


@part
def access(a, kind, b, t, slot, interface, work):
    """One step of all heads of a sequence: empty and write rows, then find and read others."""
    before, now = record_of(a, kind, b, t), record_of(a, kind, b, t + 1)
    rows_before = rows_of(a, a.rows_tape_at, b, t)
    rows_now = rows_of(a, a.rows_tape_at, b, t + 1)
    counters = a.counters_at + 8 * b * a.counter
    accessed = a.last_accessed_at + 8 * b * a.rows
    totals = pointer_like(kind, a.totals_at) + slot * a.rows
    parameters(a, interface, now)
    least_recent(a, accessed, counters)
    write(a, kind, b, before, now, rows_before, counters, totals)
    find(a, kind, b, now, counters, work)
    reads = work + (b % a.block) * a.below_pad
    read(a, kind, b, now, counters, totals, work, reads, rows_now)
    clock = number(a.last_clock_at, b) + 1
    put(a.last_clock_at, b, clock)
    mark(a, accessed, counters, totals, pointer_like(kind, a.threshold_at), clock)


@part
def parameters(a, interface, now):
    """The interface vector in its ranges, in the record."""
    width, word, heads = lanes(now), a.word, a.heads
    zero = fill(now, 0)
    for h in range(heads):
        total = zero
        for j in range(0, word, width):
            key = first(load(interface + h * word + j), word - j, zero)
            store(now + a.at_keys + h * a.word_pad + j, key)
            total = fma(key, key, total)
            add = first(load(interface + (heads + h) * word + j), word - j, zero)
            store(now + a.at_adds + h * a.word_pad + j, add)
        store_one(now + a.at_key_inverses + h, 1 / sqrt(sum_lanes(total) + _EPSILON))
    at = interface + 2 * heads * word
    for j in range(0, heads, width):
        strength = load(at + j)
        store(now + a.at_strengths + j, 1 + softplus(strength))
        store(now + a.at_slopes + j, sigmoid(strength))
        store(now + a.at_write_gates + j, sigmoid(load(at + heads + j)))
        store(now + a.at_gates + j, sigmoid(load(at + 2 * heads + j)))


@part
def write(a, kind, b, before, now, rows_before, counters, totals):
    """Empty the rows unused for longest, then add to them and to those that were read before."""
    heads, kept, word = a.heads, a.kept, a.word
    memory = pointer_like(kind, a.last_memory_at) + b * a.rows * word
    oldest = counters + 8 * _OLDEST
    earlier = oldest + 8 * heads
    live = number(counters, _LIVE)
    for h in range(heads):
        m = memory + number(oldest, h) * word
        for j in range(0, word, lanes(m)):
            store_part(m + j, fill(m, 0), word - j)
    for h in range(heads):
        add = now + a.at_adds + h * a.word_pad
        allowed, gate = broadcast(now + a.at_write_gates + h), broadcast(now + a.at_gates + h)
        for k in range(kept):
            row = number(rows_before, h * (kept + 1) + k)
            put(earlier, h * kept + k, row)
            weight = allowed * gate * broadcast(before + a.at_weights + h * a.kept_pad + k)
            add_row(memory + row * word, add, weight, word)
            store_one(totals + row, broadcast(totals + row) + weight)
        row = number(oldest, h)
        weight = allowed * (1 - gate)
        add_row(memory + row * word, add, weight, word)
        store_one(totals + row, broadcast(totals + row) + weight)
    for i in range(heads):
        live = grown(a, kind, b, live, number(oldest, i))
    for i in range(heads * kept):
        live = grown(a, kind, b, live, number(earlier, i))
    put(counters, _LIVE, live)


@part
def add_row(m, add, weight, word):
    for j in range(0, word, lanes(m)):
        store_part(m + j, fma(weight, load(add + j), load_first(m + j, word - j)), word - j)


@part
def find(a, kind, b, now, counters, work):
    """The rows that are read, from behind those read before on; their scores in `work`."""
    width = lanes(now)
    queries, best = work + a.at_work_words, work + a.at_work_best
    for j in range(0, a.heads * a.word_pad, width):
        store(queries + j, load(now + a.at_keys + j))
    for j in range(a.heads * a.word_pad, (a.heads + 3) * a.word_pad, width):
        store(queries + j, fill(now, 0))
    found = counters + 8 * (_OLDEST + a.heads + a.heads * a.kept)
    memory = pointer_like(kind, a.last_memory_at) + b * a.rows * a.word
    inverse = pointer_like(kind, a.inverse_at) + b * a.rows
    live = number(counters, _LIVE)
    most_alike(a, queries, memory, inverse, live, best, found)


@part
def read(a, kind, b, now, counters, totals, work, reads, rows_now):
    """Weigh the rows that were found, eq. 4, and keep what the backward pass asks for."""
    width, heads, kept, word = lanes(now), a.heads, a.kept, a.word
    best, total_words = work + a.at_work_best, work + a.at_work_words
    oldest = counters + 8 * _OLDEST
    found = oldest + 8 * (heads + heads * kept)
    live = number(counters, _LIVE)
    memory = pointer_like(kind, a.last_memory_at) + b * a.rows * word
    inverse = pointer_like(kind, a.inverse_at) + b * a.rows
    zero, empty = fill(now, 0), 1 / sqrt(fill(now, _EPSILON))
    for h in range(heads):
        at = h * a.kept_pad
        scores, weights = now + a.at_scores + at, now + a.at_weights + at
        key_inverse = broadcast(now + a.at_key_inverses + h)
        strength = broadcast(now + a.at_strengths + h)
        top = broadcast(best + at) * key_inverse
        total = zero
        for k in range(0, a.kept_pad, width):
            score = first(load(best + at + k) * key_inverse, kept - k, zero)
            store(scores + k, score)
            weight = first(exp(strength * (score - top)), kept - k, zero)
            store(weights + k, weight)
            total = total + weight
        total = sum_lanes(total)
        for k in range(0, a.kept_pad, width):
            store(weights + k, load(weights + k) / total)
            store(now + a.at_inverses + at + k, zero)
        for j in range(0, a.word_pad, width):
            store(total_words + j, zero)
        for k in range(kept):
            row = number(found, h * kept + k)
            put(rows_now, h * (kept + 1) + k, row)
            weight = broadcast(weights + k)
            store_one(totals + row, broadcast(totals + row) + weight)
            words = now + a.at_words + (h * kept + k) * a.word_pad
            if row < live:
                store_one(now + a.at_inverses + at + k, broadcast(inverse + row))
            else:
                store_one(now + a.at_inverses + at + k, empty)
            m = memory + row * word
            for j in range(0, word, width):
                value = load_first(m + j, word - j)
                store(words + j, value)
                store(total_words + j, fma(weight, value, load(total_words + j)))
        put(rows_now, h * (kept + 1) + kept, number(oldest, h))
        copy(total_words, reads + h * word, word)


@part
def mark(a, accessed, counters, totals, threshold, clock):
    """Rows that were read and written with more than the threshold were accessed now."""
    heads, kept = a.heads, a.kept
    delta, zero = broadcast(threshold), fill(totals, 0)
    touched = counters + 8 * _OLDEST
    for i in range(heads + 2 * heads * kept):
        row = number(touched, i)
        if smaller(totals, delta, broadcast(totals + row)):
            put(accessed, row, clock)
    for i in range(heads + 2 * heads * kept):
        store_one(totals + number(touched, i), zero)


@part
def holds_something(row, word):
    width = lanes(row)
    total = fill(row, 0)
    for j in range(0, word, width):
        total = total + absolute(load_first(row + j, word - j))
    return some_lane(total)


@part
def grown(a, kind, b, live, row):
    """The rows that may hold something, and 1 / |m| of each of them, after one was written."""
    inverse = pointer_like(kind, a.inverse_at) + b * a.rows
    empty = 1 / sqrt(fill(inverse, _EPSILON))
    while live <= row:
        store_one(inverse + live, empty)
        live += 1
    word = a.word
    m = pointer_like(kind, a.last_memory_at) + (b * a.rows + row) * word
    total = fill(inverse, 0)
    for j in range(0, word, lanes(inverse)):
        value = load_first(m + j, word - j)
        total = fma(value, value, total)
    store_one(inverse + row, 1 / sqrt(sum_lanes(total) + _EPSILON))
    return live
