"""Temporal links and precedence, forward and backward: what moves rows x rows numbers.

Names as in `access` and `access_backward`.
"""

from tapehead.ops.dnc.cpu.carry import d_precedence_of, d_write_of
from tapehead.ops.links import LINK_FLOOR
from tapehead.ops.ntm.cpu.addressing import LOWEST, normalise_exp, softmax_backward
from tapehead.ops.numba_kit.copying import add_to
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import log_
from tapehead.ops.numba_kit.product import multiply, multiply_add
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


@part
def link_rows(a, record, before, source, target):
    """L_t from L_{t-1}; may be in place."""
    width, rows_pad = lanes(source), a.rows_pad
    weights, precedence = record + a.at_write_weights, before + a.at_precedence
    for i in range(a.rows):
        into = broadcast(weights + i)
        line, new = source + i * rows_pad, target + i * rows_pad
        rest = 1 - into
        for n in range(0, rows_pad, width):
            value = load(line + n) * (rest - load(weights + n))
            store(new + n, fma(into, load(precedence + n), value))
        store_one(new + i, fill(source, 0))


@part
def dot_rows(a, link, weights, target):
    """target_i = sum_j L[i, j] weights_j, and zero in the padding."""
    width, rows_pad, rows = lanes(link), a.rows_pad, a.rows
    store(target + rows_pad - width, fill(link, 0))
    i = 0
    while i + 4 <= rows:
        line = link + i * rows_pad
        zero = fill(link, 0)
        total, total1, total2, total3 = zero, zero, zero, zero
        for n in range(0, rows_pad, width):
            weight = load(weights + n)
            total = fma(weight, load(line + n), total)
            total1 = fma(weight, load(line + rows_pad + n), total1)
            total2 = fma(weight, load(line + 2 * rows_pad + n), total2)
            total3 = fma(weight, load(line + 3 * rows_pad + n), total3)
        store_one(target + i, sum_lanes(total))
        store_one(target + i + 1, sum_lanes(total1))
        store_one(target + i + 2, sum_lanes(total2))
        store_one(target + i + 3, sum_lanes(total3))
        i += 4
    while i < rows:
        total = fill(link, 0)
        for n in range(0, rows_pad, width):
            total = fma(load(weights + n), load(link + i * rows_pad + n), total)
        store_one(target + i, sum_lanes(total))
        i += 1


@part
def follow_links(a, record, before, link):
    """f = L w_{t-1} and b = L^T w_{t-1} of every read head."""
    rows_pad = a.rows_pad
    weights = before + a.at_read_weights
    for head in range(a.num_reads):
        place = head * rows_pad
        dot_rows(a, link, weights + place, record + a.at_led_forward + place)
    multiply(
        a.num_reads, weights, rows_pad, 1, link, rows_pad, rows_pad, a.rows,
        record + a.at_led_backward, rows_pad,
    )  # fmt: skip


@part
def precede(a, record, before):
    """p_t = (1 - sum w) p_{t-1} + w."""
    width = lanes(record)
    total = fill(record, 0)
    for n in range(0, a.rows_pad, width):
        total = total + load(record + a.at_write_weights + n)
    rest = 1 - sum_lanes(total)
    for n in range(0, a.rows_pad, width):
        value = fma(rest, load(before + a.at_precedence + n), load(record + a.at_write_weights + n))
        store(record + a.at_precedence + n, value)


@part
def precede_backward(a, record, before, carry):
    """p_t = (1 - sum w) p_{t-1} + w."""
    width, rows_pad = lanes(record), a.rows_pad
    d_precedence, d_write = d_precedence_of(a, carry), d_write_of(a, carry)
    written, along = fill(record, 0), fill(record, 0)
    for n in range(0, rows_pad, width):
        written = written + load(record + a.at_write_weights + n)
        along = fma(load(d_precedence + n), load(before + a.at_precedence + n), along)
    rest, along = 1 - sum_lanes(written), sum_lanes(along)
    for n in range(0, rows_pad, width):
        change = load(d_precedence + n)
        store(d_write + n, load(d_write + n) + first(change - along, a.rows - n, fill(record, 0)))
        store(d_precedence + n, change * rest)


