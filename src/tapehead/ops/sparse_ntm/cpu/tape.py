"""How long sequences are, and where on the tape their records lie."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import pointer_like
from tapehead.ops.sparse_ntm.cpu.search import number


@part
def length_of(a, sequence):
    if a.lengths_at == 0:
        return a.time
    return min(a.time, number(a.lengths_at, sequence))


@part
def longest(a, start, count):
    steps = 0
    for s in range(count):
        steps = max(steps, length_of(a, start + s))
    return steps


@part
def record_of(a, kind, sequence, place):
    """The record of a sequence's step before 0 (its start) at place 0, of step t at t + 1."""
    each = 1 + a.time * a.keep
    return pointer_like(kind, a.tape_at) + (sequence * each + place * a.keep) * a.record


@part
def rows_of(a, rows, sequence, place):
    """The address of what belongs to that record in a table of whole numbers."""
    each = 1 + a.time * a.keep
    return rows + 8 * (sequence * each + place * a.keep) * a.row_record
