"""RMSProp and Graves' variant of it as one operation on a vector of weights, and its backends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tapehead.ops.backends import Choice, choose, kernel_fault
from tapehead.ops.rmsprop import reference
from tapehead.ops.verified import Verified

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"), "tapehead.ops.rmsprop.reference:update"
)
"""What the kernel was checked against."""


def backend_choice(backend: str, dtype: torch.dtype) -> Choice:
    """The backend that runs for contiguous vectors on the CPU, and why no quicker one does.

    Raises:
        RuntimeError: a backend was forced that cannot run.
    """

    def obstacle() -> str | None:
        return kernel_fault("tapehead.ops.rmsprop.cpu", VERIFIED, dtype, ("forward",))

    return choose("optimiser", backend, {"cpu": obstacle})


def fits(vector: Tensor) -> bool:
    """Whether the kernel can work on it."""
    floats = vector.dtype in (torch.float32, torch.float64)
    return floats and vector.device.type == "cpu" and vector.is_contiguous()


def implementation(backend: str) -> Callable[..., Any]:
    """The `update` of a backend."""
    if backend == "reference":
        return reference.update
    from tapehead.ops.rmsprop.cpu import update  # not before: Numba is slow to import

    return update
