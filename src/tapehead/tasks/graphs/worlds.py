"""Graphs to tell and to ask about, many at once.

Source of the random ones: Graves, Wayne et al., Nature 538 (2016), Methods, "Random graph
generation".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.tasks.draws import random_integers, random_uniform
from tapehead.tasks.graphs.coding import LABELS


class Graphs(NamedTuple):
    """A batch of directed graphs by their edges, in the order in which they are told.

    `edges` holds node numbers and edge labels (source, label, destination), with valid ones first;
    `names` the three-digit label of each node; `edge_names` that of each edge label.
    """

    edges: Int64[Tensor, "batch edges 3"]
    counts: Int64[Tensor, " batch"]
    names: Int64[Tensor, "batch nodes"]
    edge_names: Int64[Tensor, "batch labels"]
    nodes: Int64[Tensor, " batch"]

    @property
    def valid(self) -> Bool[Tensor, "batch edges"]:
        """Which entries of `edges` are edges."""
        return torch.arange(self.edges.shape[1], device=self.edges.device) < self.counts[:, None]

    def triples(self, edges: Int64[Tensor, "batch steps 3"]) -> Int64[Tensor, "batch steps 3"]:
        """Edges as triples of three-digit labels."""
        source, label, destination = edges.unbind(-1)
        named = [
            self.names.gather(1, source),
            self.edge_names.gather(1, label),
            self.names.gather(1, destination),
        ]
        return torch.stack(named, -1)


@dataclass(frozen=True)
class Map:
    """One graph that does not change: its edges as (source, label, destination), by number."""

    node_names: tuple[str, ...]
    label_names: tuple[str, ...]
    edges: tuple[tuple[int, int, int], ...]


def random_graphs(
    generator: torch.Generator,
    batch_size: int,
    nodes: tuple[int, int],
    degree: tuple[int, int],
    edge_labels: int | None = None,
) -> Graphs:
    """Points in the unit square, each with edges to its K nearest neighbours.

    Args:
        nodes: least and most nodes; the number is uniform for each graph.
        degree: least and most edges out of a node; K is uniform for each node, and at most the
            number of other nodes.
        edge_labels: how many edge labels there are, named 0 to that number. None draws as many
            three-digit names as the graph has nodes. No two edges out of a node share a label.
    """
    device = generator.device

    count = random_integers(generator, *nodes, batch_size, mixed=True)
    most = int(count.max())
    exists = torch.arange(most, device=device) < count[:, None]
    points = random_uniform(generator, batch_size, most, 2)
    distance = torch.cdist(points, points)
    stranger = torch.eye(most, dtype=torch.bool, device=device) | ~exists[:, None, :]
    distance = distance.masked_fill(stranger, float("inf"))
    slots = min(degree[1], most - 1)
    neighbours = distance.topk(slots, largest=False).indices
    out_degree = random_integers(generator, *degree, batch_size * most, mixed=True)
    out_degree = torch.minimum(out_degree.view(batch_size, most), count[:, None] - 1)
    is_edge = (torch.arange(slots, device=device) < out_degree[..., None]) & exists[..., None]

    names = distinct_labels(generator, batch_size, most)
    if edge_labels is None:
        edge_names = distinct_labels(generator, batch_size, most)
        known = exists[:, None, :].expand(-1, most, -1)
    else:
        edge_names = torch.arange(edge_labels, device=device).expand(batch_size, -1)
        known = torch.ones(batch_size, most, edge_labels, dtype=torch.bool, device=device)
    chance = random_uniform(generator, *known.shape).masked_fill(~known, -1.0)
    labels = chance.topk(slots).indices

    source = torch.arange(most, device=device)[None, :, None].expand_as(neighbours)
    edges = torch.stack([source, labels, neighbours], -1).flatten(1, 2)
    order = random_uniform(generator, *edges.shape[:2])
    told = order.masked_fill(~is_edge.flatten(1), 2.0).argsort(-1)
    counts = is_edge.flatten(1).sum(-1)
    told = told[:, : int(counts.max())]
    edges = edges.gather(1, told[..., None].expand(-1, -1, 3))
    return Graphs(edges, counts, names, edge_names, count)


def told_map(
    generator: torch.Generator, batch_size: int, known: Map, *, fixed_labels: bool = False
) -> Graphs:
    """One map told many times: its edges in another order, under other names each time.

    `fixed_labels` keeps edge labels as they are numbered.
    """
    device = generator.device
    edges = torch.tensor(known.edges, device=device)
    order = random_uniform(generator, batch_size, len(edges)).argsort(-1)
    labels = len(known.label_names)
    if fixed_labels:
        edge_names = torch.arange(labels, device=device).expand(batch_size, -1)
    else:
        edge_names = distinct_labels(generator, batch_size, labels)
    nodes = len(known.node_names)
    return Graphs(
        edges[order],
        torch.full((batch_size,), len(edges), device=device),
        distinct_labels(generator, batch_size, nodes),
        edge_names,
        torch.full((batch_size,), nodes, device=device),
    )


def draw_until(
    fits: Callable[[Graphs], Bool[Tensor, " batch"]],
    draw: Callable[[], Graphs],
    complaint: str,
) -> Graphs:
    """Graphs from `draw`, those that do not fit drawn again.

    Raises:
        ValueError: with the complaint, when a hundred draws were not enough.
    """
    graphs = draw()
    for _ in range(100):
        misfit = ~fits(graphs)
        if not misfit.any():
            return graphs
        graphs = _replaced(graphs, draw(), misfit)
    raise ValueError(complaint)


def _replaced(graphs: Graphs, fresh: Graphs, where: Tensor) -> Graphs:
    """The graphs with some of them replaced; rows are padded to the longer ones' length."""
    parts = []
    for old, new in zip(graphs, fresh, strict=True):
        if old.dim() > 1 and old.shape[1] != new.shape[1]:
            length = max(old.shape[1], new.shape[1])
            old, new = (
                torch.cat([x, x.new_zeros(len(x), length - x.shape[1], *x.shape[2:])], 1)
                for x in (old, new)
            )
        parts.append(torch.where(where.view(-1, *[1] * (old.dim() - 1)), new, old))
    return Graphs(*parts)


def distinct_labels(
    generator: torch.Generator, batch_size: int, count: int
) -> Int64[Tensor, "batch count"]:
    """For each graph `count` different three-digit labels, in random order."""
    chance = random_uniform(generator, batch_size, LABELS)
    return chance.topk(count).indices


def edge_table(graphs: Graphs, labels: int) -> Int64[Tensor, "batch nodes labels"]:
    """The destination from each node by each edge label; -1 where there is no such edge."""
    batch, nodes = graphs.names.shape
    table = graphs.names.new_full((batch, nodes * labels + 1), -1)
    source, label, destination = graphs.edges.unbind(-1)
    # Entries beyond the last edge all write into a slot of their own, cut off afterwards.
    slot = torch.where(graphs.valid, source * labels + label, nodes * labels)
    return table.scatter(1, slot, destination)[:, :-1].view(batch, nodes, labels)


def pick(
    weights: Float[Tensor, "batch choices"], generator: torch.Generator
) -> Int64[Tensor, " batch"]:
    """One choice for each sequence, by weight; weights need not sum to one but to more than 0."""
    chance = random_uniform(generator, *weights.shape)
    # The first of exponential clocks to ring.
    clock = -torch.log1p(-chance) / weights
    return clock.masked_fill(weights <= 0, float("inf")).argmin(-1)
