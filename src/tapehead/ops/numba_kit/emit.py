"""Pieces of LLVM code that several intrinsics are made of."""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES, integer_ir, lanes_of, vector_ir


def constant(dtype, value):
    """A vector of equal lanes, known at compile time; a whole number gives an integer vector."""
    kind = integer_ir(dtype) if isinstance(value, int) else vector_ir(dtype)
    return ir.Constant(kind, [value] * kind.count)


def splat(builder, scalar):
    kind = ir.VectorType(scalar.type, VECTOR_BYTES * 8 // _bits(scalar.type))
    i32 = ir.IntType(32)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, i32(0))
    zeros = ir.Constant(ir.VectorType(i32, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def call_llvm(builder, name, args):
    """A float intrinsic of LLVM that maps vectors to a vector."""
    kind = args[0].type
    suffix = f"v{kind.count}f{_bits(kind.element)}"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * len(args)), f"llvm.{name}.{suffix}"
    )
    return builder.call(function, args)


def fmuladd(builder, a, b, c):
    """a b + c, fused where the machine can."""
    return call_llvm(builder, "fmuladd", [a, b, c])


def load_vector(builder, pointer):
    kind = pointer.type.pointee
    vector = ir.VectorType(kind, VECTOR_BYTES * 8 // _bits(kind))
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_bits(kind) // 8)


def store_vector(builder, pointer, value):
    element = value.type.element
    builder.store(
        value, builder.bitcast(pointer, value.type.as_pointer()), align=_bits(element) // 8
    )


def _bits(kind):
    if isinstance(kind, ir.IntType):
        return kind.width
    return 32 if isinstance(kind, ir.FloatType) else 64


def lanes_below(builder, dtype, count):
    """The mask of the first `count` lanes."""
    numbers = ir.Constant(integer_ir(dtype), list(range(lanes_of(dtype))))
    if dtype == types.float32:
        count = builder.trunc(count, ir.IntType(32))
    return builder.icmp_signed("<", numbers, splat(builder, count))


def store_masked(builder, pointer, vector, mask):
    kind = vector.type
    target = builder.bitcast(pointer, kind.as_pointer())
    name = f"llvm.masked.store.v{kind.count}f{_bits(kind.element)}.p0"
    i32 = ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [kind, target.type, i32, mask.type]), name
    )
    builder.call(function, [vector, target, ir.Constant(i32, _bits(kind.element) // 8), mask])


def load_masked(builder, pointer, mask):
    """Zeros where the mask does not hold; memory there is not touched."""
    element = pointer.type.pointee
    kind = ir.VectorType(element, VECTOR_BYTES * 8 // _bits(element))
    source = builder.bitcast(pointer, kind.as_pointer())
    name = f"llvm.masked.load.v{kind.count}f{_bits(element)}.p0"
    i32 = ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [source.type, i32, mask.type, kind]), name
    )
    align = ir.Constant(i32, _bits(element) // 8)
    return builder.call(function, [source, align, mask, ir.Constant(kind, [0.0] * kind.count)])
