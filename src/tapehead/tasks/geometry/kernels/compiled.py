"""Loops over plain numbers, compiled by Numba where it can be had."""

import inspect
import logging
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

_log = logging.getLogger("tapehead")
_compiling = threading.RLock()
_inner: list[Callable[..., Any]] = []
"""Of which Numba has not been told yet."""


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that compiled ones call; it stays as it is. Numba, whose import takes a second,
    hears of it when the first of those is compiled."""
    _inner.append(function)
    return function


def compiled(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The function, compiled for arguments of these types when it is first called, or loaded from
    the cache of kernels; without Numba it runs as it is, slowly.

    What it calls must be in the same folder: a change in a file there compiles it anew.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        made: list[Callable[..., Any]] = []

        @wraps(function)
        def call(*args: Any) -> Any:
            if not made:
                with _compiling:
                    if not made:
                        made.append(_compiled(function, signature))
            return made[0](*args)

        return call

    return decorate


def _compiled(function: Callable[..., Any], signature: str) -> Callable[..., Any]:
    try:
        import numba
        from numba.extending import register_jitable

        from tapehead.ops.numba_kit.cache import KernelCache

        settings: Any = numba.config
        if settings.DISABLE_JIT:
            return function
        while _inner:
            register_jitable(_inner.pop())
        # Without Python's lock, so that threads can solve several batches at a time.
        dispatcher: Any = numba.njit(nogil=True)(function)
        files = sorted(Path(inspect.getfile(function)).parent.glob("*.py"))
        source = b"".join(file.read_bytes() for file in files)
        dispatcher._cache = KernelCache(function, signature.encode() + source)
        dispatcher.compile(signature)
    except Exception as problem:
        _log.warning("%s runs without Numba, and so slowly: %s", function.__name__, problem)
        return function
    return dispatcher
