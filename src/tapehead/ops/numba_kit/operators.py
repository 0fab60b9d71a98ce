"""What + - * / mean for vectors and pointers; to import this is to teach it to Numba."""

import operator

from numba import types
from numba.core.imputils import lower_builtin, lower_cast
from numba.extending import type_callable

from tapehead.ops.numba_kit.emit import splat
from tapehead.ops.numba_kit.vector_types import Pointer, Vector

_ARITHMETIC = {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}


def _as_vector(context, builder, value, kind, dtype):
    """A vector as it is, or a Python number as a vector of the other operand's type."""
    if isinstance(kind, Vector):
        return value
    return splat(builder, context.cast(builder, value, kind, dtype))


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


# `pointer + n` counts numbers, not bytes.


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
