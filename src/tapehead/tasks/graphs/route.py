"""The answer of the inference task, and the edges of the way there."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.batch import Batch
from tapehead.tasks.graphs.coding import BLANK, TRIPLE_SIZE, decode
from tapehead.tasks.graphs.recalling import Recalling, asked_at
from tapehead.tasks.graphs.relations import EDGE_LABELS, relations


@dataclass(frozen=True)
class Route(Recalling):
    """Where a relation leads; while the machine plans, after each query, it may be asked for the
    edges on the way."""

    def recalled(self, batch: Batch) -> Batch:
        """The edges of each query's way, the first in the step after the query; then the last one
        again, for as long as the machine plans."""
        query, edges, known = routes(batch.inputs.x)
        steps = torch.arange(self.planning, device=known.device)
        place = (query[..., None] + 1 + steps).flatten(1)
        which = steps.minimum(known.sum(-1, keepdim=True) - 1)
        edges = edges.gather(2, which[..., None].expand(-1, -1, -1, 3))
        everywhere = torch.ones_like(place, dtype=torch.bool)
        return asked_at(batch, place, edges.flatten(1, 2), everywhere)


def routes(
    x: Float[Tensor, "batch time input"],
) -> tuple[
    Int64[Tensor, "batch queries"],
    Int64[Tensor, "batch queries steps 3"],
    Bool[Tensor, "batch queries steps"],
]:
    """At which step each query of an episode stands, and the edges that its relation is made of, in
    the order in which they are followed; which there are says the last tensor.

    Args:
        x: what the machine is told; as many queries in each sequence.
    """
    told = decode(x[..., :TRIPLE_SIZE])
    source, label, destination = told.unbind(-1)
    described = (told != BLANK).all(-1)
    asked = (source != BLANK) & (destination == BLANK)
    query = asked.nonzero()[:, 1].view(len(x), -1)
    meaning = relations().to(x.device)[label.gather(1, query) - EDGE_LABELS]
    at = source.gather(1, query)
    edges, known = [], []
    for wanted in meaning.unbind(-1):
        is_next = described[:, None] & (source[:, None] == at[..., None])
        is_next &= label[:, None] == wanted[..., None]
        place = is_next.int().argmax(-1)
        found = is_next.any(-1)
        edges.append(told.gather(1, place[..., None].expand(-1, -1, 3)))
        known.append(found)
        at = torch.where(found, destination.gather(1, place), at)
    return query, torch.stack(edges, 2), torch.stack(known, 2)
