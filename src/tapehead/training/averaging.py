"""An average of the weights, by which a machine is judged while its own weights go on moving."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from tapehead.training.flat import FlatParameters

MOVING = "moving"
"""The part of a checkpoint that holds the weights that training goes on from. Its `weights` are
then the average."""


class WeightAverage:
    """The exponential moving average of all weights that are trained, step by step (Polyak &
    Juditsky 1992; the exponential kind as in Kingma & Ba 2015, section 7.2).

    A learning rate that is large enough to learn quickly keeps the weights moving around the place
    that they are drawn to. Their average lies closer to it, as if the rate had fallen.

    Args:
        flat: the weights.
        sequences: its time constant. Of the first sequences it is the plain mean.
    """

    def __init__(self, flat: FlatParameters, sequences: int):
        self._flat, self._sequences = flat, sequences
        self._weights = flat.parameter.detach()
        self._average = self._weights.clone()

    def add(self, batch: int, seen: int) -> None:
        """Take the weights in, after a step of `batch` sequences that made it `seen` altogether."""
        self._average.lerp_(self._weights, max(min(batch / self._sequences, 1.0), batch / seen))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The machine has the average of its weights."""
        moving = self._weights.clone()
        self._put(self._average)
        try:
            yield
        finally:
            self._put(moving)

    def keep(self) -> None:
        """Leave the average in the machine, when training ends."""
        self._put(self._average)

    def moving(self) -> dict[str, Tensor]:
        """The weights that training goes on from, by name."""
        return dict(self._flat.named_views(self._weights))

    def restore(self, moving: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint, whose average the machine already has.

        Raises:
            LookupError: a weight is missing.
        """
        self._average.copy_(self._weights)
        for name, view in self._flat.named_views(self._weights):
            view.copy_(moving[name])
        self._flat.spread()

    def _put(self, weights: Tensor) -> None:
        with torch.no_grad():
            self._weights.copy_(weights)
        self._flat.spread()