@part
def links_backward(a, record, before, link_before, link, d_back, d_on, carry, d_link, spare):
    """L_t from L_{t-1}, f = L w and b = L^T w: one sweep over the link matrix."""
    width, rows, rows_pad, reads = lanes(record), a.rows, a.rows_pad, a.num_reads
    read_weights, weights = before + a.at_read_weights, record + a.at_write_weights
    precedence = before + a.at_precedence
    d_write, d_precedence = d_write_of(a, carry), d_precedence_of(a, carry)
    # d w_{t-1}: L^T df + L db.
    multiply_add(reads, d_on, rows_pad, 1, link, rows_pad, rows_pad, rows, carry, rows_pad)
    for head in range(reads):
        dot_rows(a, link, d_back + head * rows_pad, spare)
        add_to(carry + head * rows_pad, spare, rows)
    for i in range(rows):
        line, d_line = link_before + i * rows_pad, d_link + i * rows_pad
        for head in range(reads):
            on = broadcast(d_on + head * rows_pad + i)
            at = broadcast(read_weights + head * rows_pad + i)
            for n in range(0, rows_pad, width):
                place = head * rows_pad + n
                value = fma(on, load(read_weights + place), load(d_line + n))
                store(d_line + n, fma(at, load(d_back + place), value))
        store_one(d_line + i, fill(record, 0))
        into = broadcast(weights + i)
        rest, total = 1 - into, fill(record, 0)
        for n in range(0, rows_pad, width):
            change, weight = load(d_line + n), load(weights + n)
            through = change * load(line + n)
            store(d_write + n, load(d_write + n) - through)
            total = total + fma(change, load(precedence + n), -through)
            store(d_precedence + n, fma(change, into, load(d_precedence + n)))
            store(d_line + n, change * (rest - weight))
        store_one(d_write + i, broadcast(d_write + i) + sum_lanes(total))


# --- sharpened links: arXiv 1904.10278, eq. 7 to 9


@part
def sharpen_links(a, record):
    """Where the links lead, raised to a power and made whole: b and f of every read head."""
    for head in range(a.num_reads):
        place, sharpness = head * a.rows_pad, record + a.at_sharpness + 2 * head
        sharpen(a, record + a.at_led_backward + place, sharpness, record + a.at_backward + place)
        sharpen(a, record + a.at_led_forward + place, sharpness + 1, record + a.at_forward + place)


@part
def sharpen(a, led, sharpness, target):
    """softmax(s log(led + floor)); `sharpness` is kept less one."""
    power, lowest = 1 + broadcast(sharpness), fill(led, LOWEST)
    top = lowest
    for n in range(0, a.rows_pad, lanes(led)):
        value = first(power * log_(load(led + n) + LINK_FLOOR), a.rows - n, lowest)
        store(target + n, value)
        top = larger(value, top)
    normalise_exp(a.rows_pad, target, max_lanes(top))


@part
def sharpen_links_backward(a, record, d_back, d_on, d_record):
    """In place."""
    for head in range(a.num_reads):
        place = head * a.rows_pad
        led, sharp = record + a.at_led_backward + place, record + a.at_backward + place
        at = a.at_sharpness + 2 * head
        sharpen_backward(a, led, sharp, record + at, d_back + place, d_record + at)
        led, sharp = record + a.at_led_forward + place, record + a.at_forward + place
        sharpen_backward(a, led, sharp, record + at + 1, d_on + place, d_record + at + 1)


@part
def sharpen_backward(a, led, sharp, sharpness, d_led, d_sharpness):
    """`d_led` comes in as the gradient of `sharp`."""
    power, total = 1 + broadcast(sharpness), fill(led, 0)
    softmax_backward(a, sharp, d_led, d_led)
    for n in range(0, a.rows_pad, lanes(led)):
        change, inside = load(d_led + n), load(led + n) + LINK_FLOOR
        total = fma(change, log_(inside), total)
        store(d_led + n, power * change / inside)
    store_one(d_sharpness, sum_lanes(total))
