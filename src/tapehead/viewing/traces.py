"""What figures and the page take from a trace."""

from collections.abc import Mapping

import numpy as np

from tapehead.viewing.style import to_array

HEAD_CURVES = {"gate": "Gate", "strength": "Key strength", "sharpening": "Sharpening"}
"""What a head asks of addressing, a number for each head and step (NTM eq. 5 to 9): its title."""


def tensor_of(trace: object, name: str, element: int = 0) -> np.ndarray:
    """One sequence of a traced tensor, (time, ...), from attributes or a mapping.

    Raises:
        ValueError: the machine keeps no such tensor.
    """
    try:
        values = trace[name] if isinstance(trace, Mapping) else getattr(trace, name)
    except (AttributeError, KeyError):
        raise ValueError(f"the trace has no {name!r}; this machine has no such part") from None
    return to_array(values)[element]


def has_tensors(trace: object, *names: str) -> bool:
    """Whether a trace holds all of these, as a figure of them needs."""
    try:
        for name in names:
            tensor_of(trace, name)
    except ValueError:
        return False
    return True
