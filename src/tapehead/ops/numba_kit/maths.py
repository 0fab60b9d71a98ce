"""Exponential, logarithm and the squashing functions of vectors, without a maths library.

Calls into libm do not vectorise. These are polynomials after the usual reduction of the argument
(as in Cephes and fdlibm): exp, expm1 and log_ within 2 units in the last place, what is made of
them within 3 (tests/ops/numba_kit). NaN gives NaN.
"""

from math import factorial, log

from numba import types

from tapehead.ops.numba_kit.emit import call_llvm, constant, fmuladd
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import fill, larger, less, select
from tapehead.ops.numba_kit.vector_types import integer_ir, vector_ir

# Per type: explicit bits of the fraction, Taylor terms of exp on |r| <= ln(2)/2 and of the
# logarithm on sqrt(1/2)..sqrt(2), largest |x| whose 2^n is a normal number, and ln 2 in two parts,
# the first short enough that n times it is exact.
_FORMAT = {
    types.float32: (23, 7, 5, 87.3, (355.0 / 512.0, log(2) - 355.0 / 512.0)),
    types.float64: (
        52,
        13,
        11,
        708.3,
        (0x162E42FEE / 2.0**33, 1.90821492927058770002e-10),
    ),
}


def _reduce(builder, dtype, x):
    """n = round(x / ln 2) as the low bits of an integer vector and as floats, r = x - n ln 2."""
    fraction, _, _, _, (high, low) = _FORMAT[dtype]
    # Adding 1.5 2^fraction leaves no room for a fraction: the sum's low bits are the whole number.
    magic = constant(dtype, 1.5 * 2.0**fraction)
    shifted = fmuladd(builder, x, constant(dtype, 1 / log(2)), magic)
    number = builder.fsub(shifted, magic)
    rest = fmuladd(builder, number, constant(dtype, -high), x)
    rest = fmuladd(builder, number, constant(dtype, -low), rest)
    return builder.bitcast(shifted, integer_ir(dtype)), rest


def _clamp(builder, dtype, x, low, high):
    """x within low .. high; NaN stays NaN."""
    low, high = constant(dtype, low), constant(dtype, high)
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    return builder.select(builder.fcmp_ordered(">", x, high), high, x)


def _taylor(builder, dtype, r, lowest):
    """sum of r^(n - lowest) / n! for n from `lowest`."""
    terms = _FORMAT[dtype][1]
    total = constant(dtype, 1.0 / factorial(terms))
    for n in range(terms - 1, lowest - 1, -1):
        total = fmuladd(builder, total, r, constant(dtype, 1.0 / factorial(n)))
    return total


@intrinsic
def exp(typingctx, x):
    """e^x; zero where that is below the normal numbers, and capped where it would overflow."""
    dtype = x.dtype
    fraction, _, _, limit, _ = _FORMAT[dtype]

    def codegen(context, builder, sig, args):
        inside = _clamp(builder, dtype, args[0], -limit, limit)
        bits, r = _reduce(builder, dtype, inside)
        value = fmuladd(builder, _taylor(builder, dtype, r, 1), r, constant(dtype, 1.0))
        power = builder.shl(bits, constant(dtype, fraction))
        value = builder.bitcast(
            builder.add(builder.bitcast(value, integer_ir(dtype)), power), vector_ir(dtype)
        )
        tiny = builder.fcmp_ordered("<", args[0], constant(dtype, -limit))
        return builder.select(tiny, constant(dtype, 0.0), value)

    return x(x), codegen


@intrinsic
def expm1(typingctx, x):
    """e^x - 1 for |x| <= 40, without loss near zero; constant beyond."""
    dtype = x.dtype
    fraction = _FORMAT[dtype][0]
    bias = (1 << (dtype.bitwidth - 2 - fraction)) - 1

    def codegen(context, builder, sig, args):
        bits, r = _reduce(builder, dtype, _clamp(builder, dtype, args[0], -40.0, 40.0))
        # e^r - 1 = r + r^2 (1/2 + r/6 + ...), then 2^n (e^r - 1) + (2^n - 1).
        square = builder.fmul(r, r)
        small = fmuladd(builder, _taylor(builder, dtype, r, 2), square, r)
        power = builder.shl(builder.add(bits, constant(dtype, bias)), constant(dtype, fraction))
        power = builder.bitcast(power, vector_ir(dtype))
        rest = builder.fsub(power, constant(dtype, 1.0))
        return fmuladd(builder, small, power, rest)

    return x(x), codegen


@intrinsic
def log_(typingctx, x):
    """The natural logarithm of a normal number x > 0; NaN where x <= 0, NaN or infinite.

    Of smaller x > 0 it knows the order of size only.
    """
    dtype = x.dtype
    fraction, _, terms, _, (high, low) = _FORMAT[dtype]
    # The bits of sqrt(1/2): taking them off first puts the fraction in sqrt(1/2) .. sqrt(2).
    root_half = 0x3F3504F3 if dtype == types.float32 else 0x3FE6A09E667F3BCD

    def codegen(context, builder, sig, args):
        number = integer_ir(dtype)
        bits = builder.bitcast(args[0], number)
        exponent = builder.ashr(
            builder.sub(bits, constant(dtype, root_half)), constant(dtype, fraction)
        )
        mantissa = builder.sub(bits, builder.shl(exponent, constant(dtype, fraction)))
        f = builder.fsub(builder.bitcast(mantissa, vector_ir(dtype)), constant(dtype, 1.0))
        s = builder.fdiv(f, builder.fadd(f, constant(dtype, 2.0)))
        z = builder.fmul(s, s)
        series = constant(dtype, 2.0 / (2 * terms + 1))
        for n in range(terms - 1, 0, -1):
            series = fmuladd(builder, series, z, constant(dtype, 2.0 / (2 * n + 1)))
        # log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s))), as in fdlibm.
        half_square = builder.fmul(builder.fmul(f, f), constant(dtype, 0.5))
        inner = fmuladd(builder, series, z, half_square)
        n = builder.sitofp(exponent, vector_ir(dtype))
        tail = fmuladd(builder, s, inner, builder.fmul(n, constant(dtype, low)))
        value = fmuladd(
            builder, n, constant(dtype, high), builder.fsub(f, builder.fsub(half_square, tail))
        )
        value = fmuladd(builder, args[0], constant(dtype, 0.0), value)
        valid = builder.fcmp_ordered(">", args[0], constant(dtype, 0.0))
        return builder.select(valid, value, constant(dtype, float("nan")))

    return x(x), codegen


@intrinsic
def sqrt(typingctx, x):
    """The square root."""

    def codegen(context, builder, sig, args):
        return call_llvm(builder, "sqrt", [args[0]])

    return x(x), codegen


@intrinsic
def absolute(typingctx, x):
    """|x|"""

    def codegen(context, builder, sig, args):
        return call_llvm(builder, "fabs", [args[0]])

    return x(x), codegen


@part
def sigmoid(x):
    """1 / (1 + e^-x)"""
    return 1 / (1 + exp(-x))


@part
def tanh(x):
    """(e^2x - 1) / (e^2x + 1)"""
    e = expm1(x + x)
    return e / (e + 2)


@part
def softplus(x):
    """log(1 + e^x), and x itself above 20, as in PyTorch."""
    zero = fill(x, 0)
    e = exp(-absolute(x))
    one_more = 1 + e
    # log(1 + e) e / ((1 + e) - 1) undoes the rounding of 1 + e.
    kept = one_more - 1
    log1p = select(less(zero, kept), log_(one_more) * e / kept, e)
    return select(less(fill(x, 20), x), x, larger(x, zero) + log1p)
