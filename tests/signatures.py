"""Shapes in signatures are checked here, and only here: users pay nothing for them.

A check costs more than most of our steps, and a function that a test calls a thousand times is
called a thousand times alike: checked is the first call with arguments of these shapes in each
test, and one in sixteen. What has no annotation has nothing to check.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping
import torch

# Numba compiles the functions of these folders itself, and knows no Python around them.
KERNELS = {"cpu", "kernels", "numba_kit"}
CHECKED_EACH = 16

_checked = jaxtyping.jaxtyped
_test = 0


def start_a_test() -> None:
    """Counts calls anew."""
    global _test
    _test += 1


def _kinds(args: Any) -> tuple:
    return tuple(
        (value.dtype, value.shape)
        if isinstance(value, torch.Tensor) and not value.is_nested  # such a one may have no shape
        else type(value)
        for value in args
    )


def _some_calls_checked(function: Callable, **options: Any) -> Callable:
    if not function.__annotations__:
        return function
    # Made at the first call: most functions that a process imports are never called in it.
    make = functools.cache(lambda: _checked(function, **options))
    seen: set[tuple] = set()
    test = calls = 0

    @functools.wraps(function)
    def only_checks(*args, **kwargs):  # known by this name to tapehead.ops.verified
        __tracebackhide__ = True
        nonlocal test, calls
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        if test != _test:
            test, calls = _test, 0
            seen.clear()
        kinds = _kinds((*args, *kwargs, *kwargs.values()))
        calls += 1
        if kinds in seen and calls % CHECKED_EACH:
            return function(*args, **kwargs)
        seen.add(kinds)
        return make()(*args, **kwargs)

    return only_checks


def _jaxtyped(what=None, **options):
    if what is None:
        return functools.partial(_jaxtyped, **options)
    if inspect.isfunction(what):
        return _some_calls_checked(what, **options)
    return _checked(what, **options)  # a class: of a dataclass what it is made with


def install() -> None:
    """Has the functions of tapehead that are imported from now on check their shapes."""
    jaxtyping.jaxtyped = _jaxtyped
    hook = jaxtyping.install_import_hook("tapehead", "beartype.beartype").hook
    instruments = hook.should_instrument
    hook.should_instrument = lambda name: instruments(name) and KERNELS.isdisjoint(name.split("."))
