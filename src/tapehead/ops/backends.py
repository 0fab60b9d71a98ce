"""Which implementation of an operation runs: one explicit choice, said once.

Where a kernel could serve but something is wrong with it (no Numba, a compiler that fails, an
equation that was edited since), `auto` takes the reference and says why, once, as a warning.
"""

import builtins
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import torch

from tapehead.ops.verified import Verified

BACKENDS = ("auto", "reference", "cpu")

NEWEST_TESTED_NUMBA = (0, 68)
"""The newest minor version that the kernels were tested with, as in pyproject.toml: numba_kit uses
names that Numba does not promise to keep. A newer one is tried, and does or does not compile."""

TRANSFORMED = 'torch.func and forward-mode derivatives cannot see into it; use backend="reference"'

_log = logging.getLogger("tapehead")


def _no_transform() -> None:
    return None


# Private names of PyTorch: where a version has them no more, its own error says what is wrong.
_functorch = getattr(torch._C, "_functorch", None)
_transform = getattr(_functorch, "peek_interpreter_stack", _no_transform)


def under_transform() -> bool:
    """Whether a transform of `torch.func` (or a batched gradient), or forward-mode differentiation
    is at work: neither can look into a kernel."""
    return _transform() is not None or getattr(torch.autograd.forward_ad, "_current_level", -1) >= 0


class Choice(NamedTuple):
    """The backend that runs, and why no quicker one does ("" if there is no reason to say)."""

    backend: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.backend} ({self.reason})" if self.reason else self.backend


class Fault(str):
    """Why a backend cannot run that by rights could: not what the user asked for."""


def choose(
    operation: str, backend: str, obstacles: Mapping[str, Callable[[], str | None]]
) -> Choice:
    """The backend to run `operation` on.

    Args:
        backend: what the user asked for.
        obstacles: for each fused backend, fastest first, a function that says why it cannot run
            here, or None if it can; a `Fault` is said as a warning. The reference always can.

    Raises:
        RuntimeError: a backend was forced that cannot run.
    """
    if backend == "reference":
        return Choice(backend)
    if backend == "auto":
        reasons = []
        faulty = False
        for name, obstacle in obstacles.items():
            reason = obstacle()
            if reason is None:
                _say_once(logging.INFO, f"{operation}: backend {name}")
                return Choice(name)
            faulty |= isinstance(reason, Fault)
            reasons.append(f"{name}: {reason}")
        choice = Choice("reference", "; ".join(reasons) or "no other exists")
        _say_once(logging.WARNING if faulty else logging.INFO, f"{operation}: backend {choice}")
        return choice
    reason = obstacles[backend]() if backend in obstacles else "this operation has none"
    if reason is not None:
        raise RuntimeError(f"{operation}: backend {backend!r} cannot run: {reason}")
    return Choice(backend)


@cache
def _say_once(level: int, message: str) -> None:
    _log.log(level, message)


class Operation:
    """An operation on whole sequences: its reference, and the kernels that may stand in for it.

    Args:
        name: what messages call it.
        reference: a module.
        kernels: the name of a module with the functions of the reference, and with
            `obstacle(tensor, spec)` and `prepare(direction, dtype)`.
        verified: the functions that the kernels were checked against.
    """

    def __init__(self, name: str, reference: ModuleType, kernels: str, verified: Verified):
        self._name, self._reference = name, reference
        self._kernels, self._verified = kernels, verified
        self._loaded: Any = None
        self._prepared: set[tuple[torch.dtype, bool]] = set()
        _OPERATIONS[name] = self

    def choice(self, backend: str, tensor: torch.Tensor, spec: Any) -> Choice:
        """The backend that runs on a tensor, and why no quicker one does.

        Raises:
            RuntimeError: a backend was forced that cannot run.
        """
        return choose(self._name, backend, {"cpu": lambda: self._obstacle(tensor, spec)})

    def implementation(self, backend: str, tensor: torch.Tensor, spec: Any) -> ModuleType:
        """The module that runs: the reference, or one with the same functions."""
        if backend == "reference":
            return self._reference
        if torch.compiler.is_compiling() and backend in ("auto", "cpu"):
            # `choose` writes to the log, and a kernel may have to be compiled first: no tracing
            # follows that.
            if not _in_order(self._name, tensor.dtype) or self._loaded.obstacle(tensor, spec):
                return self._reference
            return self._loaded
        # What has run before is not chosen again, which takes as long as a small operation.
        if (
            (tensor.dtype, torch.is_grad_enabled()) in self._prepared
            and self._loaded.obstacle(tensor, spec) is None
            and self._verified.changed() is None
            and not under_transform()
        ):
            return self._loaded
        if self.choice(backend, tensor, spec).backend == "reference":
            return self._reference
        return self._loaded

    def _obstacle(self, tensor: torch.Tensor, spec: Any) -> str | None:
        """Why the kernels cannot run on a tensor, or None if they can.

        Compiles them if they may be wanted: the backward pass only where gradients are recorded.
        """
        if under_transform():
            return TRANSFORMED
        kernels = _module(self._kernels)
        if isinstance(kernels, Fault):
            return kernels
        wants_back = torch.is_grad_enabled()
        directions = ("forward", "backward") if wants_back else ("forward",)
        reason = kernels.obstacle(tensor, spec) or kernel_fault(
            self._kernels, self._verified, tensor.dtype, directions
        )
        if reason is None:
            self._loaded = kernels
            self._prepared.add((tensor.dtype, wants_back))
        return reason

    def _load(self, dtype: torch.dtype) -> bool:
        """Whether kernels for this type, there and back, are in order."""
        if dtype not in (torch.float32, torch.float64):
            return False
        fault = kernel_fault(self._kernels, self._verified, dtype, ("forward", "backward"))
        if fault is None:
            self._loaded = _module(self._kernels)
        return fault is None


