"""Links between PyTorch's arrangement, row by row, and the tape's."""

from tapehead.ops.numba_kit.copying import copy
from tapehead.ops.numba_kit.gathering import bits_at, put_bits, put_integer
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import integer_at
from tapehead.ops.numba_kit.simd import broadcast, store_one


@part
def import_link(a, links, sequence, target):
    """Of a sparse link the values: K for each row there, K lines of rows here."""
    rows, rows_pad, kept = a.rows, a.rows_pad, a.kept
    if kept:
        source = links + sequence * rows * kept
        for n in range(rows):
            for k in range(kept):
                store_one(target + k * rows_pad + n, broadcast(source + n * kept + k))
    else:
        for n in range(rows):
            copy(links + (sequence * rows + n) * rows, target + n * rows_pad, rows)


@part
def export_link(a, links, sequence, source):
    rows, rows_pad, kept = a.rows, a.rows_pad, a.kept
    if kept:
        target = links + sequence * rows * kept
        for n in range(rows):
            for k in range(kept):
                store_one(target + n * kept + k, broadcast(source + k * rows_pad + n))
    else:
        for n in range(rows):
            copy(source + n * rows_pad, links + (sequence * rows + n) * rows, rows)


@part
def import_columns(a, sequence, target):
    """Columns of a sparse link. No index may lead out of a row, whoever made the state."""
    for n in range(a.rows):
        for k in range(a.kept):
            column = integer_at(a.link_columns + 8 * ((sequence * a.rows + n) * a.kept + k))
            put_bits(target + k * a.rows_pad + n, max(0, min(column, a.rows - 1)))


@part
def export_columns(a, sequence, source):
    for n in range(a.rows):
        for k in range(a.kept):
            place = a.last_link_columns + 8 * ((sequence * a.rows + n) * a.kept + k)
            put_integer(place, bits_at(source + k * a.rows_pad + n))
