"""Vectors and pointers for Numba functions: what the kernels compute with.

Numba alone leaves vectorising to the compiler, which gives up at a loop with a logarithm, a
reduction, or two arrays that might overlap. Here a kernel says what it means: a `Vector` is one
machine register of float32 or float64 numbers, a `Pointer` is where to load it from. There are no
scalar floats at all (a single number is a vector whose lanes are equal), so no Python constant
can turn float32 into float64: in `vector * 2` the 2 takes the vector's type.

Nothing here uses fast-math: NaN and infinity go through as IEEE 754 has them, so that a loop that
diverged shows it, and results do not depend on what the compiler reorders.
"""

import operator

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin, lower_cast
from numba.extending import models, register_model, type_callable

from tapehead.ops.numba_kit.intrinsics import intrinsic

_FEATURES = llvm.get_host_cpu_features()
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
FLOATS = (types.float32, types.float64)


def lanes_of(dtype: types.Float) -> int:
    """Numbers of a type that fit a register of this machine."""
    return VECTOR_BYTES * 8 // dtype.bitwidth


class Vector(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype})")


class Mask(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Mask({dtype})")


class Pointer(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Pointer({dtype})")


def scalar_ir(dtype):
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def vector_ir(dtype):
    return ir.VectorType(scalar_ir(dtype), lanes_of(dtype))


def integer_ir(dtype):
    return ir.VectorType(ir.IntType(dtype.bitwidth), lanes_of(dtype))


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, vector_ir(fe_type.dtype))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(ir.IntType(1), lanes_of(fe_type.dtype)))


@register_model(Pointer)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, scalar_ir(fe_type.dtype).as_pointer())


# --- codegen helpers, shared with `maths` and `product`


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


def _as_vector(context, builder, value, kind, dtype):
    """A vector as it is, or a Python number as a vector of the other operand's type."""
    if isinstance(kind, Vector):
        return value
    return splat(builder, context.cast(builder, value, kind, dtype))


# --- arithmetic

_ARITHMETIC = {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}


def _dtype_of(*kinds):
    for kind in kinds:
        if isinstance(kind, Vector):
            return kind.dtype
    return None


def _declare(function, instruction):
    @type_callable(function)
    def _type(context):
        def typer(a, b):
            dtype = _dtype_of(a, b)
            if dtype is not None and all(isinstance(k, Vector | types.Number) for k in (a, b)):
                return Vector(dtype)
            return None

        return typer

    def _lower(context, builder, sig, args):
        dtype = sig.return_type.dtype
        a, b = (
            _as_vector(context, builder, value, kind, dtype)
            for value, kind in zip(args, sig.args, strict=True)
        )
        return getattr(builder, instruction)(a, b)

    for pair in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, *pair)(_lower)


for _function, _instruction in _ARITHMETIC.items():
    _declare(_function, _instruction)


@type_callable(operator.neg)
def _type_neg(context):
    return lambda a: a if isinstance(a, Vector) else None


@lower_builtin(operator.neg, Vector)
def _lower_neg(context, builder, sig, args):
    return builder.fneg(args[0])


# --- pointers: `pointer + n` counts numbers, not bytes


def _type_offset(context):
    def typer(a, b):
        if isinstance(a, Pointer) and isinstance(b, types.Integer):
            return a
        return None

    return typer


type_callable(operator.add)(_type_offset)
type_callable(operator.sub)(_type_offset)


@lower_builtin(operator.add, Pointer, types.Integer)
def _lower_offset(context, builder, sig, args):
    offset = context.cast(builder, args[1], sig.args[1], types.intp)
    return builder.gep(args[0], [offset])


@lower_builtin(operator.sub, Pointer, types.Integer)
def _lower_offset_back(context, builder, sig, args):
    offset = context.cast(builder, args[1], sig.args[1], types.intp)
    return builder.gep(args[0], [builder.neg(offset)])


@lower_cast(Vector, Vector)
@lower_cast(Pointer, Pointer)
def _same(context, builder, fromty, toty, value):
    return value


@intrinsic
def float32_at(typingctx, address):
    """The whole-number `address` as a pointer to float32."""
    return _at(types.float32)


@intrinsic
def float64_at(typingctx, address):
    """The whole-number `address` as a pointer to float64."""
    return _at(types.float64)


def _at(dtype):
    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], scalar_ir(dtype).as_pointer())

    return Pointer(dtype)(types.int64), codegen


