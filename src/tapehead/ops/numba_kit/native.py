"""Kernels as native functions: compiled at first use, kept on disk, run on PyTorch's threads.

A kernel is a Numba function of one address. Behind it stands a block of whole numbers, the fields
of a `ctypes.Structure`: addresses of tensors, sizes, offsets. This keeps the cost of a call at a
few microseconds, where a Numba function of forty arrays would spend a hundred on unpacking them.
"""

import ctypes
import hashlib
import inspect
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc

from tapehead.ops.numba_kit.cache import KernelCache
from tapehead.ops.numba_kit.intrinsics import intrinsic
from tapehead.ops.numba_kit.linking import whole
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

_log = logging.getLogger("tapehead")


class Kernel:
    """A native function `void (*)(void *)`, ready to run on several threads."""

    def __init__(self, address: int):
        self.address = address
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def __call__(self, arguments: int, threads: int = 1) -> None:
        """Run on the block of arguments at an address, `threads` times at once.

        The copies share the block, and divide the work among themselves by `take`.
        """
        if threads <= 1:
            self._call(arguments)
        else:
            _fork_join()(self.address, arguments, threads)


@cache
def _fork_join() -> Callable[[int, int, int], None]:
    """(function, argument, threads) -> run the function in that many threads and wait.

    PyTorch's own OpenMP threads do it where they can be reached: a second pool of threads would
    fight with PyTorch's, whose threads keep their core busy for a while after each operation.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return _python_threads
    parallel.restype = None
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    return lambda function, argument, threads: parallel(function, argument, threads, 0)


def _python_threads(function: int, argument: int, threads: int) -> None:
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)
    others = [_pool().submit(call, argument) for _ in range(threads - 1)]
    call(argument)
    for other in others:
        other.result()


@cache
def _pool():
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(thread_name_prefix="tapehead")


@intrinsic
def take(typingctx, address):
    """The whole number at an address, counted up by one afterwards, across threads."""

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, ir.IntType(64)(1), "monotonic")

    return types.int64(types.int64), codegen


@intrinsic
def integer_at(typingctx, address):
    """The whole number (int64) at an address."""

    def codegen(context, builder, sig, args):
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), codegen


def record(structure: type[ctypes.Structure]) -> types.Record:
    """The Numba type of a structure of which every field is an int64."""
    return types.Record(
        [
            (field[0], {"type": types.int64, "offset": getattr(structure, field[0]).offset})
            for field in structure._fields_
        ],
        size=ctypes.sizeof(structure),
        aligned=True,
    )


def at_address(kind: types.Record):
    """A Numba function: the record of this kind at an address."""

    @intrinsic
    def view(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], context.get_data_type(kind).as_pointer())

        return kind(types.intp), codegen

    return view


_PYTHON_ONLY = {
    "__init__.py",
    "cache.py",
    "calls.py",
    "choosing.py",
    "native.py",
    "pointers.py",
    "registered.py",
    "second_order.py",
    "tracing.py",
}


def kernel_files(*folders: Path) -> list[Path]:
    """The files in these folders whose contents are compiled into kernels."""
    files = (file for folder in folders for file in sorted(folder.glob("*.py")))
    return [file for file in files if file.name not in _PYTHON_ONLY]


_compiling = threading.RLock()
_compiled: dict[str, Kernel] = {}
if hasattr(os, "register_at_fork"):
    # A child begun in the midst of a compilation would find Numba half changed and locked.
    os.register_at_fork(
        before=_compiling.acquire,
        after_in_parent=_compiling.release,
        after_in_child=_compiling.release,
    )


def compile_kernel(name: str, build: Callable[[], Callable], sources: list[Path]) -> Kernel:
    """Compile, or load from the disk; once in a process, whichever thread comes first.

    Args:
        name: said in the log while compiling, once for all kernels of that name.
        build: returns the Python function of one address.
        sources: the files that the kernel is made of: a change in one makes it another kernel.
    """
    function = inspect.unwrap(build())
    ingredients = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sources)
    with _compiling:
        cache = KernelCache(function, ingredients + bytes([VECTOR_BYTES]))
        if cache.key not in _compiled:
            start = time.perf_counter()
            with _notice(name), whole():
                _compiled[cache.key] = Kernel(_native(function, cache))
            _log.debug("%s: ready after %.1f s", name, time.perf_counter() - start)
        return _compiled[cache.key]


class Kernels:
    """The kernels of an operation, "forward" and "backward", of float32 and float64.

    The modules `forward` and `backward` of its package build them, by `forward_kernel`,
    `forward_kernel_double` and so on. Each is compiled, or loaded, when it is first asked for.

    Args:
        package: where they are, below `tapehead.ops`.
        name: as of `compile_kernel`; `{direction}` and `{kind}` in it are filled in.
        sources: what is compiled in besides package and kit: folders and files of `tapehead.ops`.
    """

    def __init__(self, package: str, name: str, *sources: str):
        self._package, self._name, self._sources = package, name, sources
        self._made: dict[tuple[str, torch.dtype], Kernel] = {}

    def __call__(self, direction: str, dtype: torch.dtype) -> Kernel:
        made = self._made.get((direction, dtype))
        if made is None:
            made = self._made[direction, dtype] = self._make(direction, dtype)
        return made

    def prepare(self, direction: str, dtype: torch.dtype) -> None:
        """Compile a kernel now, or load it."""
        self(direction, dtype)

    def _make(self, direction: str, dtype: torch.dtype) -> Kernel:
        kind, ending = ("float64", "_double") if dtype == torch.float64 else ("float32", "")
        module = import_module(f"tapehead.ops.{self._package}.{direction}")
        ops = Path(__file__).parent.parent
        places = [ops / name for name in (self._package.replace(".", "/"), *self._sources)]
        folders = [place for place in places if place.is_dir()]
        files = kernel_files(*folders, Path(__file__).parent)
        return compile_kernel(
            self._name.format(direction=direction, kind=kind),
            getattr(module, f"{direction}_kernel{ending}"),
            [*files, *(place for place in places if place not in folders)],
        )


def _native(function: Callable, cache: KernelCache) -> int:
    """The address of the compiled function."""
    # As `numba.cfunc` makes one, but for the cache.
    compiled: Any = CFunc(
        function, ((types.intp,), types.void), locals={}, options={"error_model": "numpy"}
    )
    compiled._cache = cache
    compiled.compile()
    return compiled.address


class _notice:
    """Says once a name that a compilation runs, if it still runs after some seconds: to load
    from the cache can take more than one where other work holds the processor."""

    PATIENCE: ClassVar[float] = 3.0
    """Seconds."""
    _said: ClassVar[set[str]] = set()

    def __init__(self, name: str):
        self._name = name
        self._timer = threading.Timer(self.PATIENCE, self._say)
        self._timer.daemon = True

    def __enter__(self):
        self._timer.start()

    def _say(self):
        if self._name not in self._said:
            self._said.add(self._name)
            _log.warning("compiling %s for this machine, once: up to 20 seconds", self._name)

    def __exit__(self, *_):
        self._timer.cancel()