_OPERATIONS: dict[str, Operation] = {}


def _in_order(operation: str, dtype: torch.dtype) -> bool:
    return _OPERATIONS[operation]._load(dtype)


# What tracing calls and does not look into.
_in_order._dynamo_marked_constant = True  # pyrefly: ignore


def kernel_fault(
    module: str, verified: Verified, dtype: torch.dtype, directions: Sequence[str]
) -> Fault | None:
    """What is wrong with kernels, whatever they are to be given; compiles them if need be."""
    kernels = _module(module)
    if isinstance(kernels, Fault):
        return kernels
    changed = verified.changed()
    if changed is not None:
        return Fault(changed)
    return next(filter(None, (_failure(module, each, dtype) for each in directions)), None)


_REPLACED = tuple(
    (module, name, getattr(module, name))
    for module, name in ((builtins, "max"), (builtins, "min"), (math, "pow"))
)


@contextmanager
def _python_as_it_is() -> Iterator[None]:
    """While `torch.export` traces it has functions of its own in place of some of Python's, which
    Numba would take for what is to be compiled."""
    meanwhile = [getattr(module, name) for module, name, _ in _REPLACED]
    for module, name, own in _REPLACED:
        setattr(module, name, own)
    try:
        yield
    finally:
        for (module, name, _), other in zip(_REPLACED, meanwhile, strict=True):
            setattr(module, name, other)


@cache
def _module(name: str) -> ModuleType | Fault:
    """A module of Numba kernels, or why it cannot be had in this process."""
    try:
        import numba
    except Exception as error:  # whatever goes wrong in there, we can do without
        return Fault(f"Numba cannot be imported: {in_one_line(error)}")
    settings: Any = numba.config
    if settings.DISABLE_JIT:
        return Fault("NUMBA_DISABLE_JIT is set")
    try:
        with _python_as_it_is():
            return import_module(name)
    except Exception as error:
        return Fault(f"its kernels do not load{_beyond()}: {in_one_line(error)}")


@cache
def _failure(module: str, direction: str, dtype: torch.dtype) -> Fault | None:
    """Compile a kernel, or load it from the disk; what went wrong if that cannot be done."""
    kernels: Any = _module(module)
    try:
        with _python_as_it_is():
            kernels.prepare(direction, dtype)
    except Exception as error:
        return Fault(f"its kernels do not compile{_beyond()}: {in_one_line(error)}")
    return None


def _beyond() -> str:
    """Said where Numba is newer than any that was tested."""
    import numba

    minor = tuple(int(part) for part in numba.__version__.split(".")[:2] if part.isdecimal())
    newest = ".".join(map(str, NEWEST_TESTED_NUMBA))
    if minor <= NEWEST_TESTED_NUMBA:
        return ""
    return f" with Numba {numba.__version__}, newer than the tested {newest}"


def in_one_line(error: Exception, most: int = 160) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return line if len(line) <= most else f"{line[: most - 3]}..."
