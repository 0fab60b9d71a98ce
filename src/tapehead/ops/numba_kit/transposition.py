"""Matrices turned round."""

from llvmlite import ir
from numba import types

from tapehead.ops.numba_kit.emit import (
    lanes_below,
    load_masked,
    load_vector,
    store_masked,
    store_vector,
)
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import lanes
from tapehead.ops.numba_kit.vector_types import lanes_of


def _turned(builder, rows):
    """The columns of a square of numbers, given its rows.

    A perfect shuffle of the numbers, taken as many times as a lane's number has bits, swaps the
    bits of the row's number with those of the lane's.
    """
    width, i32 = len(rows), ir.IntType(32)
    half = width // 2

    def interleaved(a, b, start):
        lanes = [lane for n in range(half) for lane in (start + n, width + start + n)]
        mask = ir.Constant(ir.VectorType(i32, width), [i32(lane) for lane in lanes])
        return builder.shuffle_vector(a, b, mask)

    for _ in range(width.bit_length() - 1):
        pairs = [(rows[i], rows[i + half]) for i in range(half)]
        rows = [interleaved(*pair, start) for pair in pairs for start in (0, half)]
    return rows


def _line(builder, base, step, number):
    return builder.gep(base, [builder.mul(step, number)])


@intrinsic
def transpose_square(typingctx, source, source_step, target, target_step):
    """target[j target_step + i] = source[i source_step + j], for as many i and j as lanes."""
    width, i64 = lanes_of(source.dtype), types.int64

    def codegen(context, builder, sig, args):
        source, source_step, target, target_step = args
        numbers = [ir.IntType(64)(n) for n in range(width)]
        rows = [load_vector(builder, _line(builder, source, source_step, n)) for n in numbers]
        for n, column in zip(numbers, _turned(builder, rows), strict=True):
            store_vector(builder, _line(builder, target, target_step, n), column)

    return types.void(source, i64, source, i64), codegen


@intrinsic
def transpose_corner(typingctx, source, source_step, rows, columns, target, target_step):
    """As `transpose_square`, for i < rows and j < columns; at least one of each."""
    dtype, i64 = source.dtype, types.int64

    def codegen(context, builder, sig, args):
        source, source_step, rows, columns, target, target_step = args
        numbers = [ir.IntType(64)(n) for n in range(lanes_of(dtype))]
        inside = lanes_below(builder, dtype, columns)
        lines = []
        for n in numbers:
            # Past the last row any will do.
            row = builder.select(builder.icmp_signed("<", n, rows), n, numbers[0])
            lines.append(load_masked(builder, _line(builder, source, source_step, row), inside))
        inside = lanes_below(builder, dtype, rows)
        nothing = ir.Constant(inside.type, None)
        for n, column in zip(numbers, _turned(builder, lines), strict=True):
            mask = builder.select(builder.icmp_signed("<", n, columns), inside, nothing)
            store_masked(builder, _line(builder, target, target_step, n), column, mask)

    return types.void(source, i64, i64, i64, source, i64), codegen


@part
def transpose(source, source_step, rows, columns, target, target_step):
    """target[j target_step + i] = source[i source_step + j] for i < rows and j < columns."""
    width = lanes(source)
    for i in range(0, rows, width):
        for j in range(0, columns, width):
            from_here, to_here = source + i * source_step + j, target + j * target_step + i
            if i + width <= rows and j + width <= columns:
                transpose_square(from_here, source_step, to_here, target_step)
            else:
                transpose_corner(
                    from_here, source_step, rows - i, columns - j, to_here, target_step
                )
