"""The Dynamic NTM over a whole sequence as one operation, and its backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
from tapehead.ops.dynamic_ntm import reference
from tapehead.ops.dynamic_ntm.parts import (
    DynamicNTMCalled,
    DynamicNTMSpec,
    DynamicNTMState,
    DynamicNTMWeights,
)
from tapehead.ops.verified import Verified

__all__ = [
    "DynamicNTMCalled",
    "DynamicNTMSpec",
    "DynamicNTMState",
    "DynamicNTMWeights",
    "backend_choice",
    "implementation",
]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.dynamic_ntm.reference:dynamic_ntm",
    "tapehead.ops.dynamic_ntm.reference:dynamic_ntm_features",
    "tapehead.ops.dynamic_ntm.reference:_Choices",
    "tapehead.ops.dynamic_ntm.parts:DynamicNTMSpec",
    "tapehead.ops.estimators.addresses:chosen",
    "tapehead.ops.estimators.draws:Categorical.relax",
)
"""The functions that the kernels were checked against."""

_OPERATION = Operation("dynamic_ntm", reference, "tapehead.ops.dynamic_ntm.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation
