"""The kernels' own exponential and its kin: how exact, and what they make of what is no number.

The truth is numpy's, in a wider type. Errors are counted in units of the last place of the truth.
"""

import ctypes
from functools import cache

import numba
import numpy as np
import pytest
from numba import types

from tapehead.ops.numba_kit import maths
from tapehead.ops.numba_kit.linking import whole
from tapehead.ops.numba_kit.native import integer_at
from tapehead.ops.numba_kit.simd import float32_at, float64_at, lanes, load, store

POINTERS = {np.float32: float32_at, np.float64: float64_at}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
BOTH = pytest.mark.parametrize("dtype", list(POINTERS), ids=["float32", "float64"])


@cache
def compiled(name, dtype):
    function, at = getattr(maths, name), POINTERS[dtype]

    def kernel(address):
        source, target = at(integer_at(address)), at(integer_at(address + 8))
        for i in range(0, integer_at(address + 16), lanes(source)):
            store(target + i, function(load(source + i)))

    with whole():
        return numba.cfunc(types.void(types.intp), error_model="numpy")(kernel)


def applied(name, x):
    """The function of each number of a vector; ones fill up the last register."""
    padded = np.append(x, np.ones(-len(x) % 64, x.dtype))
    result = np.full_like(padded, np.nan)
    arguments = np.array([padded.ctypes.data, result.ctypes.data, len(padded)], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(compiled(name, x.dtype.type).address)(
        arguments.ctypes.data
    )
    return result[: len(x)]


def softplus(x):
    return np.where(x > 20, x, np.logaddexp(x, x.dtype.type(0)))


TRUTHS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log_": np.log,
    "sqrt": np.sqrt,
    "absolute": np.abs,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": softplus,
}


def spread(dtype, low, high):
    """Numbers all over a range, and near zero at every scale, of both signs where it has them."""
    generator = np.random.default_rng(0)
    even = generator.uniform(low, high, 200_000)
    scales = np.exp(generator.uniform(np.log(1e-30), np.log(high), 100_000))
    near = np.concatenate([scales, -scales]) if low < 0 else scales
    x = np.concatenate([even, near]).astype(dtype)
    return x[(x >= low) & (x <= high)]


def units(name, x):
    wide = WIDER[x.dtype.type]
    truth = TRUTHS[name](x.astype(wide))
    size = np.spacing(np.abs(truth).astype(x.dtype)).astype(wide)
    return np.abs(applied(name, x).astype(wide) - truth) / size


LIMIT = {np.float32: 87.3, np.float64: 708.3}
"""e^x is a normal number within +- this."""


@BOTH
@pytest.mark.parametrize(
    ("name", "low", "high", "bound"),
    [
        ("exp", -1.0, 1.0, 2),
        ("expm1", -40.0, 40.0, 2),
        ("log_", 1e-30, 1e30, 2),
        ("sqrt", 0.0, 1e30, 0.5),
        ("absolute", -1e30, 1e30, 0),
        ("sigmoid", -1.0, 1.0, 3),
        ("tanh", -40.0, 40.0, 3),
        ("softplus", -1.0, 0.5, 3),
    ],
)
def test_error_is_at_most_a_few_units_in_the_last_place(name, low, high, bound, dtype):
    # Of these the ends depend on the type: +-1 stands for the largest that does not overflow.
    if name in ("exp", "sigmoid", "softplus"):
        low, high = low * LIMIT[dtype], high * LIMIT[dtype]
    found = units(name, spread(dtype, low, high))
    assert found.max() <= bound
    # And nearly always much less.
    assert np.median(found) <= 0.3


@BOTH
def test_logarithm_is_exact_close_to_one(dtype):
    """Where a logarithm that splits off the exponent carelessly loses everything."""
    one, step = dtype(1), np.finfo(dtype).eps
    x = one + step * np.arange(-300, 300).astype(dtype)
    assert units("log_", x).max() <= 2


@BOTH
def test_what_is_no_number_stays_none(dtype):
    """A loop that diverged shows it; maxima and comparisons must not swallow it."""
    x = np.array([np.nan, 1, -np.nan], dtype)
    for name in TRUTHS:
        assert np.isnan(applied(name, x)).tolist() == [True, False, True], name


@BOTH
def test_ends_of_the_range(dtype):
    huge, limit = np.finfo(dtype).max, LIMIT[dtype]
    far = np.array([-np.inf, -huge, -1000, 1000, huge, np.inf], dtype)
    # Zero below the normal numbers, capped where it would overflow.
    exp = applied("exp", far)
    assert not exp[:3].any()
    np.testing.assert_allclose(exp[3:], np.exp(dtype(limit)), rtol=1e-4 * limit)
    assert np.isfinite(exp).all()
    assert np.isposinf(applied("log_", exp[3:]) * np.inf).all()
    # Constant beyond 40.
    np.testing.assert_array_equal(applied("expm1", far[:3]), -1)
    assert len(set(applied("expm1", np.append(far[3:], dtype(40))))) == 1
    nothing = np.array([-np.inf, -1, -0.0, 0, np.nan, np.inf], dtype)
    assert np.isnan(applied("log_", nothing)).all()
    np.testing.assert_array_equal(applied("tanh", far), np.sign(far))
    sigmoid = applied("sigmoid", far)
    np.testing.assert_array_equal(sigmoid[3:], 1)
    assert 0 <= sigmoid[:3].min() <= sigmoid[:3].max() <= 2 * np.finfo(dtype).tiny
    # The identity above 20, as in PyTorch, and no less exact on either side of that.
    np.testing.assert_array_equal(applied("softplus", far[3:]), far[3:])
    assert not applied("softplus", far[:3]).any()
    around = np.nextafter(dtype(20), [dtype(0), dtype(40)])
    assert applied("softplus", around)[1] == around[1]


@BOTH
def test_values_that_are_exact(dtype):
    for name in ("expm1", "tanh"):
        assert applied(name, np.zeros(2, dtype)).tolist() == [0, 0]
    assert applied("exp", np.zeros(2, dtype)).tolist() == [1, 1]
    assert applied("log_", np.ones(2, dtype)).tolist() == [0, 0]
    tiny = np.array([1e-30, -1e-30], dtype)
    for name in ("expm1", "tanh"):
        np.testing.assert_array_equal(applied(name, tiny), tiny)
