"""What a machine is asked for while it plans a shortest path: the edges around the way."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.forms import Sequence
from tapehead.tasks.batch import Batch
from tapehead.tasks.graphs.coding import LABELS, TRIPLE_SIZE, encode
from tapehead.tasks.graphs.planner import (
    Told,
    distances_to,
    edge_log_probabilities,
)


def edges_to_recall(
    told: Told, most: int, rings: int
) -> tuple[Int64[Tensor, "batch most 3"], Bool[Tensor, "batch most"]]:
    """The edges that leave the start, then those that lead to the goal, each in the order told;
    then those that leave where the first of the former ends, where the second ends, and so on; then
    those that lead to where each of the latter begins; in turn for so many rings. None twice, and
    at most `most`; which there are says the second tensor."""
    count = told.is_edge.shape[1]
    told_order = torch.arange(count, device=told.is_edge.device).expand_as(told.is_edge)
    source, destination = told.triples.clamp(min=0)[..., 0], told.triples.clamp(min=0)[..., 2]
    reverse = told.triples[..., [2, 1, 0]]
    sides = [
        (source, destination, distances_to(reverse, told.is_edge, told.start)),
        (destination, source, told.distance),
    ]
    never = (1 + rings) * count
    rank = torch.full_like(told_order, never)
    orders = [torch.zeros_like(told_order)] * len(sides)
    for ring in range(rings):
        side, away = ring % len(sides), ring // len(sides)
        near, far, distance = sides[side]
        members = told.is_edge & (distance.gather(1, near) == away)
        order = told_order
        if away:
            # One question for each edge of the side's ring before, in the order of those.
            first = order.new_full((len(order), LABELS), never)
            first = first.scatter_reduce(1, far, orders[side], "amin")
            order = (first.gather(1, near) * count + order).argsort(1).argsort(1)
        orders[side] = order.masked_fill(~members, never)
        rank = torch.where(members & (rank == never), ring * count + order, rank)
    rank, chosen = rank.sort(1)
    chosen, known = chosen[:, :most], rank[:, :most] < never
    return told.triples.gather(1, chosen[..., None].expand(-1, -1, 3)), known


def plan_aloud(
    machine: Callable[..., tuple[Tensor, Any]],
    batch: Batch,
    told: Told,
    steps: int,
    rings: int,
    guided: bool,
) -> tuple[Float[Tensor, "batch time 90"], Any, Batch]:
    """Let a machine plan that hears at each step which edge it named at the one before.

    Args:
        machine: maps (x, state, lengths=...) to (outputs, state).
        steps, rings: as for `edges_to_recall`.
        guided: it hears the edge that it should have named, and where nothing was asked for any
            edge; else its own, of all that it was told the one that its digits make likeliest.

    Returns:
        Its outputs and its state before the answer, and the batch with what it heard.
    """
    x = batch.inputs.x.clone()
    place = told.answer_at[:, None] - steps + torch.arange(steps, device=x.device)
    if guided:
        heard = encode(_named(told, steps, rings)[:, :-1]).to(x.dtype)
        index = place[:, 1:, None].expand_as(heard)
        x[..., :TRIPLE_SIZE].scatter_(1, index, heard)
        outputs, state = machine(x[:, : int(told.answer_at.max())], lengths=told.answer_at)
    else:
        rows = torch.arange(len(x), device=x.device)
        before, state = machine(x[:, : int(place[:, 0].max())], lengths=place[:, 0])
        outputs = before.new_zeros(len(x), int(told.answer_at.max()), before.shape[-1])
        outputs[:, : before.shape[1]] = before
        for step in range(steps):
            said, state = machine(x[rows, place[:, step]][:, None], state)
            outputs[rows, place[:, step]] = said[:, 0]
            if step + 1 < steps:
                likeliest = edge_log_probabilities(told, told.is_edge, said[:, 0].float())
                triple = told.triples[rows, likeliest.argmax(-1)]
                x[rows, place[:, step + 1], :TRIPLE_SIZE] = encode(triple).to(x.dtype)
    return outputs, state, batch._replace(inputs=Sequence(x, batch.inputs.steps))


def _named(told: Told, steps: int, rings: int) -> Int64[Tensor, "batch steps 3"]:
    """The edges to recall; beyond them, any that were told."""
    edges, known = edges_to_recall(told, steps, rings)
    some = torch.rand(len(edges), steps, device=edges.device, dtype=torch.float32)
    some = (some * told.is_edge.sum(1, keepdim=True)).long()
    # Edges are told one by one from the first step on.
    named = told.triples.gather(1, some[..., None].expand(-1, -1, 3))
    width = edges.shape[1]
    named[:, :width] = torch.where(known[..., None], edges, named[:, :width])
    return named
