"""Sorting rows by usage: whole numbers in memory beside the tape."""

from llvmlite import ir
from numba import types

from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import integer_at


@intrinsic
def bits_at(typingctx, pointer):
    """The bits of the number at `pointer` as a whole number: numbers of at least zero are in the
    same order as their bits."""
    size = pointer.dtype.bitwidth

    def codegen(context, builder, sig, args):
        kind = ir.IntType(size)
        bits = builder.load(builder.bitcast(args[0], kind.as_pointer()))
        return bits if size == 64 else builder.sext(bits, ir.IntType(64))

    return types.int64(pointer), codegen


@intrinsic
def put_integer(typingctx, address, value):
    """Put a whole number (int64) at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], ir.IntType(64).as_pointer()))

    return types.void(types.int64, types.int64), codegen


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
