"""Neural networks with an external memory: the Neural Turing Machine and its family."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapehead import results as results
    from tapehead.machines import (
        DNC,
        LSTM,
        NTM,
        RLNTM,
        TARDIS,
        DiscreteNTM,
        DynamicMemoryNetwork,
        DynamicNTM,
        DynamicNTMReader,
        EntityNetwork,
        Machine,
        MemoryNetwork,
        PointerNetwork,
        Pointing,
        Reader,
        Recurrent,
        SequenceToSequence,
        SparseNTM,
        Trace,
    )

__all__ = [
    "DNC",
    "LSTM",
    "NTM",
    "RLNTM",
    "TARDIS",
    "DiscreteNTM",
    "DynamicMemoryNetwork",
    "DynamicNTM",
    "DynamicNTMReader",
    "EntityNetwork",
    "Machine",
    "MemoryNetwork",
    "PointerNetwork",
    "Pointing",
    "Reader",
    "Recurrent",
    "SequenceToSequence",
    "SparseNTM",
    "Trace",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing torch takes seconds, and `tapehead --help` has no use for it.
    if name in __all__:
        return getattr(import_module("tapehead.machines"), name)
    if name == "results":
        return import_module("tapehead.results")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__, "results"]
