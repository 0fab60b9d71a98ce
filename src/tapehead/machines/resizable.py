"""Machines that take another number of rows after they were trained."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.checks import whole
from tapehead.machines.recurrent import Recurrent

EMPTY = 1e-6
"""What is in each place of a row that holds nothing."""
FAR = 16.0
"""How far the logits of all new rows together lie under those of all old ones: e^-16 of the weight
is what single precision rounds away, and a slope that training can still climb."""


class Resizable(Recurrent):
    """A machine whose `memory_size` may be set at any time; a state from before no longer fits."""

    resizable = True
    _memory_size: int

    @property
    def memory_size(self) -> int:
        """Rows of the memory; may be set at any time."""
        return self._memory_size

    @memory_size.setter
    def memory_size(self, rows: int) -> None:
        rows = whole(1)("memory_size", rows)
        if hasattr(self, "_memory_size") and rows != self._memory_size:
            self.check_fits(memory_size=rows)
            # Weights that a training can go on with, wherever this is called.
            with torch.inference_mode(False), torch.no_grad():
                self.reshape(**self._resized(rows))
        self._memory_size = rows

    @property
    def settable_rows(self) -> int:
        """As `memory_size`."""
        return self._memory_size

    def set_rows(self, rows: int) -> None:
        """As setting `memory_size`."""
        self.memory_size = rows

    @classmethod
    def has_weights_of_rows(cls) -> bool:
        return cls._resized is not Resizable._resized

    def _resized(self, rows: int) -> Mapping[str, Tensor]:
        """By name, the weights whose shapes depend on the rows, as they are with so many."""
        return {}


def rows_at(rows: int, memory: Float[Tensor, "before word"]) -> Float[Tensor, "{rows} word"]:
    """The first rows of a memory, or all of them and then empty ones."""
    more = rows - len(memory)
    if more <= 0:
        return memory[:rows].clone()
    return torch.cat([memory, memory.new_full((more, memory.shape[1]), EMPTY)])


def logits_at(rows: int, logits: Float[Tensor, "heads before"]) -> Float[Tensor, "heads {rows}"]:
    """The first logits, or all of them and then such as leave the weights where they are."""
    more = rows - logits.shape[1]
    if more <= 0:
        return logits[:, :rows].clone()
    low = logits.logsumexp(1, keepdim=True) - math.log(more) - FAR
    return torch.cat([logits, low.expand(-1, more)], 1)
