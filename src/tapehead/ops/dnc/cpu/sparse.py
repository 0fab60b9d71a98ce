"""Sparse links forward: K links for each row, O(rows K) numbers.

Names as in `access`. `link` holds K lines of values, each `rows` long, and behind them K lines of
the columns they stand in, as indices. A link of value zero is free. The record keeps the rows of
the K largest weights of the write and of the precedence before it, and these weights, scaled.
"""

from tapehead.ops.dnc.cpu.order import largest_rows, rank
from tapehead.ops.numba_kit.copying import clear
from tapehead.ops.numba_kit.gathering import bits_at, gather, put_bits, scatter_add, some_lane
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    fma,
    lanes,
    less,
    load,
    select,
    store,
    store_one,
    sum_lanes,
)


@part
def choose_rows(a, record, before):
    """What this step links: the rows written to, and those that were written before."""
    rows, kept = record + a.at_written_rows, record + a.at_written
    keep_largest(a, record + a.at_write_weights, rows, kept)
    rows, kept = record + a.at_preceding_rows, record + a.at_preceding
    keep_largest(a, before + a.at_precedence, rows, kept)


@part
def keep_largest(a, weights, rows, kept):
    """The K largest weights, scaled to the sum of all."""
    largest_rows(weights, a.rows, a.kept, rows)
    total, held, zero = fill(weights, 0), fill(weights, 0), fill(weights, 0)
    for n in range(0, a.rows_pad, lanes(weights)):
        total = total + load(weights + n)
    for k in range(a.kept):
        held = held + broadcast(weights + bits_at(rows + k))
    some = less(zero, held)
    scale = select(some, sum_lanes(total) / select(some, held, zero + 1), zero + 1)
    for k in range(a.kept):
        store_one(kept + k, broadcast(weights + bits_at(rows + k)) * scale)


@part
def spread(a, record, target):
    """The weights kept of the write, each in its row, and zeros."""
    clear(target, a.rows_pad)
    for k in range(a.kept):
        row = bits_at(record + a.at_written_rows + k)
        store_one(target + row, broadcast(record + a.at_written + k))


@part
def link_sparsely(a, record, source, target, misc):
    """L_t from L_{t-1}; may be in place, and otherwise the columns of `source` are in `target`.
    `misc` is room for two rows.
    """
    width, rows_pad, lines = lanes(source), a.rows_pad, a.kept * a.rows_pad
    writing = misc
    spread(a, record, writing)
    for k in range(a.kept):
        for n in range(0, rows_pad, width):
            place = k * rows_pad + n
            value = load(source + place)
            if some_lane(value):
                out_of = gather(writing, source + lines + place)
                value = (1 - load(writing + n) - out_of) * value
            store(target + place, value)
    for k in range(a.kept):
        bear(a, record, k, target, misc + rows_pad)
    zero, least = fill(source, 0), 1 / fill(source, a.sparse_links)
    for n in range(0, lines, width):
        value = load(target + n)
        store(target + n, select(less(value, least), zero, value))


@part
def bear(a, record, number, link, joined):
    """New links of one row that was written to; where a link lives already they join it.

    Of more than K the largest stay. `joined` is room for K indices.
    """
    rows_pad, lines = a.rows_pad, a.kept * a.rows_pad
    row = bits_at(record + a.at_written_rows + number)
    into = broadcast(record + a.at_written + number)
    for j in range(a.kept):
        column = bits_at(record + a.at_preceding_rows + j)
        born = into * broadcast(record + a.at_preceding + j)
        put_bits(joined + j, 0)
        for k in range(a.kept):
            at = link + k * rows_pad + row
            if rank(at) > 0 and column != row and bits_at(at + lines) == column:
                put_bits(joined + j, 1)
                store_one(at, broadcast(at) + born)
    for j in range(a.kept):
        column = bits_at(record + a.at_preceding_rows + j)
        if column == row or bits_at(joined + j):
            continue
        least = 0
        for k in range(1, a.kept):
            if rank(link + k * rows_pad + row) < rank(link + least * rows_pad + row):
                least = k
        store_one(joined + j, into * broadcast(record + a.at_preceding + j))
        at = link + least * rows_pad + row
        if rank(joined + j) > rank(at):
            store_one(at, broadcast(joined + j))
            put_bits(at + lines, column)


@part
def follow_sparse_links(a, record, before, link):
    """f = L w_{t-1} and b = L^T w_{t-1} of every read head."""
    width, rows_pad, lines = lanes(link), a.rows_pad, a.kept * a.rows_pad
    for head in range(a.num_reads):
        weights = before + a.at_read_weights + head * rows_pad
        back = record + a.at_led_backward + head * rows_pad
        clear(back, rows_pad)
        for n in range(0, rows_pad, width):
            total, weight = fill(link, 0), load(weights + n)
            for k in range(a.kept):
                at = link + k * rows_pad + n
                value = load(at)
                if some_lane(value):
                    total = fma(value, gather(weights, at + lines), total)
                    scatter_add(back, at + lines, value * weight)
            store(record + a.at_led_forward + head * rows_pad + n, total)
