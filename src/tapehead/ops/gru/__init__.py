"""Gated recurrent units over sequences of different lengths as one operation, and its backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
from tapehead.ops.gru import reference
from tapehead.ops.verified import Verified

__all__ = ["backend_choice", "implementation"]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.ops.gru.reference:gru",
    "tapehead.ops.gru.reference:attention_gru",
)
"""What the kernels were checked against."""

_OPERATION = Operation("gru", reference, "tapehead.ops.gru.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation
