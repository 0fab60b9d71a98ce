"""Compile a kernel of many functions in one go.

Numba compiles each function to machine code of its own, with all it calls linked in and optimised
anew: for a kernel of fifty small functions, five levels deep, that is a minute of work thrown
away. A `part` is only translated; optimiser and code generator run once, over the whole kernel.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import njit
from numba.core import dispatcher
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

_PARTS: set[str] = set()


# Numba's own, of which its types say nothing.
_dispatching: Any = dispatcher


class _PartCompiler(_dispatching._FunctionCompiler):
    """Translates to LLVM's language and stops there."""

    def _customize_flags(self, flags):
        flags.no_compile = True
        flags.no_cpython_wrapper = True
        flags.no_cfunc_wrapper = True
        return flags

    def _compile_core(self, args, return_type):
        # Callers find a function by its entry point. One without machine code has none; any
        # object of its own does.
        compiled = super()._compile_core(args, return_type)._replace(entry_point=object())
        self.targetdescr.target_context.insert_user_function(
            compiled.entry_point, compiled.fndesc, [compiled.library]
        )
        return compiled


def part(function: Callable) -> Callable:
    """A function of a kernel: to be called from a kernel or another part only."""
    # Tests wrap every function to check shapes; Numba wants the bare one.
    function = inspect.unwrap(function)
    _PARTS.add(function.__qualname__)
    compiled_later: Any = njit(error_model="numpy")(function)
    compiled_later._compiler.__class__ = _PartCompiler

    def add_overload(compiled):
        # Without machine code there is nothing to register for calls from Python.
        compiled_later.overloads[tuple(compiled.signature.args)] = compiled

    compiled_later.add_overload = add_overload
    return compiled_later


class _PartLibrary(JITCodeLibrary):
    """What a part calls, linked together; neither optimised nor made machine code."""

    def finalize(self):
        self._raise_if_finalized()
        seen = set()
        for library in self._linking_libraries:
            if library not in seen:
                seen.add(library)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@contextmanager
def whole() -> Iterator[None]:
    """While this lasts, parts are only translated; what calls them gets everything optimised."""
    context: Any = cpu_target.target_context
    codegen = context.codegen()
    usual = codegen._library_class

    class Choice:
        _unserialize = usual._unserialize

        def __new__(cls, codegen, name, **options):
            return (_PartLibrary if name in _PARTS else usual)(codegen, name, **options)

    with global_compiler_lock:
        try:
            codegen._library_class = Choice
            yield
        finally:
            codegen._library_class = usual
