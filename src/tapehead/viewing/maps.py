"""The graph that an episode is about: where its nodes are drawn, and the walk over it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from tapehead.tasks import Batch
from tapehead.tasks.graphs.coding import ANSWER, BLANK, TRIPLE_SIZE, decode
from tapehead.tasks.graphs.worlds import Map


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


def graph_map(batch: Batch, said: Tensor, known: Map | None = None) -> GraphMap | None:
    """The graph of the first sequence of a graph task's batch, and the answer said about it.

    Args:
        said: (batch, time, size), as `Answer.said` gives it.
        known: the map that was told, whose names then stand in place of three digits.

    Returns:
        None: nothing was told of a graph.
    """
    x, asked = batch.inputs.x[0].cpu(), batch.mask[0].cpu()
    triples = decode(x[:, :TRIPLE_SIZE])
    edge_steps = ((triples != BLANK).all(-1) & ~(x[:, ANSWER] > 0)).nonzero()[:, 0].tolist()
    if not edge_steps:
        return None
    numbers: dict[int, int] = {}
    edges, found = [], {}
    told = [tuple(triples[step].tolist()) for step in edge_steps]
    for source, label, end in told:
        ends = tuple(numbers.setdefault(node, len(numbers)) for node in (source, end))
        found.setdefault((source, label, end), len(edges))
        edges.append(ends)
    node_names, label_names = ({}, {}) if known is None else names_of(told, known)
    wanted, answered = (
        decode(part[0][:, :TRIPLE_SIZE].cpu().float()) for part in (batch.targets, said)
    )
    walk = [
        (step, found.get(tuple(wanted[step].tolist())), found.get(tuple(answered[step].tolist())))
        for step in asked.nonzero()[:, 0].tolist()
    ]
    return GraphMap(
        names=[node_names.get(node, f"{node:03d}") for node in numbers],
        xy=layout(len(numbers), edges),
        edges=edges,
        labels=[label_names.get(label, f"{label:03d}") for _, label, _ in told],
        told=edge_steps,
        walk=walk,
    )


Edge = tuple[int, int, int]
"""From, label, to."""


def names_of(told: Sequence[Edge], known: Map) -> tuple[dict[int, str], dict[int, str]]:
    """The names of nodes and of labels that were told under other numbers, wherever the shape of
    the map leaves no doubt: colours of nodes and labels, refined by those of their edges."""
    numbers: dict[Any, int] = {}
    colours = [_refined(edges, numbers) for edges in (told, known.edges)]
    names = []
    for part, every in ((0, known.node_names), (1, known.label_names)):
        of_colour = [defaultdict(list), defaultdict(list)]
        for side in (0, 1):
            for number, colour in colours[side][part].items():
                of_colour[side][colour].append(number)
        names.append(
            {
                here[0]: every[there[0]]
                for colour, here in of_colour[0].items()
                if len(here) == 1 == len(there := of_colour[1][colour])
            }
        )
    return names[0], names[1]


def _refined(
    edges: Sequence[Edge], numbers: dict[Any, int], rounds: int = 12
) -> tuple[dict[int, int], dict[int, int]]:
    """Colours of nodes and labels, the same in graphs of the same shape (Weisfeiler & Leman 1968).
    What was seen is numbered in `numbers`, which both graphs share."""

    def colour(*seen: Any) -> int:
        return numbers.setdefault(seen, len(numbers))

    nodes = {node: 0 for start, _, end in edges for node in (start, end)}
    labels = {label: 0 for _, label, _ in edges}
    for _ in range(rounds):
        rides, out, into = defaultdict(list), defaultdict(list), defaultdict(list)
        for start, label, end in edges:
            rides[label].append((nodes[start], nodes[end]))
            out[start].append((labels[label], nodes[end]))
            into[end].append((labels[label], nodes[start]))
        labels = {each: colour(old, *sorted(rides[each])) for each, old in labels.items()}
        nodes = {
            each: colour(old, tuple(sorted(out[each])), tuple(sorted(into[each])))
            for each, old in nodes.items()
        }
    return nodes, labels


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
