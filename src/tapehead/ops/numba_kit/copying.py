"""Moving rows of numbers; none of these touches memory beyond `count` numbers."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import fill, lanes, load_first, store_first


@part
def copy(source, target, count):
    width = lanes(source)
    for i in range(0, count, width):
        store_first(target + i, load_first(source + i, count - i), count - i)


@part
def add_to(target, source, count):
    """target += source"""
    width = lanes(source)
    for i in range(0, count, width):
        total = load_first(target + i, count - i) + load_first(source + i, count - i)
        store_first(target + i, total, count - i)


@part
def clear(target, count):
    """Zeros."""
    width = lanes(target)
    zero = fill(target, 0)
    for i in range(0, count, width):
        store_first(target + i, zero, count - i)
