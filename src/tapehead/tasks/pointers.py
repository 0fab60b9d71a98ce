"""Answers that point at what was read."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.answers import Answer, answered_logits
from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import BITS, POINTER_ERRORS, SOLVED, Metric

END = 0
"""The pointer that ends an answer; points are numbered from 1."""


@dataclass(frozen=True)
class Pointer(Answer):
    """Pointers at the points of the input, and an end: one softmax at each step, over as many
    channels as the problem has points, and one for the end before them.

    Targets are whole numbers (batch, steps): that of a point from 1, or 0 for the end, which is a
    step of the answer too. A batch has as many channels as its largest problem takes; those past a
    smaller problem's points say minus infinity.

    >>> import torch
    >>> from tapehead.forms import Points
    >>> from tapehead.tasks import Batch
    >>> from tapehead.tasks.pointers import Pointer
    >>> targets = torch.tensor([[2, 1, 0]])  # the second point, the first, the end
    >>> batch = Batch(Points(torch.rand(1, 2, 2)), targets, targets >= 0)
    >>> logits = torch.eye(3)[None, [2, 1, 1]]  # at the last step the first point again
    >>> answer = Pointer(["end", "1", "2"])
    >>> answer.said(logits, batch), answer.scores(logits, batch)["pointer_errors"]
    (tensor([[2, 1, 1]]), tensor([1.]))
    """

    @property
    def unit(self) -> str:
        return "pointers"

    @property
    def part(self) -> str:
        return "pointer"

    @property
    def parts(self) -> int:
        return 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (POINTER_ERRORS, SOLVED, BITS)

    def costs(
        self, outputs: Float[Tensor, "batch time channels"], batch: Batch
    ) -> Float[Tensor, "batch time 1"]:
        logits = answered_logits(outputs, batch)
        right = logits.gather(-1, batch.targets[..., None])
        costs = logits.logsumexp(-1, keepdim=True) - right
        return torch.where(batch.mask[..., None], costs, 0)

    def errors(
        self, outputs: Float[Tensor, "batch time channels"], batch: Batch
    ) -> Bool[Tensor, "batch time 1"]:
        meant = F.one_hot(batch.targets, outputs.shape[-1]).bool()
        best_other = outputs.masked_fill(meant, -torch.inf).amax(-1)
        right = torch.where(meant, outputs, -torch.inf).amax(-1) > best_other
        return (batch.mask & ~right)[..., None]

    def probabilities(
        self, outputs: Float[Tensor, "*shape channels"]
    ) -> Float[Tensor, "*shape channels"]:
        return outputs.softmax(-1)

    def said(
        self, outputs: Float[Tensor, "batch time channels"], batch: Batch
    ) -> Int64[Tensor, "batch time"]:
        """The likeliest pointers, up to the first that ends the answer."""
        likeliest = torch.where(batch.mask, outputs.argmax(-1), END)
        return likeliest * (likeliest != END).cumprod(1)

    def scores(
        self, outputs: Float[Tensor, "batch time channels"], batch: Batch
    ) -> dict[str, Tensor]:
        """Wrong pointers, each after the right ones before it; `solved`, none; `bits`."""
        wrong = self.errors(outputs, batch).sum((1, 2)).float()
        return {
            POINTER_ERRORS.name: wrong,
            SOLVED.name: wrong == 0,
            BITS.name: self.bits(outputs, batch),
        }
