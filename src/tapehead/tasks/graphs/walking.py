"""The answer of the shortest-path task: at each step a choice among the edges that leave a node."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.batch import Batch
from tapehead.tasks.graphs.coding import BLANK, TRIPLE_SIZE, decode, encode
from tapehead.tasks.graphs.planner import (
    UNREACHABLE,
    distance_after,
    edge_log_probabilities,
    read_told,
    teacher_edge,
    ways_out,
)
from tapehead.tasks.graphs.recall import edges_to_recall
from tapehead.tasks.graphs.recalling import Recalling, asked_at
from tapehead.tasks.metrics import BITS, SOLVED, STEP_ERRORS, Metric

WASTED_STEPS = Metric("wasted_steps", "wasted steps", "per sequence")
LATE = Metric("late", "two steps or more too long", "%")
_LONGEST = 100.0


class Choice(NamedTuple):
    """One step of the answer, in every sequence: where it stands, which sequences have it, the
    triple that is chosen, what the choice costs in nats, and by how much it prolongs the path."""

    place: Int64[Tensor, " batch"]
    active: Bool[Tensor, " batch"]
    triple: Int64[Tensor, "batch 3"]
    cost: Float[Tensor, " batch"]
    wasted: Int64[Tensor, " batch"]


@dataclass(frozen=True)
class Walking(Recalling):
    """Triples, read as choices: nine softmaxes give each edge that leaves the node stood on its
    share, and the cost is the cross-entropy of that choice against the first step of a shortest
    path. A step is right if it begins one.

    spelling: how much the loss has, beside the cost of the choice, of the mean cross-entropy of the
        nine digits.
    rings: how many steps away from the start and from the goal, in turn, they are asked for.
    """

    spelling: float = 0.0
    rings: int = 2

    @property
    def part(self) -> str:
        return "step"

    @property
    def parts(self) -> int:
        return 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (STEP_ERRORS, WASTED_STEPS, SOLVED, LATE, BITS)

    def costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time parts"]:
        steps = list(_choices(outputs, batch))
        return _placed([step.place for step in steps], [step.cost for step in steps], batch)

    def errors(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time parts"]:
        steps = list(_choices(outputs, batch))
        wrong = [(step.wasted > 0).float() for step in steps]
        return _placed([step.place for step in steps], wrong, batch) > 0

    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """`wasted_steps` says by how much the machine's own choices prolong the path (not arriving
        counts as very long), `step_errors` how many of them do, `solved` that none does, and `late`
        that it is by more than one step.

        Where the teacher took some of the steps, each choice is judged where the machine stood.
        """
        steps = list(_choices(outputs, batch))
        wasted = torch.stack([step.wasted for step in steps], 1)
        total = wasted.sum(1).float()
        return {
            STEP_ERRORS.name: (wasted > 0).sum(1).float(),
            WASTED_STEPS.name: total.clamp(max=_LONGEST),
            SOLVED.name: total == 0,
            LATE.name: (total > 1).float(),
            BITS.name: torch.stack([step.cost for step in steps], 1).sum(1) / math.log(2),
        }

    def said(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time size"]:
        """The edges chosen, whatever the likeliest digits may be."""
        said = torch.zeros_like(outputs)
        sequences = torch.arange(len(said), device=said.device)
        for step in _choices(outputs, batch):
            chosen = encode(step.triple).to(said.dtype) * step.active[:, None]
            said[sequences, step.place] += chosen
        return said

    def step_costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        costs = super().step_costs(outputs, batch)
        if self.spelling:
            share = self.spelling * len(costs) / batch.mask.sum()
            costs = costs + share * super().costs(outputs, batch).mean(-1)
        return costs

    def recalled(self, batch: Batch) -> Batch:
        """What is asked for while the machine plans, step by step: the edges around the start and
        around the goal, ring after ring; see `edges_to_recall`."""
        told = read_told(batch.inputs.x)
        edges, known = edges_to_recall(told, self.planning, self.rings)
        place = (told.answer_at[:, None] - self.planning) + torch.arange(
            edges.shape[1], device=edges.device
        )
        return asked_at(batch, place, edges, known)

    def _answer_total(self, outputs: Tensor, batch: Batch) -> Tensor:
        total = torch.stack([step.cost for step in _choices(outputs, batch)], 1).sum(1).sum()
        if self.spelling:
            total = total + self.spelling * super().costs(outputs, batch).mean(-1).sum()
        return total


def _choices(outputs: Tensor, batch: Batch) -> Iterator[Choice]:
    """What a machine chose at each step of the answer."""
    told = read_told(batch.inputs.x)
    ends = distance_after(told)
    taken = decode(batch.inputs.x[..., :TRIPLE_SIZE])
    for step in range(int(batch.mask.sum(1).max())):
        place = (told.answer_at + step).clamp(max=batch.mask.shape[1] - 1)
        active = batch.mask.gather(1, place[:, None])[:, 0] & (
            told.answer_at + step < batch.inputs.steps
        )
        before = taken.gather(1, place[:, None, None].expand(-1, 1, 3))[:, 0, 2]
        at = torch.where(active & (before != BLANK), before, told.start)
        logits = outputs.gather(1, place[:, None, None].expand(-1, 1, outputs.shape[-1]))[:, 0]
        says = edge_log_probabilities(told, ways_out(told, at), logits.float())
        cost = -says.gather(1, teacher_edge(told, at)[:, None])[:, 0]
        speechless = says.isnan().any(-1)
        own = says.detach().masked_fill(says.isnan(), -torch.inf).argmax(-1)
        wasted = 1 + ends.gather(1, own[:, None]) - told.distance.gather(1, at[:, None])
        wasted = wasted[:, 0].masked_fill(speechless, UNREACHABLE)
        yield Choice(
            place,
            active,
            told.triples.gather(1, own[:, None, None].expand(-1, 1, 3))[:, 0],
            torch.where(active, cost, 0.0),
            torch.where(active, wasted, 0),
        )


def _placed(
    places: list[Tensor], values: list[Tensor], batch: Batch
) -> Float[Tensor, "batch time 1"]:
    """Values of the answer's steps at their places in the sequence."""
    whole = values[0].new_zeros(batch.mask.shape)
    return whole.scatter_add(1, torch.stack(places, 1), torch.stack(values, 1))[..., None]
