"""What a task draws: what a machine is told, what is to be answered, and where."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Bool, Int64, Shaped
from torch import Tensor


class Batch(NamedTuple):
    """Problems side by side.

    inputs: a form (`tapehead.forms`), padded.
    targets: beside the outputs, step by step.
    mask: marks the answer steps; the rest of `targets` is zero and is never scored.

    >>> import torch
    >>> from tapehead.tasks import Copy
    >>> batch = Copy(max_length=3).batch(torch.Generator().manual_seed(0), batch_size=2)
    >>> {name: tuple(tensor.shape) for name, tensor in batch.tensors().items()}
    {'inputs.x': (2, 7, 9), 'inputs.lengths': (2,), 'targets': (2, 7, 8), 'mask': (2, 7)}
    """

    inputs: Any
    targets: Shaped[Tensor, "batch time ..."]
    mask: Bool[Tensor, "batch time"]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with every tensor changed, those of its form too."""
        parts = (None if part is None else change(part) for part in self.inputs)
        return Batch(type(self.inputs)(*parts), change(self.targets), change(self.mask))

    def select(self, rows: Int64[Tensor, " chosen"]) -> "Batch":
        """Some of the problems, by number; of sequences and stories."""
        return Batch(self.inputs.select(rows), self.targets[rows], self.mask[rows])

    def tensors(self) -> dict[str, Tensor]:
        """By name: those of the form as `inputs.x`, and `targets` and `mask`."""
        parts = {f"inputs.{name}": part for name, part in self.inputs._asdict().items()}
        named = parts | {"targets": self.targets, "mask": self.mask}
        return {name: part for name, part in named.items() if part is not None}
