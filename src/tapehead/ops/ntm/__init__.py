"""The Neural Turing Machine over a whole sequence as one operation, and its backends."""

from types import ModuleType

import torch
from torch import Tensor

from tapehead.ops.backends import choose
from tapehead.ops.ntm import reference
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights

__all__ = ["NTMSpec", "NTMState", "NTMWeights", "implementation"]


def implementation(backend: str, x: Tensor, spec: NTMSpec) -> ModuleType:
    """The module whose `ntm` and `ntm_trace` run here, as in `reference`."""
    if backend == "reference":
        return reference
    # Numba is slow to import, so only when it may be of use.
    from tapehead.ops.ntm import cpu

    if torch.compiler.is_compiling() and backend in ("auto", "cpu"):
        # `choose` writes to the log, which tracing cannot follow.
        return reference if cpu.obstacle(x, spec) else cpu
    name = choose("ntm", backend, {"cpu": lambda: cpu.obstacle(x, spec)})
    return {"reference": reference, "cpu": cpu}[name]
