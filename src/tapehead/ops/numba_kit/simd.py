"""Vectors and pointers for Numba functions: what the kernels compute with.

Numba alone leaves vectorising to the compiler, which gives up at a loop with a logarithm, a
reduction, or two arrays that might overlap. Here a kernel says what it means: a `Vector` is one
machine register of float32 or float64 numbers, a `Pointer` is where to load it from. There are no
scalar floats at all (a single number is a vector whose lanes are equal), so no Python constant
can turn float32 into float64: in `vector * 2` the 2 takes the vector's type.

Nothing here uses fast-math: NaN and infinity go through as IEEE 754 has them, so that a loop that
diverged shows it, and results do not depend on what the compiler reorders.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tapehead.ops.numba_kit import operators  # noqa: F401
from tapehead.ops.numba_kit.emit import (
    fmuladd,
    lanes_below,
    load_masked,
    load_vector,
    splat,
    store_masked,
    store_vector,
)
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.vector_types import (
    Mask,
    Pointer,
    Vector,
    lanes_of,
    scalar_ir,
    vector_ir,
)


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
