"""Matrices turned round."""

from llvmlite import ir
from numba import types

from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import (
    broadcast,
    lanes,
    lanes_of,
    load_vector,
    store_one,
    store_vector,
)


@intrinsic
def transpose_square(typingctx, source, source_step, target, target_step):
    """target[j target_step + i] = source[i source_step + j], for as many i and j as lanes."""
    width = lanes_of(source.dtype)
    i64 = types.int64

    def codegen(context, builder, sig, args):
        source, source_step, target, target_step = args

        def row(base, step, i):
            return builder.gep(base, [builder.mul(step, ir.IntType(64)(i))])

        rows = [load_vector(builder, row(source, source_step, i)) for i in range(width)]
        i32 = ir.IntType(32)

        def interleaved(a, b, start):
            lanes = [lane for n in range(width // 2) for lane in (start + n, width + start + n)]
            mask = ir.Constant(ir.VectorType(i32, width), [i32(lane) for lane in lanes])
            return builder.shuffle_vector(a, b, mask)

        # A perfect shuffle of the numbers, taken as many times as a lane's number has bits, swaps
        # the bits of the row's number with those of the lane's.
        half = width // 2
        for _ in range(width.bit_length() - 1):
            rows = [
                interleaved(rows[i], rows[i + half], start)
                for i in range(half)
                for start in (0, half)
            ]
        for j, vector in enumerate(rows):
            store_vector(builder, row(target, target_step, j), vector)

    return types.void(source, i64, source, i64), codegen


@part
def transpose(source, source_step, rows, columns, target, target_step):
    """target[j target_step + i] = source[i source_step + j] for i < rows and j < columns."""
    width = lanes(source)
    i = 0
    while i + width <= rows:
        j = 0
        while j + width <= columns:
            transpose_square(
                source + i * source_step + j, source_step, target + j * target_step + i, target_step
            )
            j += width
        transpose_singly(
            source + i * source_step + j, source_step, width, columns - j,
            target + j * target_step + i, target_step,
        )  # fmt: skip
        i += width
    transpose_singly(
        source + i * source_step, source_step, rows - i, columns, target + i, target_step
    )


@part
def transpose_singly(source, source_step, rows, columns, target, target_step):
    """As `transpose`, number by number."""
    for i in range(rows):
        for j in range(columns):
            store_one(target + j * target_step + i, broadcast(source + i * source_step + j))
