"""Whole numbers in memory, beside and among the others, and what they point at.

A place among numbers can hold a whole number of the same width instead: an index travels with the
values that it belongs to.
"""

from llvmlite import ir
from numba import types

from tapehead.ops.numba_kit.emit import load_vector
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.vector_types import Vector, integer_ir, lanes_of, vector_ir

_INT64 = ir.IntType(64)


@intrinsic
def put_integer(typingctx, address, value):
    """Put a whole number (int64) at an address."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], _INT64.as_pointer()))

    return types.void(types.int64, types.int64), codegen


@intrinsic
def bits_at(typingctx, pointer):
    """The bits of the number at `pointer` as a whole number, or the index that was put there.

    Numbers of at least zero are in the same order as their bits.
    """
    size = pointer.dtype.bitwidth

    def codegen(context, builder, sig, args):
        kind = ir.IntType(size)
        bits = builder.load(builder.bitcast(args[0], kind.as_pointer()))
        return bits if size == 64 else builder.sext(bits, _INT64)

    return types.int64(pointer), codegen


@intrinsic
def put_bits(typingctx, pointer, value):
    """Put an index in the place of a number."""
    size = pointer.dtype.bitwidth

    def codegen(context, builder, sig, args):
        kind = ir.IntType(size)
        bits = args[1] if size == 64 else builder.trunc(args[1], kind)
        builder.store(bits, builder.bitcast(args[0], kind.as_pointer()))

    return types.void(pointer, types.int64), codegen


def _places(builder, dtype, base, indices):
    """Pointers to the numbers of `base` that a vector of indices at `indices` names."""
    kind = integer_ir(dtype)
    pointer = builder.bitcast(indices, kind.element.as_pointer())
    found = load_vector(builder, pointer)
    for lane in range(lanes_of(dtype)):
        index = builder.extract_element(found, ir.IntType(32)(lane))
        if dtype.bitwidth < 64:
            index = builder.sext(index, _INT64)
        yield ir.IntType(32)(lane), builder.gep(base, [index])


@intrinsic
def gather(typingctx, base, indices):
    """The vector of base[index], of the indices in the places of one vector at `indices`."""
    dtype = base.dtype

    def codegen(context, builder, sig, args):
        vector = ir.Constant(vector_ir(dtype), ir.Undefined)
        for lane, place in _places(builder, dtype, *args):
            vector = builder.insert_element(vector, builder.load(place), lane)
        return vector

    return Vector(dtype)(base, base), codegen


@intrinsic
def scatter_add(typingctx, base, indices, vector):
    """base[index] += value, lane by lane; an index may come twice."""
    dtype = base.dtype

    def codegen(context, builder, sig, args):
        for lane, place in _places(builder, dtype, *args[:2]):
            value = builder.extract_element(args[2], lane)
            builder.store(builder.fadd(builder.load(place), value), place)

    return types.void(base, base, vector), codegen


@intrinsic
def some_lane(typingctx, vector):
    """1 if any lane is something else than zero (NaN is), otherwise 0."""
    dtype = vector.dtype

    def codegen(context, builder, sig, args):
        kind = vector_ir(dtype)
        zero = ir.Constant(kind, [0.0] * kind.count)
        mask = builder.fcmp_unordered("!=", args[0], zero)
        bits = builder.bitcast(mask, ir.IntType(kind.count))
        found = builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))
        return builder.zext(found, _INT64)

    return types.int64(vector), codegen
