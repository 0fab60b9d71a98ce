"""The Neural Turing Machine over a whole sequence as one operation, and its backends."""

from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from tapehead.ops.backends import Choice, choose, kernel_fault, kernel_obstacle
from tapehead.ops.ntm import reference
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.verified import Verified

__all__ = ["NTMSpec", "NTMState", "NTMWeights", "backend_choice", "implementation"]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.ntm.reference:ntm",
    "tapehead.ops.ntm.reference:ntm_trace",
    "tapehead.ops.ntm.parts:NTMSpec",
)
"""The functions that the kernels were checked against."""

_KERNELS = "tapehead.ops.ntm.cpu"


def backend_choice(backend: str, x: Tensor, spec: NTMSpec) -> Choice:
    """The backend that runs, and why no quicker one does.

    Raises:
        RuntimeError: a backend was forced that cannot run.
    """
    return choose("ntm", backend, {"cpu": lambda: kernel_obstacle(_KERNELS, VERIFIED, x, spec)})


def implementation(backend: str, x: Tensor, spec: NTMSpec) -> ModuleType:
    """The module whose `ntm` and `ntm_trace` run here, as in `reference`."""
    if backend == "reference":
        return reference
    if torch.compiler.is_compiling() and backend in ("auto", "cpu"):
        # `choose` writes to the log, and a kernel may have to be compiled first: no tracing
        # follows that.
        if not _in_order(x.dtype):
            return reference
        from tapehead.ops.ntm import cpu

        return reference if cpu.obstacle(x, spec) else cpu
    if backend_choice(backend, x, spec).backend == "reference":
        return reference
    from tapehead.ops.ntm import cpu  # not before: Numba is slow to import

    return cpu


def _in_order(dtype: torch.dtype) -> bool:
    floats = dtype in (torch.float32, torch.float64)
    return floats and kernel_fault(_KERNELS, VERIFIED, dtype, ("forward", "backward")) is None


# What tracing calls and does not look into.
_in_order._dynamo_marked_constant = True  # pyrefly: ignore
