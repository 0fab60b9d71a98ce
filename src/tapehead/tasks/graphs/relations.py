"""The relations of the inference task, and where they lead."""

from functools import cache

import torch
from jaxtyping import Int64
from torch import Tensor

EDGE_LABELS = 10
RELATION_LENGTHS = (2, 3, 4, 5)
RELATIONS_PER_LENGTH = 100
RELATIONS_SEED = 2016


@cache
def relations() -> Tensor:
    """The edge labels of all 400 relations (400, 5), -1 past a relation's length, in the order of
    their names, which start at 10. 100 different sequences of each length from 2 to 5; the same
    for everyone, as in the paper, whose own are not published.
    """
    generator = torch.Generator().manual_seed(RELATIONS_SEED)
    table = torch.full((len(RELATION_LENGTHS) * RELATIONS_PER_LENGTH, 5), -1, device="cpu")
    for i, length in enumerate(RELATION_LENGTHS):
        chosen = torch.randperm(EDGE_LABELS**length, generator=generator, device="cpu")
        chosen = chosen[:RELATIONS_PER_LENGTH]
        powers = EDGE_LABELS ** torch.arange(length - 1, -1, -1, device="cpu")
        rows = slice(i * RELATIONS_PER_LENGTH, (i + 1) * RELATIONS_PER_LENGTH)
        table[rows, :length] = chosen[:, None] // powers % EDGE_LABELS
    return table[torch.randperm(len(table), generator=generator, device="cpu")]


def follow(
    table: Int64[Tensor, "batch nodes labels"], known: Int64[Tensor, "relations steps"]
) -> Int64[Tensor, "batch nodes relations"]:
    """Where each relation leads from each node; -1 where one of its edges is missing."""
    batch, nodes, labels = table.shape
    start = torch.arange(nodes, device=table.device)[None, :, None]
    at = start.expand(batch, -1, len(known)).clone()
    flat = table.flatten(1)
    for step in known.unbind(-1):
        edge = at.clamp(min=0) * labels + step.clamp(min=0)
        onward = flat.gather(1, edge.flatten(1)).view_as(at)
        onward = onward.masked_fill(at < 0, -1)
        at = torch.where(step >= 0, onward, at)
    return at
