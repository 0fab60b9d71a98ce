"""Rows in order: all of them by usage, or the few largest of a weighting."""

from tapehead.ops.numba_kit.gathering import bits_at, put_bits, put_integer
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import integer_at


@part
def sort_rows(usage, rows, before, order):
    """The rows by usage, and by number where that is the same, into the addresses from `order` on.

    `before` is where an order lies that is probably close, or 0: by insertion, next to no work
    when little has changed since the step before.
    """
    for n in range(rows):
        row = n
        if before:
            row = integer_at(before + 8 * n)
        bits = bits_at(usage + row)
        place = n
        while place > 0:
            other = integer_at(order + 8 * (place - 1))
            other_bits = bits_at(usage + other)
            if other_bits < bits or (other_bits == bits and other < row):
                break
            put_integer(order + 8 * place, other)
            place -= 1
        put_integer(order + 8 * place, row)


@part
def rank(pointer):
    """A whole number that is the larger, the larger the number at `pointer`."""
    bits = bits_at(pointer)
    return bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)


@part
def largest_rows(weights, rows, count, target):
    """The `count` rows of the largest weights, the largest first, as indices from `target` on."""
    found, least = 0, 0
    for n in range(rows):
        own = rank(weights + n)
        if found == count and own <= least:
            continue
        found = min(found + 1, count)
        place = found - 1
        while place > 0:
            other = bits_at(target + place - 1)
            if rank(weights + other) >= own:
                break
            put_bits(target + place, other)
            place -= 1
        put_bits(target + place, n)
        least = rank(weights + bits_at(target + found - 1))
