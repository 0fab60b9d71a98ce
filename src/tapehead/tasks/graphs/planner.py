"""Shortest paths on graphs as they were told: the teacher of the shortest-path task.

Works on the triples of a sequence and on three-digit names, as whoever reads the inputs must.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.graphs.coding import (
    ANSWER,
    BLANK,
    LABELS,
    NEW_PHASE,
    TRIPLE_SIZE,
    decode,
    digits_of,
)

UNREACHABLE = 10_000
"""The distance from which there is no way."""


class Told(NamedTuple):
    """What the inputs of a sequence say, up to its answer.

    `triples` and `is_edge`: the graph. `start` and `goal`: the query. `answer_at`: first step of
    the answer. `distance`: edges from each of the thousand names to the goal.
    """

    triples: Int64[Tensor, "batch told 3"]
    is_edge: Bool[Tensor, "batch told"]
    start: Int64[Tensor, " batch"]
    goal: Int64[Tensor, " batch"]
    answer_at: Int64[Tensor, " batch"]
    distance: Int64[Tensor, "batch names"]


def read_told(inputs: Float[Tensor, "batch time channels"]) -> Told:
    """Graph, query and distances, from the inputs of shortest-path sequences."""
    asks = inputs[..., ANSWER] > 0
    answer_at = asks.int().argmax(1)
    query_at = (inputs[..., NEW_PHASE] > 0).int().argmax(1)
    told = decode(inputs[..., :TRIPLE_SIZE])[:, : int(query_at.max()) + 1]
    query = told.gather(1, query_at[:, None, None].expand(-1, 1, 3))[:, 0]
    before = torch.arange(told.shape[1], device=told.device) < query_at[:, None]
    is_edge = before & (told != BLANK).all(-1)
    start, goal = query[:, 0], query[:, 2]
    distance = distances_to(told, is_edge, goal)
    return Told(told, is_edge, start, goal, answer_at, distance)


def distances_to(
    triples: Int64[Tensor, "batch told 3"],
    is_edge: Bool[Tensor, "batch told"],
    goal: Int64[Tensor, " batch"],
) -> Int64[Tensor, "batch names"]:
    """Least number of edges from each name to the goal, `UNREACHABLE` if none lead there."""
    distance = goal.new_full((len(goal), LABELS), UNREACHABLE)
    distance.scatter_(1, goal[:, None], 0)
    source, destination = triples[..., 0].clamp(min=0), triples[..., 2].clamp(min=0)
    while True:
        over = (distance.gather(1, destination) + 1).clamp(max=UNREACHABLE)
        over = over.masked_fill(~is_edge, UNREACHABLE)
        shorter = distance.scatter_reduce(1, source, over, "amin")
        if torch.equal(shorter, distance):
            return distance
        distance = shorter


def ways_out(told: Told, at: Int64[Tensor, " batch"]) -> Bool[Tensor, "batch told"]:
    """The edges that leave the node where each sequence stands."""
    return told.is_edge & (told.triples[..., 0] == at[:, None])


def distance_after(told: Told) -> Int64[Tensor, "batch told"]:
    """How far each edge's end is from the goal."""
    return told.distance.gather(1, told.triples[..., 2].clamp(min=0))


def teacher_edge(told: Told, at: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
    """The first told of the edges that begin a shortest path to the goal."""
    ends = distance_after(told).masked_fill(~ways_out(told, at), 2 * UNREACHABLE)
    return ends.argmin(1)


def edge_log_probabilities(
    told: Told, possible: Bool[Tensor, "batch told"], logits: Float[Tensor, "batch 90"]
) -> Float[Tensor, "batch told"]:
    """What nine softmaxes say of each edge, renormalised over those that are possible; minus
    infinity for all others."""
    says = F.log_softmax(logits.unflatten(-1, (9, 10)), -1)
    digits = digits_of(told.triples.clamp(min=0))
    of_edge = says[:, None].expand(-1, digits.shape[1], -1, -1).gather(-1, digits[..., None])
    joint = of_edge[..., 0].sum(-1).masked_fill(~possible, -torch.inf)
    return joint.log_softmax(-1)


def name_pairs(
    triples: Int64[Tensor, "batch told 3"], is_edge: Bool[Tensor, "batch told"], steps: int
) -> tuple[Int64[Tensor, "batch names names"], Int64[Tensor, "batch names"]]:
    """Distances between all nodes, by their place among a graph's names in rising order, up to
    `steps`; beyond, `UNREACHABLE`. Also those names, padded with `BLANK`."""
    sources = torch.where(is_edge, triples[..., 0], LABELS)
    ends = torch.where(is_edge, triples[..., 2], LABELS)
    present = torch.zeros(len(triples), LABELS + 1, dtype=torch.bool, device=triples.device)
    present.scatter_(1, sources, True).scatter_(1, ends, True)
    present[:, LABELS] = False
    place = present.cumsum(1) - 1
    most = int(present.sum(1).max())
    order = (~present).int().argsort(dim=1, stable=True)[:, :most]
    names = order.masked_fill(~present.gather(1, order), BLANK)

    links = torch.zeros(len(triples), most, most, device=triples.device, dtype=torch.float32)
    flat = place.gather(1, sources).clamp(min=0) * most + place.gather(1, ends).clamp(min=0)
    links.flatten(1).scatter_reduce_(1, flat, is_edge.float(), "amax")
    distance = torch.full_like(links, UNREACHABLE, dtype=torch.int64)
    distance.diagonal(dim1=1, dim2=2).zero_()
    reached = torch.eye(most, device=links.device, dtype=links.dtype).expand_as(links)
    for step in range(1, steps + 1):
        reached = (reached @ links).clamp(max=1.0)
        distance = torch.where((reached > 0) & (distance == UNREACHABLE), step, distance)
    return distance, names
