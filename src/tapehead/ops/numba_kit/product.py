"""Small matrix products in registers.

`tile` is the one inner loop: a few rows times a few vectors of columns, kept in registers while it
walks along the summed axis. Every number of a result is added up in the same order, whatever the
number of rows that share the tile.
"""

from llvmlite import ir
from numba import types

from tapehead.ops.numba_kit.copying import copy
from tapehead.ops.numba_kit.emit import constant, fmuladd, load_vector, splat, store_vector
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import lanes
from tapehead.ops.numba_kit.transposition import transpose
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES, lanes_of

WIDE = 4 if VECTOR_BYTES != 32 else 2
"""Vectors side by side in the widest tile: with four rows, what the register file holds."""


STRETCH = 32
"""Products that are added up before they are added to the rest: rounding grows with the length of a
sum, so that two short ones after the other are more exact than a long one."""


@intrinsic(prefer_literal=True)
def tile(typingctx, rows, vectors, a, a_row, a_step, b, b_step, depth, out, out_row, accumulate):
    """out[r, c] (+)= sum_k a[r a_row + k a_step] b[k b_step + c]

    for r < rows and c < vectors x lanes; `rows`, `vectors` and `accumulate` (0 or 1) are literals.
    """
    num_rows, num_vectors = rows.literal_value, vectors.literal_value
    adds = accumulate.literal_value
    width = lanes_of(a.dtype)
    i64 = types.int64
    sig = types.void(rows, vectors, a, i64, i64, b, i64, i64, out, i64, accumulate)

    def codegen(context, builder, sig, args):
        _, _, a, a_row, a_step, b, b_step, depth, out, out_row, _ = args
        one = ir.IntType(64)(1)
        row_offsets = [builder.mul(a_row, ir.IntType(64)(r)) for r in range(num_rows)]
        targets = [
            builder.gep(
                builder.gep(out, [builder.mul(out_row, ir.IntType(64)(r))]),
                [ir.IntType(64)(v * width)],
            )
            for r in range(num_rows)
            for v in range(num_vectors)
        ]
        starts = [
            load_vector(builder, target) if adds else constant(sig.args[2].dtype, 0.0)
            for target in targets
        ]
        before = builder.block
        stretch = builder.append_basic_block("tile.stretch")
        start_inner = builder.append_basic_block("tile.start")
        head = builder.append_basic_block("tile.head")
        body = builder.append_basic_block("tile.body")
        after_inner = builder.append_basic_block("tile.after")
        done = builder.append_basic_block("tile.done")
        builder.branch(stretch)

        builder.position_at_end(stretch)
        first_k = builder.phi(depth.type)
        first_a, first_b = builder.phi(a.type), builder.phi(b.type)
        totals = [builder.phi(start.type) for start in starts]
        builder.cbranch(builder.icmp_signed("<", first_k, depth), start_inner, done)

        builder.position_at_end(start_inner)
        end = builder.add(first_k, ir.IntType(64)(STRETCH))
        end = builder.select(builder.icmp_signed("<", end, depth), end, depth)
        builder.branch(head)

        builder.position_at_end(head)
        k = builder.phi(depth.type)
        a_at, b_at = builder.phi(a.type), builder.phi(b.type)
        sums = [builder.phi(start.type) for start in starts]
        builder.cbranch(builder.icmp_signed("<", k, end), body, after_inner)

        builder.position_at_end(body)
        columns = [
            load_vector(builder, builder.gep(b_at, [ir.IntType(64)(v * width)]))
            for v in range(num_vectors)
        ]
        after = []
        for r in range(num_rows):
            factor = splat(builder, builder.load(builder.gep(a_at, [row_offsets[r]])))
            after += [
                fmuladd(builder, factor, columns[v], sums[r * num_vectors + v])
                for v in range(num_vectors)
            ]
        next_k = builder.add(k, one)
        next_a, next_b = builder.gep(a_at, [a_step]), builder.gep(b_at, [b_step])
        builder.branch(head)

        builder.position_at_end(after_inner)
        grown = [builder.fadd(*pair) for pair in zip(totals, sums, strict=True)]
        builder.branch(stretch)

        def join(phi, value, block, other, other_block):
            phi.add_incoming(value, block)
            phi.add_incoming(other, other_block)

        join(first_k, ir.IntType(64)(0), before, k, after_inner)
        join(first_a, a, before, a_at, after_inner)
        join(first_b, b, before, b_at, after_inner)
        join(k, first_k, start_inner, next_k, body)
        join(a_at, first_a, start_inner, next_a, body)
        join(b_at, first_b, start_inner, next_b, body)
        zero = constant(sig.args[2].dtype, 0.0)
        for total, start, larger in zip(totals, starts, grown, strict=True):
            join(total, start, before, larger, after_inner)
        for partial, more in zip(sums, after, strict=True):
            join(partial, zero, start_inner, more, body)

        builder.position_at_end(done)
        for target, total in zip(targets, totals, strict=True):
            store_vector(builder, target, total)

    return sig, codegen


