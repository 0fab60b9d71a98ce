"""Sparse links backward; derived in ops/dnc/README.md. Names as in `access_backward`."""

from tapehead.ops.dnc.cpu.carry import d_precedence_of, d_write_of
from tapehead.ops.dnc.cpu.order import rank
from tapehead.ops.dnc.cpu.sparse import spread
from tapehead.ops.numba_kit.copying import clear
from tapehead.ops.numba_kit.gathering import bits_at, gather, scatter_add, some_lane
from tapehead.ops.numba_kit.linking import part
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


@part
def sparse_links_backward(a, record, before, link_before, link, d_back, d_on, carry, d_link, misc):
    """L_t from L_{t-1}, f = L w and b = L^T w; `misc` is room for four rows."""
    rows_pad = a.rows_pad
    writing, d_writing = misc, misc + rows_pad
    d_written, d_preceding = misc + 2 * rows_pad, misc + 3 * rows_pad
    follow_backward(a, before, link, d_back, d_on, carry, d_link)
    spread(a, record, writing)
    clear(d_writing, rows_pad)
    clear(d_preceding, rows_pad)
    for k in range(a.kept):
        bear_backward(a, record, k, writing, link_before, link, d_link, d_written, d_preceding)
    fade_backward(a, writing, link_before, d_link, d_writing)
    rows = record + a.at_written_rows
    for k in range(a.kept):
        at = d_written + k
        store_one(at, broadcast(at) + broadcast(d_writing + bits_at(rows + k)))
    weights = record + a.at_write_weights
    keep_largest_backward(a, weights, rows, d_written, d_write_of(a, carry))
    weights, rows = before + a.at_precedence, record + a.at_preceding_rows
    keep_largest_backward(a, weights, rows, d_preceding, d_precedence_of(a, carry))


@part
def follow_backward(a, before, link, d_back, d_on, carry, d_link):
    """f and b; a link that is not there has no gradient."""
    width, rows_pad, lines = lanes(link), a.rows_pad, a.kept * a.rows_pad
    zero, least = fill(link, 0), 1 / fill(link, a.sparse_links)
    weights = before + a.at_read_weights
    for k in range(a.kept):
        for n in range(0, rows_pad, width):
            place = k * rows_pad + n
            at = link + place
            value, change = load(at), zero
            if some_lane(value):
                change = load(d_link + place)
                for head in range(a.num_reads):
                    line = head * rows_pad
                    on, weight = load(d_on + line + n), load(weights + line + n)
                    change = fma(on, gather(weights + line, at + lines), change)
                    back = gather(d_back + line, at + lines)
                    change = fma(weight, back, change)
                    store(carry + line + n, fma(value, back, load(carry + line + n)))
                    scatter_add(carry + line, at + lines, value * on)
                change = select(less(value, least), zero, change)
            store(d_link + place, change)


@part
def bear_backward(a, record, number, writing, link_before, link, d_link, d_written, d_preceding):
    """Links of one row that was written to: leaves the gradient of what they were before."""
    rows_pad, lines = a.rows_pad, a.kept * a.rows_pad
    row = bits_at(record + a.at_written_rows + number)
    into, total = broadcast(record + a.at_written + number), fill(link, 0)
    for k in range(a.kept):
        place = k * rows_pad + row
        if not bits_at(link + place):
            continue
        change, column = broadcast(d_link + place), bits_at(link + lines + place)
        for j in range(a.kept):
            if column != row and column == bits_at(record + a.at_preceding_rows + j):
                total = fma(change, broadcast(record + a.at_preceding + j), total)
                store_one(d_preceding + j, fma(change, into, broadcast(d_preceding + j)))
        column_before = bits_at(link_before + lines + place)
        faded = 1 - broadcast(writing + row) - broadcast(writing + column_before)
        # Had anything been left of a link there to the same row, births joined it.
        store_one(d_link + place, faded * broadcast(link_before + place))
        if rank(d_link + place) > 0 and column == column_before:
            store_one(d_link + place, change)
        else:
            store_one(d_link + place, fill(link, 0))
    store_one(d_written + number, total)


@part
def fade_backward(a, writing, link_before, d_link, d_writing):
    """L = (1 - w_i - w_j) L', in place."""
    width, rows_pad, lines = lanes(writing), a.rows_pad, a.kept * a.rows_pad
    for k in range(a.kept):
        for n in range(0, rows_pad, width):
            place = k * rows_pad + n
            change = load(d_link + place)
            if some_lane(change):
                columns = link_before + lines + place
                through = change * load(link_before + place)
                store(d_writing + n, load(d_writing + n) - through)
                scatter_add(d_writing, columns, -through)
                faded = 1 - load(writing + n) - gather(writing, columns)
                store(d_link + place, change * faded)


@part
def keep_largest_backward(a, weights, rows, d_kept, target):
    """y = w sum(all) / sum(kept) of the K rows; adds to the gradient of all weights."""
    width, zero = lanes(weights), fill(weights, 0)
    total, held, along = zero, zero, zero
    for n in range(0, a.rows_pad, width):
        total = total + load(weights + n)
    for k in range(a.kept):
        weight = broadcast(weights + bits_at(rows + k))
        held, along = held + weight, fma(broadcast(d_kept + k), weight, along)
    some = less(zero, held)
    held = select(some, held, zero + 1)
    share = select(some, along / held, zero)
    scale = select(some, sum_lanes(total) / held, zero + 1)
    for n in range(0, a.rows_pad, width):
        store(target + n, load(target + n) + first(share, a.rows - n, zero))
    for k in range(a.kept):
        at = target + bits_at(rows + k)
        store_one(at, fma(broadcast(d_kept + k) - share, scale, broadcast(at)))
