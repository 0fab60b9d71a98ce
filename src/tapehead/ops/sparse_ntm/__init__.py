"""The sparse NTM over a whole sequence as one operation, and its backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
from tapehead.ops.sparse_ntm import reference
from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights
from tapehead.ops.verified import Verified

__all__ = [
    "SparseNTMSpec",
    "SparseNTMState",
    "SparseNTMWeights",
    "backend_choice",
    "implementation",
]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.sparse_ntm.reference:sparse_ntm",
    "tapehead.ops.sparse_ntm.reference:sparse_ntm_trace",
)
"""The functions that the kernels were checked against."""

_OPERATION = Operation("sparse_ntm", reference, "tapehead.ops.sparse_ntm.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation
