"""`intrinsic` as Numba has it, with a type: a call leaves out the typing context.

A checker that takes the decorated function for the plain one misses an argument at each call.
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, overload

from numba import extending

P = ParamSpec("P")
Typed = Callable[Concatenate[Any, P], tuple[Any, Callable]]
"""(typing context, argument types ...) -> signature and code generator."""


@overload
def intrinsic(function: Callable[Concatenate[Any, P], Any]) -> Callable[P, Any]: ...


@overload
def intrinsic(
    *, prefer_literal: bool
) -> Callable[[Callable[Concatenate[Any, P], Any]], Callable[P, Any]]: ...


def intrinsic(*functions, **options):
    return extending.intrinsic(*functions, **options)
