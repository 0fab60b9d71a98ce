"""The slots of the recurrent entity network over a whole story as one operation, and its
backends."""

from pathlib import Path

from tapehead.ops.backends import Operation
from tapehead.ops.entities import reference
from tapehead.ops.verified import Verified

__all__ = ["backend_choice", "implementation"]

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"), "tapehead.ops.entities.reference:entities"
)
"""What the kernels were checked against."""

_OPERATION = Operation("entities", reference, "tapehead.ops.entities.cpu", VERIFIED)

backend_choice = _OPERATION.choice
implementation = _OPERATION.implementation
