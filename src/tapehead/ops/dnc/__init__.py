"""The Differentiable Neural Computer over a whole sequence as one operation, and its backends."""

from types import ModuleType

from torch import Tensor

from tapehead.ops.backends import choose
from tapehead.ops.dnc import reference
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights

__all__ = ["DNCSpec", "DNCState", "DNCWeights", "implementation"]


def implementation(backend: str, projected: Tensor, spec: DNCSpec) -> ModuleType:
    """The module whose `dnc` and `dnc_trace` run here; see `reference` for their signature."""
    if backend == "reference":
        return reference
    # Numba is slow to import, so only when it may be of use.
    from tapehead.ops.dnc import cpu

    name = choose("dnc", backend, {"cpu": lambda: cpu.obstacle(projected, spec)})
    return {"reference": reference, "cpu": cpu}[name]
