"""The Differentiable Neural Computer over a whole sequence as one operation, and its backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
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

_OPERATION = Operation("dnc", reference, "tapehead.ops.dnc.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation
