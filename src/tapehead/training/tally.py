"""Losses and scores between two reports."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

_PER_STEP = ("loss", "gradient_norm")


class Tally:
    """Keeps every number and takes means at the end only.

    Running sums would depend on where a checkpoint cut them; so would a resumed run's rows. It
    also keeps reductions, and on a GPU all waiting, out of the steps.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, list[Any]] = {}

    def add(self, loss: Tensor | float, gradient_norm: Tensor | float) -> None:
        """Loss and gradient norm of a step, as numbers or as scalar tensors."""
        self._numbers.setdefault("loss", []).append(loss)
        self._numbers.setdefault("gradient_norm", []).append(gradient_norm)

    def add_scores(self, scores: Mapping[str, Tensor]) -> None:
        """Scores of a batch, one number for each sequence."""
        for name, values in scores.items():
            self._numbers.setdefault(name, []).append(values)

    @property
    def steps(self) -> int:
        return len(self._numbers.get("loss", ()))

    def means(self, average: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
        """The mean of each number, and over all processes if `average` takes that of a tensor."""
        tensors = self.tensors()
        means = torch.stack([values.mean() for values in tensors.values()])
        if average is not None:
            means = average(means)
        return dict(zip(tensors, means.tolist(), strict=True))

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, a float64 vector for each name."""
        return {name: _vector(values) for name, values in self._numbers.items()}

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Go back to what `tensors` gave; more numbers will come from `device`."""
        self._numbers = {}
        for name, values in tensors.items():
            if name not in _PER_STEP:
                self._numbers[name] = [values.to(device)]
            elif device.type == "cpu":  # where steps come as numbers, not as tensors
                self._numbers[name] = values.tolist()
            else:
                self._numbers[name] = list(values.to(device).unbind())

    def clear(self) -> None:
        self._numbers = {}


def _vector(values: list[Any]) -> Tensor:
    """Of tensors or of numbers, never mixed."""
    if not isinstance(values[0], Tensor):
        return torch.tensor(values, dtype=torch.float64, device="cpu")
    return torch.cat([value.reshape(-1) for value in values]).double()