def _strip(vectors, accumulate):
    """`tile` for any number of rows."""

    @part
    def strip(rows, a, a_row, a_step, b, b_step, depth, out, out_row):
        row = 0
        while row + 4 <= rows:
            tile(
                4, vectors, a + row * a_row, a_row, a_step, b, b_step, depth,
                out + row * out_row, out_row, accumulate,
            )  # fmt: skip
            row += 4
        while row < rows:
            tile(
                1, vectors, a + row * a_row, a_row, a_step, b, b_step, depth,
                out + row * out_row, out_row, accumulate,
            )  # fmt: skip
            row += 1

    return strip


_set_wide, _set_two, _set_one = (_strip(vectors, 0) for vectors in (WIDE, 2, 1))
_add_wide, _add_two, _add_one = (_strip(vectors, 1) for vectors in (WIDE, 2, 1))


@part
def panel(width, remaining):
    """Columns of the panel that starts where `remaining` are left; `width` is a vector's."""
    if remaining > (WIDE - 1) * width:
        return WIDE * width
    if remaining > width:
        return 2 * width
    return width


@part
def multiply(rows, a, a_row, a_step, b, b_step, columns, depth, out, out_row):
    """out[r, c] = sum_k a[r a_row + k a_step] b[k b_step + c]

    Columns are rounded up to whole vectors: the rows of `b` and `out` must be as long as that.
    A `b_step` of 0 means that `b` was packed in panels by `pack`.
    """
    width = lanes(a)
    column = 0
    while column < columns:
        size = panel(width, columns - column)
        if b_step == 0:
            source, step = b + column * depth, size
        else:
            source, step = b + column, b_step
        if size == WIDE * width:
            _set_wide(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        elif size == 2 * width:
            _set_two(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        else:
            _set_one(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        column += size


@part
def multiply_add(rows, a, a_row, a_step, b, b_step, columns, depth, out, out_row):
    """As `multiply`, added to what `out` holds."""
    width = lanes(a)
    column = 0
    while column < columns:
        size = panel(width, columns - column)
        if b_step == 0:
            source, step = b + column * depth, size
        else:
            source, step = b + column, b_step
        if size == WIDE * width:
            _add_wide(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        elif size == 2 * width:
            _add_two(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        else:
            _add_one(rows, a, a_row, a_step, source, step, depth, out + column, out_row)
        column += size


@part
def pack(
    packed, depth, columns, first_depth, first_column, source, depth_step, column_step, deep, wide
):
    """Copy a (deep, wide) block into the packed form of a (depth, columns) matrix.

    The packed form holds one `panel` of columns after the other, each row by row, so that
    `multiply` reads memory straight on. Element (k, c) of the block is
    source[k depth_step + c column_step], one of the steps being 1; the block's corner goes to
    (first_depth, first_column).
    """
    width = lanes(source)
    start = 0
    while start < columns:
        size = panel(width, columns - start)
        low = max(start, first_column)
        high = min(start + size, first_column + wide)
        if low < high:
            target = packed + start * depth + first_depth * size - start + low
            block = source + (low - first_column) * column_step
            if column_step == 1:
                for k in range(deep):
                    copy(block + k * depth_step, target + k * size, high - low)
            else:
                transpose(block, column_step, high - low, deep, target, size)
        start += size