@intrinsic
def pointer_like(typingctx, pointer, address):
    """The whole-number `address` as a pointer of the same type as `pointer`."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[1], args[0].type)

    return pointer(pointer, types.int64), codegen


@intrinsic
def lanes(typingctx, pointer):
    """Numbers in one vector; `pointer` (or a vector) gives the type."""
    count = lanes_of(pointer.dtype)

    def codegen(context, builder, sig, args):
        return ir.Constant(ir.IntType(64), count)

    return types.int64(pointer), codegen


# --- memory


@intrinsic
def load(typingctx, pointer):
    """The vector at `pointer`, which need not be aligned."""

    def codegen(context, builder, sig, args):
        return load_vector(builder, args[0])

    return Vector(pointer.dtype)(pointer), codegen


@intrinsic
def store(typingctx, pointer, vector):
    """Put a whole vector at `pointer`."""

    def codegen(context, builder, sig, args):
        store_vector(builder, *args)

    return types.void(pointer, vector), codegen


@intrinsic
def broadcast(typingctx, pointer):
    """A vector whose lanes all equal the number at `pointer`."""

    def codegen(context, builder, sig, args):
        return splat(builder, builder.load(args[0]))

    return Vector(pointer.dtype)(pointer), codegen


@intrinsic
def fill(typingctx, pointer, value):
    """A vector whose lanes all equal `value`; `pointer` gives the type only."""

    def codegen(context, builder, sig, args):
        return splat(builder, context.cast(builder, args[1], sig.args[1], pointer.dtype))

    return Vector(pointer.dtype)(pointer, value), codegen


@intrinsic
def store_one(typingctx, pointer, vector):
    """Put the first lane at `pointer`."""

    def codegen(context, builder, sig, args):
        builder.store(builder.extract_element(args[1], ir.IntType(32)(0)), args[0])

    return types.void(pointer, vector), codegen


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


@intrinsic
def store_first(typingctx, pointer, vector, count):
    """Put the first `count` lanes at `pointer` (all of them where `count` is larger)."""
    dtype = pointer.dtype

    def codegen(context, builder, sig, args):
        store_masked(builder, args[0], args[1], lanes_below(builder, dtype, args[2]))

    return types.void(pointer, vector, types.int64), codegen


@intrinsic
def load_first(typingctx, pointer, count):
    """The first `count` numbers at `pointer`, and zeros; memory behind them is not touched."""
    dtype = pointer.dtype

    def codegen(context, builder, sig, args):
        return load_masked(builder, args[0], lanes_below(builder, dtype, args[1]))

    return Vector(dtype)(pointer, types.int64), codegen


@intrinsic
def first(typingctx, vector, count, other):
    """The first `count` lanes of `vector`, and the lanes of `other` behind them."""
    dtype = vector.dtype

    def codegen(context, builder, sig, args):
        return builder.select(lanes_below(builder, dtype, args[1]), args[0], args[2])

    return vector(vector, types.int64, vector), codegen


# --- between vectors


@intrinsic
def fma(typingctx, a, b, c):
    """a b + c, all vectors."""

    def codegen(context, builder, sig, args):
        return fmuladd(builder, *args)

    return a(a, b, c), codegen


@intrinsic
def less(typingctx, a, b):
    """The mask of a < b; false where either is NaN."""

    def codegen(context, builder, sig, args):
        return builder.fcmp_ordered("<", *args)

    return Mask(a.dtype)(a, b), codegen


@intrinsic
def select(typingctx, mask, a, b):
    """Lanes of `a` where the mask holds, else of `b`."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    return a(mask, a, b), codegen


@intrinsic
def larger(typingctx, a, b):
    """The larger of each pair of lanes; `b` where either is NaN."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), codegen


def _reduce(vector, name, start):
    kind, element = vector_ir(vector.dtype), scalar_ir(vector.dtype)
    suffix = f"v{kind.count}f{vector.dtype.bitwidth}"
    arguments = [kind] if start is None else [element, kind]

    def codegen(context, builder, sig, args):
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(element, arguments),
            f"llvm.vector.reduce.{name}.{suffix}",
        )
        first_arguments = [] if start is None else [ir.Constant(element, start)]
        # `reassoc` lets the lanes be added as a tree instead of one by one. The tree is fixed when
        # the kernel is compiled, so results stay the same from run to run.
        total = builder.call(function, [*first_arguments, args[0]], fastmath=("reassoc",))
        return splat(builder, total)

    return vector(vector), codegen


@intrinsic
def sum_lanes(typingctx, vector):
    """The sum of all lanes, in every lane."""
    return _reduce(vector, "fadd", -0.0)


@intrinsic
def max_lanes(typingctx, vector):
    """The largest lane, in every lane; lanes that are NaN do not count."""
    return _reduce(vector, "fmax", None)
