"""The Neural Turing Machine over a whole sequence as one operation, and its backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
from tapehead.ops.ntm import choosing, reference
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.verified import Verified

__all__ = [
    "NTMSpec",
    "NTMState",
    "NTMWeights",
    "backend_choice",
    "choosing_backend_choice",
    "choosing_implementation",
    "implementation",
]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.ntm.reference:ntm",
    "tapehead.ops.ntm.reference:ntm_trace",
    "tapehead.ops.ntm.parts:NTMSpec",
)
"""The functions that the kernels were checked against."""

_OPERATION = Operation("ntm", reference, "tapehead.ops.ntm.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation

_CHOOSING = Operation(
    "ntm that chooses", choosing, "tapehead.ops.ntm.cpu.choosing", choosing.VERIFIED
)

choosing_backend_choice = _CHOOSING.choice
choosing_implementation = _CHOOSING.implementation
