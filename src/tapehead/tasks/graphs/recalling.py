"""Answers beside which a machine is asked, while it plans, for the edges that it needs."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.answers import Symbols
from tapehead.tasks.batch import Batch
from tapehead.tasks.graphs.coding import BLANK, encode


@dataclass(frozen=True)
class Recalling(Symbols):
    """Symbols, and in the loss the edges that are asked for while the machine plans; scores, and
    the costs that figures show, are of the answer alone.

    recall: how much the loss has, beside the answer's, of the mean cross-entropy of the symbols of
        those edges.
    planning: steps in which it plans.
    """

    recall: float = 0.0
    planning: int = 0

    @abstractmethod
    def recalled(self, batch: Batch) -> Batch:
        """The batch with those edges for targets, and their steps for mask."""

    def step_costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        costs = super().step_costs(outputs, batch)
        if self.recall:
            asked = self.recalled(batch)
            share = self.recall * len(costs) / asked.mask.sum()
            costs = costs + share * Symbols.costs(self, outputs, asked).mean(-1)
        return costs

    def _total(self, outputs: Tensor, batch: Batch) -> Tensor:
        total = self._answer_total(outputs, batch)
        if self.recall:
            asked = self.recalled(batch)
            share = self.recall * batch.mask.sum() * self.parts / asked.mask.sum()
            total = total + share * Symbols.costs(self, outputs, asked).mean(-1).sum()
        return total

    def _answer_total(self, outputs: Tensor, batch: Batch) -> Tensor:
        """What the answer alone has in `_total`."""
        return super()._total(outputs, batch)


def asked_at(
    batch: Batch,
    place: Int64[Tensor, "batch edges"],
    edges: Int64[Tensor, "batch edges 3"],
    known: Bool[Tensor, "batch edges"],
) -> Batch:
    """The batch with these edges for targets, each at its place, and no others; only those count
    that are known. No place occurs twice."""
    mask = torch.zeros_like(batch.mask).scatter(1, place, known)
    each = encode(torch.where(known[..., None], edges, BLANK)).to(batch.targets.dtype)
    index = place[..., None].expand(-1, -1, each.shape[-1])
    targets = torch.zeros_like(batch.targets).scatter(1, index, each)
    return batch._replace(targets=targets, mask=mask)


def check_recall(recall: float, planning_steps: int) -> None:
    """A task whose answer has `recall` has steps to ask in.

    Raises:
        ValueError: it has none.
    """
    if recall and not planning_steps:
        raise ValueError(f"recall must be 0 without planning_steps to ask in, got {recall!r}")
