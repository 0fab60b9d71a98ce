"""Which implementation of an operation runs: one explicit choice, said once."""

import logging
from collections.abc import Callable, Mapping
from functools import cache

BACKENDS = ("auto", "reference", "cpu", "cuda")

_log = logging.getLogger("tapehead")


def choose(operation: str, backend: str, obstacles: Mapping[str, Callable[[], str | None]]) -> str:
    """The backend to run `operation` on.

    Args:
        backend: what the user asked for.
        obstacles: for each fused backend, fastest first, a function that says why it cannot run
            here, or None if it can. The reference always can.

    Raises:
        RuntimeError: a backend was forced that cannot run.
    """
    if backend == "reference":
        return backend
    if backend == "auto":
        reasons = []
        for name, obstacle in obstacles.items():
            reason = obstacle()
            if reason is None:
                _say_once(f"{operation}: backend {name}")
                return name
            reasons.append(f"{name}: {reason}")
        _say_once(f"{operation}: backend reference ({'; '.join(reasons) or 'no other exists'})")
        return "reference"
    reason = obstacles[backend]() if backend in obstacles else "this operation has none"
    if reason is not None:
        raise RuntimeError(f"{operation}: backend {backend!r} cannot run: {reason}")
    return backend


@cache
def _say_once(message: str) -> None:
    _log.info(message)
