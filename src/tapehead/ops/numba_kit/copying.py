"""Moving rows of numbers; none of these but `clip` touches memory beyond `count` numbers."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import fill, lanes, larger, load, load_first, store, store_first


@part
def store_part(target, vector, count):
    """The first `count` lanes; quicker than `store_first` where most stores are whole."""
    if count >= lanes(target):
        store(target, vector)
    else:
        store_first(target, vector, count)


@part
def copy(source, target, count):
    width = lanes(source)
    i = 0
    while i + width <= count:
        store(target + i, load(source + i))
        i += width
    if i < count:
        store_first(target + i, load_first(source + i, count - i), count - i)


@part
def add_to(target, source, count):
    """target += source"""
    width = lanes(source)
    i = 0
    while i + width <= count:
        store(target + i, load(target + i) + load(source + i))
        i += width
    if i < count:
        total = load_first(target + i, count - i) + load_first(source + i, count - i)
        store_first(target + i, total, count - i)


@part
def clear(target, count):
    """Zeros."""
    width = lanes(target)
    zero = fill(target, 0)
    i = 0
    while i + width <= count:
        store(target + i, zero)
        i += width
    if i < count:
        store_first(target + i, zero, count - i)


@part
def clip(target, count, bound):
    """Each number cut to +-bound, a vector of it; up to the end of the last vector."""
    for i in range(0, count, lanes(target)):
        store(target + i, larger(-bound, -larger(-bound, -load(target + i))))
