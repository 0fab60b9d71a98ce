"""The Differentiable Neural Computer over a whole sequence as one operation, and its backends."""

from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from tapehead.ops.backends import Choice, choose, kernel_fault, kernel_obstacle
from tapehead.ops.dnc import reference
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights
from tapehead.ops.verified import Verified

__all__ = ["DNCSpec", "DNCState", "DNCWeights", "backend_choice", "implementation"]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.dnc.reference:dnc",
    "tapehead.ops.dnc.reference:dnc_trace",
    "tapehead.ops.dnc.parts:DNCSpec",
)
"""The functions that the kernels were checked against."""

_KERNELS = "tapehead.ops.dnc.cpu"


def backend_choice(backend: str, projected: Tensor, spec: DNCSpec) -> Choice:
    """The backend that runs, and why no quicker one does.

    Raises:
        RuntimeError: a backend was forced that cannot run.
    """
    return choose(
        "dnc", backend, {"cpu": lambda: kernel_obstacle(_KERNELS, VERIFIED, projected, spec)}
    )


def implementation(backend: str, projected: Tensor, spec: DNCSpec) -> ModuleType:
    """The module whose `dnc` and `dnc_trace` run here, as in `reference`."""
    if backend == "reference":
        return reference
    if torch.compiler.is_compiling() and backend in ("auto", "cpu"):
        # `choose` writes to the log, and a kernel may have to be compiled first: no tracing
        # follows that.
        if not _in_order(projected.dtype):
            return reference
        from tapehead.ops.dnc import cpu

        return reference if cpu.obstacle(projected, spec) else cpu
    if backend_choice(backend, projected, spec).backend == "reference":
        return reference
    from tapehead.ops.dnc import cpu  # not before: Numba is slow to import

    return cpu


def _in_order(dtype: torch.dtype) -> bool:
    floats = dtype in (torch.float32, torch.float64)
    return floats and kernel_fault(_KERNELS, VERIFIED, dtype, ("forward", "backward")) is None


# What tracing calls and does not look into.
_in_order._dynamo_marked_constant = True  # pyrefly: ignore
