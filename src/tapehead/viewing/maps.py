"""The graph that an episode is about: where its nodes are drawn, and the walk over it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from tapehead.tasks import Batch
from tapehead.tasks.graphs.coding import ANSWER, BLANK, TRIPLE_SIZE, decode


class GraphMap(NamedTuple):
    """A graph as it was told, and what was said about it.

    names: of the nodes. xy: (nodes, 2) where to draw them, from 0 to 1. edges: (from, to), by
    number; labels: what they are called; told: the step (from 0) at which each was told.
    walk: for each step of the answer, its number, and the edge asked for and the edge said; None
    for one that the graph has not.
    """

    names: Sequence[str]
    xy: np.ndarray
    edges: Sequence[tuple[int, int]]
    labels: Sequence[str]
    told: Sequence[int]
    walk: Sequence[tuple[int, int | None, int | None]]


def graph_map(batch: Batch, said: Tensor) -> GraphMap | None:
    """The graph of the first sequence of a graph task's batch, and the answer said about it.

    Args:
        said: (batch, time, size), as `Answer.said` gives it.

    Returns:
        None: nothing was told of a graph.
    """
    x, asked = batch.inputs.x[0].cpu(), batch.mask[0].cpu()
    triples = decode(x[:, :TRIPLE_SIZE])
    edge_steps = ((triples != BLANK).all(-1) & ~(x[:, ANSWER] > 0)).nonzero()[:, 0].tolist()
    if not edge_steps:
        return None
    numbers: dict[int, int] = {}
    edges, labels, found = [], [], {}
    for step in edge_steps:
        source, label, end = triples[step].tolist()
        ends = tuple(numbers.setdefault(node, len(numbers)) for node in (source, end))
        found.setdefault((source, label, end), len(edges))
        edges.append(ends)
        labels.append(f"{label:03d}")
    wanted, answered = (
        decode(part[0][:, :TRIPLE_SIZE].cpu().float()) for part in (batch.targets, said)
    )
    walk = [
        (step, found.get(tuple(wanted[step].tolist())), found.get(tuple(answered[step].tolist())))
        for step in asked.nonzero()[:, 0].tolist()
    ]
    return GraphMap(
        names=[f"{node:03d}" for node in numbers],
        xy=layout(len(numbers), edges),
        edges=edges,
        labels=labels,
        told=edge_steps,
        walk=walk,
    )


def layout(nodes: int, edges: Sequence[tuple[int, int]], rounds: int = 300) -> np.ndarray:
    """Places in the unit square where distances are like those along the edges: stress
    majorisation (Gansner, Koren & North 2004), from a circle. The same graph gives the same map."""
    angles = 2 * np.pi * np.arange(nodes) / max(nodes, 1)
    places = np.stack([np.cos(angles), np.sin(angles)], 1)
    if nodes < 3:
        return 0.5 + 0.4 * places[:, ::1] if nodes > 1 else np.full((nodes, 2), 0.5)
    apart = _distances(nodes, edges)
    weight = apart**-2.0
    np.fill_diagonal(weight, 0.0)
    places *= apart.max() / 2
    for _ in range(rounds):
        gaps = places[:, None] - places[None]
        lengths = np.linalg.norm(gaps, axis=2)
        np.fill_diagonal(lengths, 1.0)
        pull = weight[:, :, None] * (
            places[None] + gaps * (apart / np.maximum(lengths, 1e-9))[..., None]
        )
        places = pull.sum(1) / weight.sum(1)[:, None]
    places -= places.min(0)
    return 0.05 + 0.9 * places / np.maximum(places.max(0), 1e-9)


def _distances(nodes: int, edges: Sequence[tuple[int, int]]) -> np.ndarray:
    """Steps between every two nodes, whichever way edges point; pieces that no edge joins are one
    step further apart than the longest way."""
    apart = np.full((nodes, nodes), np.inf)
    np.fill_diagonal(apart, 0.0)
    for start, end in edges:
        if start != end:
            apart[start, end] = apart[end, start] = 1.0
    for middle in range(nodes):
        apart = np.minimum(apart, apart[:, middle, None] + apart[None, middle])
    finite = apart[np.isfinite(apart)].max()
    apart[~np.isfinite(apart)] = finite + 1.0
    np.fill_diagonal(apart, 1.0)
    return apart
