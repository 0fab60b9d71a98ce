"""Linear maps of a machine that must be called: there is more to them than a weight and a bias.

The reference calls them where it would multiply; a kernel cannot.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

Map = Callable[[Tensor], Tensor]


class Called(NamedTuple):
    """The parts of a machine that are called; None: its weight and bias are all there is to it."""

    input: Map | None = None
    interface: Map | None = None
    output: Map | None = None

    @property
    def obstacle(self) -> str:
        """Why a kernel cannot run."""
        return must_be_called(self)


def must_be_called(parts: Any) -> str:
    """Why a kernel cannot run; `parts` is a NamedTuple of parts that are called, or None."""
    names = " and ".join(name for name, part in parts._asdict().items() if part is not None)
    return f"{names} must be called: hooks, or no plain torch.nn.Linear"


def call(name: str, part: Map, x: Tensor, numbers: int) -> Tensor:
    """What a part makes of x.

    Raises:
        ValueError: it gives other than `numbers` numbers.
    """
    y = part(x)
    expected = (*x.shape[:-1], numbers)
    if not isinstance(y, Tensor) or y.shape != expected:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"{name} must give a tensor of shape {expected}, got {got}")
    return y
